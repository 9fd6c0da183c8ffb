"""An independent comparison of two servers over EWS; it imports nothing of the feed or the replay."""
