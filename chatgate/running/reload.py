"""What SIGHUP does to a gateway that serves: it takes a new certificate, and the live options from conf.d."""

from __future__ import annotations

import logging
import time

import gevent
from gevent.lock import RLock

from chatgate.hosting import confd, live
from chatgate.hosting.registry import PluginError
from chatgate.running import files, log, serving
from chatgate.running.gateway import Gateway

_ANYTHING = (Exception, SystemExit, gevent.Timeout)  # whatever a plugin may do, the gateway lives on


class Reload:
    """Reloads for one gateway, one after the other."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lock = RLock()

    def __call__(self) -> None:
        """The certificate and the settings each by itself; if one cannot be loaded, that is a line in the log, and the
        gateway keeps all it had of it. One more line says what was done and what waits for a restart; `chatgate reload`
        reads the same in the folder.
        """
        with self._lock:
            report = serving.Report(began=time.monotonic())
            self._certificate(report)
            self._settings(report)
            for error in report.errors:
                log.ANSWERS.error("%s", error)
            for warning in report.warnings:
                log.ANSWERS.warning("%s", warning)
            log.ANSWERS.info("reload: %s", "; ".join(report.lines()))
            serving.note(self._gateway, report)

    def _certificate(self, report: serving.Report) -> None:
        try:
            report.certificate = "new" if self._gateway.certificates.reload() else "the same"
        except PluginError as error:
            report.certificate = "kept"
            report.errors.append(str(error))
        except _ANYTHING as error:
            report.certificate = "kept"
            report.errors.append(f"the certificate cannot be read: {type(error).__name__}")
            logging.getLogger("chatgate.reload").debug("certificate", exc_info=True)

    def _settings(self, report: serving.Report) -> None:
        gateway = self._gateway
        try:
            config = confd.load(gateway.config.folder)
            changes = live.compare(gateway.config, config)
            if changes.live or changes.waiting:
                Gateway(config)  # nothing is taken of what would not start
            live.apply(gateway.config, config)
        except confd.ConfigError as error:
            report.errors += error.problems
            report.wrong = True
            return
        except PluginError as error:
            report.errors.append(str(error))
            report.wrong = True
            return
        except _ANYTHING as error:
            report.errors.append(f"the configuration cannot be read: {type(error).__name__}")
            report.wrong = True
            return
        report.changed, report.waiting = changes
        log.setup(gateway.config.core.log_level, gateway.config.plugins)
        if changes.live:
            gateway.options_changed(changes.live)
            report.warnings += [few] if (few := files.too_few(gateway.config.plugins)) else []


def reload_level(config: confd.Config) -> None:
    """Reload the log level alone, for the process that looks after others, which report what is wrong. config: what was
    enabled at the start.
    """
    try:
        log.setup(confd.load(config.folder).core.log_level, config.plugins)
    except _ANYTHING:
        pass
