"""DKIM (RFC 6376, RFC 8463), as a library and as the plugin `dkim`.

The library takes bytes and does no I/O:

    from chatgate_dkim.message import Message
    from chatgate_dkim import signature, signing, verifying

See docs/federation.md.
"""
