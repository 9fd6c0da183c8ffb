"""One file an EWS operation; each says its versions, its behaviour and what it skips."""
