"""A simulated Exchange server that speaks EWS on a real port; SKIPPED.md lists every deliberate gap."""
