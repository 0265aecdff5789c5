"""What an operator can set in conf.d/NN-alerts.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import Secret, option
from chatgate_alerts.webhook import Target


@dataclass(frozen=True)
class AlertsOptions:
    look_seconds: float = option(60.0, "Seconds between two looks at what is wrong.", live=True)
    begin_seconds: float = option(
        120.0, "Seconds that a trouble has to last before the operators are told: many pass by themselves.", live=True
    )
    end_seconds: float = option(
        300.0, "Seconds without the trouble after which they are told that it is over.", live=True
    )
    messages_per_hour: int = option(
        20, "Messages in an hour; what happens beyond that is put together into the next one.", live=True
    )
    keep_hours: float = option(
        24.0, "Hours for which a message is tried again that a channel does not take. Then it is lost.", live=True
    )
    most_members: int = option(50, "Members that the operators' group in Delta Chat may have.", live=True)
    webhook: Secret = option(
        Secret(""), "URL that gets each message by POST, as JSON; often whoever knows it may post. Empty: none."
    )
    webhook_header: Secret = option(
        Secret(""), 'A header for it that proves who we are, such as "Authorization: Bearer abc123". Empty: none.'
    )
    webhook_fields: tuple[str, ...] = option((), 'Further fields of the JSON, such as ["topic=chatgate"] for ntfy.')
    webhook_ca_file: str = option("", "PEM file of the authorities to trust for it. Empty: those of the system.")
    webhook_seconds: float = option(15.0, "Seconds that it may take to answer.", live=True)

    def __post_init__(self) -> None:
        for name in ("look_seconds", "messages_per_hour", "webhook_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: must be above 0")
        if self.webhook:
            Target.of(self.webhook, self.webhook_header, self.webhook_fields)
