"""The group of the operators in Delta Chat: the gateway is a member, and the one that lets others in."""
