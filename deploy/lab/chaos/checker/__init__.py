"""Judges a chaos run from outside: pure functions over what servers, log and users say."""
