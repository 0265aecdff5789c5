"""The contract of a store: what it is asked, the records it speaks in, and the board that carries its wake-ups."""
