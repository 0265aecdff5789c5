"""chatgate_turn: tells apps where they find a TURN server for calls, with credentials that coturn accepts."""
