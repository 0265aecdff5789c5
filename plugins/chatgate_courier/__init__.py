"""Mail to other servers: the queue's worker, its policies and commands; in transport/, how a message is handed on.

See docs/federation.md.
"""
