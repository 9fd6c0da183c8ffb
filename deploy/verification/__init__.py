"""Verification on demand: both servers read side by side, differences named, repaired by order, reported signed."""
