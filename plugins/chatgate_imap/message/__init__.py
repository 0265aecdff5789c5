"""What is in a message: header, MIME tree, addresses, texts. Any octets can be read, in time linear in their number."""
