"""Connections: who listens, who finds a place, whose turn it is, who is logged in."""
