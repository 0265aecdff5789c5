"""The queue's worker: what is tried when, in which order, and what becomes of it."""
