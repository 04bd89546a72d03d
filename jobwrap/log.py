"""The log: one line per event, for a person or as JSON, with the job's identity in each.

Unless a log is asked for, only warnings and failures are said, in plain words on stderr. structlog takes
longer to import than the whole launch may: until open() is called events wait, unless one is a warning.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from jobwrap.record.exitrecord import utc
from jobwrap.record.redact import Secrets

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log:
    """What jobwrap tells while it runs; nothing of it can fail the job.

    call      how jobwrap was called: log, log-level, log-format, verbose, quiet
    identity  what each line carries: the job's number, the run's
    """

    def __init__(self, call: Mapping[str, Any], identity: Mapping[str, Any], secrets: Secrets) -> None:
        self._secrets, self._identity = secrets, identity
        self._plain_from = LEVELS["error" if call.get("quiet") else "warning"]
        level = call.get("log-level") or ("info" if call.get("verbose") or "log" in call else "")
        self._from = LEVELS[level] if level else sys.maxsize
        self._as_json = call.get("log-format", "json" if "log" in call else "text") == "json"
        self._opened = False
        self._waiting: list[tuple[float, str, str, dict[str, Any]]] = []
        self._emit: Callable[[float, str, str, dict[str, Any]], None] | None = None
        self._file: Any = sys.stderr
        if level and "log" in call:
            self._open_file(call["log"])

    def debug(self, event: str, **fields: Any) -> None:
        """Why something is as it is."""
        self._take("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What is done."""
        self._take("info", event, fields)

    def tell(self, event: str) -> None:
        """What the caller asked to be told of, whether there is a log or not."""
        if not (LEVELS["info"] >= self._from and self._file is sys.stderr):
            self._say(event)
        self._take("info", event, {})

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody should know although the job goes on."""
        self._take("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Why the job failed."""
        self._take("error", event, fields)

    def open(self) -> None:
        """From now on there is time for structlog."""
        self._opened = True
        self._flush()

    def close(self) -> None:
        """The last event was told."""
        self._flush()
        try:
            if self._file is not sys.stderr:
                self._file.close()
        except OSError:
            pass  # a full disk

    def _take(self, level: str, event: str, fields: dict[str, Any]) -> None:
        number = LEVELS[level]
        to_file = number >= self._from
        if number >= self._plain_from and not (to_file and self._file is sys.stderr):
            self._say(event)
        if not to_file:
            return
        self._waiting.append((time.time(), level, self._secrets.clean(event), self._secrets.cleaned(fields)))
        if self._opened or number >= LEVELS["warning"]:
            self._flush()

    def _flush(self) -> None:
        try:
            if self._waiting and self._emit is None:
                self._emit = _emitter(self._file, self._identity, as_json=self._as_json)
            while self._waiting and self._emit:
                self._emit(*self._waiting.pop(0))
        except Exception:  # a full disk, a closed pipe, a structlog that is not as it was
            self._waiting.clear()

    def _say(self, event: str) -> None:
        say(self._secrets.clean(event))

    def _open_file(self, path: str) -> None:
        """Before the task could put something else in its place; that of an earlier start may have."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.fdopen(
                os.open(path, flags, 0o644), "w", encoding="utf-8", errors="backslashreplace"
            )
        except OSError as error:
            self._from = sys.maxsize
            self._say(f"the log {path} cannot be written: {error.strerror}")


def say(sentence: str) -> None:
    """One line for the person who reads stderr."""
    try:
        print(f"jobwrap: {sentence}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody reads it; the record has it


def _emitter(
    file: Any, identity: Mapping[str, Any], *, as_json: bool
) -> Callable[[float, str, str, dict[str, Any]], None]:
    """Writes one event: (seconds since the epoch, level, event, fields)."""
    import structlog

    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if not as_json:
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    logger = structlog.wrap_logger(structlog.WriteLogger(file), processors=[renderer]).bind(**identity)

    def emit(at: float, level: str, event: str, fields: dict[str, Any]) -> None:
        logger.msg(event, timestamp=utc(at), level=level, **fields)

    return emit
