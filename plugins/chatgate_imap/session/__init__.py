"""One client: its connection, the bytes on it, the open mailbox, and the memory that all this takes."""
