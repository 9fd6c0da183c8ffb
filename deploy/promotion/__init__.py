"""A promotion: the coordinator around the table of `consumers.failover`, its progress, and what it says of losses."""
