"""Only encrypted mail may pass: the check that chatmail relays make, as a library and as the plugin `gate`.

The library needs nothing of chatgate:

    from chatgate_gate import inspect
    verdict = inspect(content, incoming=True)
    if not verdict.admitted: …

See docs/gate.md.
"""

from chatgate_gate.check import MAX_HEADER, Kind, Verdict, inspect

__all__ = ["MAX_HEADER", "Kind", "Verdict", "inspect"]
