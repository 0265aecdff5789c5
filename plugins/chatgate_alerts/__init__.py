"""chatgate_alerts: tells the operators of trouble, once when it begins and once when it is over."""

from chatgate_alerts.plugin import Alerts, AlertsOptions

__all__ = ["Alerts", "AlertsOptions"]
