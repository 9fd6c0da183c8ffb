"""The feed: reads each change of a source mailbox once and writes it to the log."""
