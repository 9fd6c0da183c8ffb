"""Moving mailboxes to a target in waves: a thin layer over first copy, promotion and the way back."""
