"""A world under faults, with a checker that shares nothing with what it judges."""
