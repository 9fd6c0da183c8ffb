"""Named exit codes; the numbers are those of sysexits.h where one fits."""

OK = 0
DIFFERENT = 1  # a comparison or check found a difference
USAGE = 2  # click's own
SETTINGS = 78  # the settings file is missing, unreadable or wrong
SOURCE_UNREACHABLE = 64
TARGET_UNREACHABLE = 65
KAFKA_UNREACHABLE = 66
NO_MAILBOX = 67  # a mailbox does not exist, or the account may not impersonate it
INTERNAL = 70
TOPIC_MISMATCH = 71  # partition count differs from the recorded one
DISK = 73  # spool or data directory can't be written
IN_USE = 75  # a port or directory is in use
NOT_ALLOWED = 77  # wrong password or no permission
NOT_RESTORABLE = 74  # the log does not reach back so far, or the mailbox is in use
FRONT_DOOR = 68  # a way of leading clients can't be used: see the message
HALTED = 79  # a fault that needs a person: see the message
WORD_NEEDED = 69  # mailboxes were left out of a promotion: they need the operator's word
STOPPED = 72  # a promotion stopped at a named point: resume or undo it
DRIVEN = 76  # another operator drives a promotion, or there is none to go on with
INTERRUPTED = 130
