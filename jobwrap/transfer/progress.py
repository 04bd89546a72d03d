"""How far transfers are, for a person: one line drawn again and again, or a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TextIO

_EVERY = 0.25  # seconds, on a terminal
_FIRST, _LONGEST = 10.0, 300.0  # elsewhere: the first line after so long, then ever more rarely
_SMOOTH = 5.0  # seconds over which the rate is evened out
_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000.0


class Progress(NamedTuple):
    """Files that are in place and bytes that have come, of how many; of_bytes None where not all is known."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int | None


class ProgressLine:
    """Call it with each Progress, and end() it.

    stream  a terminal gets one line that is drawn again and again
    tell    gets a line now and then, where it is none
    """

    def __init__(self, what: str, stream: TextIO, tell: Callable[[str], None]) -> None:
        self._what, self._stream, self._tell = what, stream, tell
        self._terminal = stream.isatty()
        self._began = time.monotonic()
        self._next = self._began + (0.0 if self._terminal else _FIRST)
        self._pause = _EVERY if self._terminal else _FIRST
        self._last = (self._began, 0)
        self._rate = 0.0
        self._drawn = 0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._measure(now, progress.bytes)
        self._next = now + self._pause
        line = f"{self._what}: {in_words(progress, self._rate, now - self._began)}"
        if self._terminal:
            self._write(f"\r{line:<{self._drawn}}")
            self._drawn = len(line)
        else:
            self._pause = min(2 * self._pause, _LONGEST)
            self._tell(line)

    def end(self) -> None:
        """Leave the terminal's line as if nothing had been there."""
        if self._drawn:
            self._write(f"\r{'':<{self._drawn}}\r")

    def _measure(self, now: float, moved: int) -> None:
        then, before = self._last
        span = max(now - then, 1e-3)
        weight = min(1.0, span / _SMOOTH) if self._rate else 1.0
        self._rate += weight * (max(0, moved - before) / span - self._rate)
        self._last = (now, moved)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            pass  # nobody looks any more


def progress_line(what: str, call: Mapping[str, Any], tell: Callable[[str], None]) -> ProgressLine | None:
    """What shows how far it is on stderr, None where --progress does not ask for it."""
    return ProgressLine(what, sys.stderr, tell) if call.get("progress") else None


def in_words(progress: Progress, rate: float, seconds: float = 0.0) -> str:
    """3 of 12 files, 1.2 GB of 4.0 GB, 110 MB/s, 25 s left

    rate is in bytes per second, seconds are those so far: files tell the time left where bytes cannot.
    """
    parts = [f"{progress.files} of {progress.of_files} files"]
    if progress.of_bytes is None:
        parts.append(_amount(progress.bytes))
    else:
        parts.append(f"{_amount(progress.bytes)} of {_amount(progress.of_bytes)}")
    parts.append(f"{_amount(rate)}/s")
    if progress.of_bytes is not None and rate > 0:
        parts.append(f"{_span((progress.of_bytes - progress.bytes) / rate)} left")
    elif progress.files and seconds:
        left = seconds / progress.files * (progress.of_files - progress.files)
        parts.append(f"about {_span(left)} left")
    return ", ".join(parts)


def _amount(number: float) -> str:
    unit = 0
    while number >= _THOUSAND and unit < len(_UNITS) - 1:
        number, unit = number / _THOUSAND, unit + 1
    digits = 1 if unit and number < 100 else 0  # noqa: PLR2004  # three digits are enough
    return f"{number:.{digits}f} {_UNITS[unit]}"


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours}:{minutes:02}:{seconds:02}"
        if hours
        else f"{minutes}:{seconds:02}"
        if minutes
        else f"{seconds} s"
    )
