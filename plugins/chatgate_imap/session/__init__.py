"""One client: its connection, its bytes, the mailbox it has open, and the memory all that takes."""
