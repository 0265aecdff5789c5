"""What is remembered of one domain's certificate between two looks at it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from chatgate.api import replace_file
from chatgate_acme import files


@dataclass
class State:
    """All times are Unix seconds. directory: that the certificate is from. staging: no client accepts it. look_at: when
    to look again. retry_at: nothing is asked of the authority before; failures: how often in a row it could not be had.
    problem: why, for the operator, or "". renew_at: when the authority wants it renewed; ask_at: when to ask it again.
    refused: names that it could not reach, until when they are left out.
    """

    directory: str = ""
    staging: bool = False
    look_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    problem: str = ""
    renew_at: float = 0.0
    ask_at: float = 0.0
    refused: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """A lost or broken file costs nothing but what it remembered."""
        found, state = files.read_json(path), cls()
        for one in fields(cls):
            value = found.get(one.name)
            if type(value) is type(getattr(state, one.name)) or (type(value) is int and one.type == "float"):
                setattr(state, one.name, value)
        state.refused = {str(name): float(at) for name, at in state.refused.items() if _number(at)}
        return state

    def save(self, path: Path) -> None:
        """Raises OSError."""
        replace_file(path, json.dumps(asdict(self), indent=1).encode())


def _number(value: Any) -> bool:
    return type(value) in (int, float)
