"""Rehearsals: a failover on a scratch server, from a copy of the log, measured and thrown away."""
