"""The front door: what leads clients to the server that is live for their mailbox."""
