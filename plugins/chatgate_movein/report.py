"""What an import did, and what could not come along."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Lines for people; a program gets all of them.
_SHOWN = 40


@dataclass
class Report:
    """counts: by words for the operator. left: what stayed behind, as (account or "", mailbox or "", why): how many.
    failed: nothing more could be done, and the import is to be run again.
    """

    dry_run: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def leave(self, why: str, account: str = "", mailbox: str = "") -> None:
        self.left[account, mailbox, why] += 1

    def data(self) -> dict[str, Any]:
        """For JSON."""
        behind = [
            {"account": account, "mailbox": mailbox, "why": why, "count": count}
            for (account, mailbox, why), count in sorted(self.left.items())
        ]
        facts = {"dry_run": self.dry_run, "counts": dict(sorted((+self.counts).items())), "left_behind": behind}
        return facts | {"failed": self.failed}

    def lines(self) -> list[str]:
        """For people."""
        verb = "would come" if self.dry_run else "came"
        lines = [f"{count:>10}  {what}" for what, count in sorted((+self.counts).items())]
        lines.insert(0, f"What {verb}:" if lines else f"Nothing {verb}.")
        if self.left:
            lines.append("What stays behind, and why:")
        for (account, mailbox, why), count in sorted(self.left.items())[:_SHOWN]:
            where = ": ".join(one for one in (account, mailbox) if one)
            lines.append(f"{count:>10}  {where + ': ' if where else ''}{why}")
        if len(self.left) > _SHOWN:
            lines.append(f"            and {len(self.left) - _SHOWN} more; --json has all of them")
        return lines + [f"FAILED: {line}" for line in self.failed]
