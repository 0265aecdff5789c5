"""What SIGHUP does to a gateway that serves: the certificate and the log level are reloaded."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import gevent

from chatgate.hosting import confd
from chatgate.hosting.registry import PluginError
from chatgate.running import log
from chatgate.running.gateway import Gateway

_ANYTHING = (Exception, SystemExit, gevent.Timeout)  # whatever a plugin may do, the gateway lives on


def reload(gateway: Gateway) -> None:
    """Reload each part by itself; if one cannot be loaded, that is a line in the log, and the gateway keeps what it
    had. One more line says what was done and what waits for a restart.
    """
    done = [part(gateway) for part in (_certificate, _settings)]
    log.ANSWERS.info("reload: %s", "; ".join(done))


def reload_level(config: confd.Config) -> None:
    """Reload the log level alone, for the process that looks after others, which report what is wrong. config: what was
    enabled at the start.
    """
    try:
        log.setup(confd.load(config.folder).core.log_level, config.plugins)
    except _ANYTHING:
        pass


def _certificate(gateway: Gateway) -> str:
    try:
        return "new certificate" if gateway.certificates.reload() else "the certificate is the same"
    except PluginError as error:
        log.ANSWERS.error("%s", error)
    except _ANYTHING:
        log.ANSWERS.error("the certificate cannot be read", exc_info=True)
    return "the certificate in use is kept"


def _settings(gateway: Gateway) -> str:
    try:
        config = confd.load(gateway.config.folder)
        before = logging.getLevelName(logging.getLogger("chatgate").level).lower()
        log.setup(config.core.log_level, gateway.config.plugins)
    except confd.ConfigError as error:
        for problem in error.problems:
            log.ANSWERS.error("%s", problem)
        return "the configuration has mistakes and is not used"
    except _ANYTHING:
        log.ANSWERS.error("the configuration cannot be read", exc_info=True)
        return "the configuration is not used"
    level = config.core.log_level.lower()
    done = f"log level {level}, before {before}" if level != before else f"the log level is the same, {level}"
    waiting = _changes(gateway.config, config)
    return f"{done}; {'a restart is needed for ' + ', '.join(waiting) if waiting else 'nothing waits for a restart'}"


def _changes(old: confd.Config, new: confd.Config) -> list[str]:
    """Names of the settings that differ, never their values."""
    found = [name for name in _differing(old.core, new.core) if name != "log_level"]
    was, now = ({plugin.name: plugin for plugin in config.plugins} for config in (old, new))
    found += [f"{name} (enabled)" for name in now if name not in was]
    found += [f"{name} (disabled)" for name in was if name not in now]
    for name in (name for name in now if name in was):
        found += [f"{name}: {key}" for key in _differing(was[name].options, now[name].options)]
        if was[name].order != now[name].order:
            found.append(f"{name} (its place in the order)")
    before, after = map(_domains, (old, new))
    found += [f"domain {name}" for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return found


def _domains(config: confd.Config) -> dict[str, Any]:
    """What holds for each further domain; for comparing."""
    general = [config.core, *(plugin.options for plugin in config.plugins)]
    return {domain.name: [domain.options(options) for options in general] for domain in config.domains}


def _differing(old: Any, new: Any) -> list[str]:
    if type(old) is not type(new) or not dataclasses.is_dataclass(old):
        return [] if old == new else ["its options"]
    names = (field.name for field in dataclasses.fields(old))
    return [name for name in names if getattr(old, name) != getattr(new, name)]
