"""What is in a message: header, MIME tree, addresses, texts; read from any octets, in proportion to them."""
