"""A promotion: the coordinator around the table of `schemas.failover`, its progress, and what it says of losses."""
