"""What clients write, and the ways a command ends."""
