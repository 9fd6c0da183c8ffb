"""The replay: applies the log to a target mailbox, exactly once."""
