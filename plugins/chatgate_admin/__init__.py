"""The operator's dashboard: what goes on in this gateway, and what can be done about it, in a browser."""
