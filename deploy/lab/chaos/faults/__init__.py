"""The faults of a chaos run: one function each, one table."""
