"""A message on its way: envelope, addresses, header edits, notices, and the intake, which leads it into the store."""
