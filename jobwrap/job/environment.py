"""Environment and arguments as a job ad has them: V2, where quotes group, and V1, where nothing does.

Source: HTCondor manual, condor_submit, "arguments" and "environment"; the ad holds the raw form of
either, without the submit file's outer double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_BLANKS = " \t\r\n"
_TO_BLANKS = dict.fromkeys(map(ord, _BLANKS), " ")
_QUOTED = r"'((?:[^']|'')*)'"
# A word is made of quoted and plain parts: a'b c'd is one. What is left over is a lone quote.
_PIECE = r"(?P<word>(?:[^' \t\r\n]|'(?:[^']|'')*'(?!'))+)|(?P<open>')"


def arguments(ad: Mapping[str, object]) -> tuple[str, ...]:
    """The task's arguments, from a job ad with lower-case names; ValueError if they cannot be read."""
    if isinstance(ad.get("arguments"), str):
        return tuple(split_v2(str(ad["arguments"])))
    return tuple(_text(ad, "args").split())


def environment(ad: Mapping[str, object]) -> dict[str, str]:
    """The environment that the job asked for; ValueError if it cannot be read. The last of a name counts."""
    if isinstance(ad.get("environment"), str):
        return _pairs(split_v2(str(ad["environment"])))
    delimiter = _text(ad, "envdelim")[:1] or ";"
    settings = (setting.strip(_BLANKS) for setting in _text(ad, "env").split(delimiter))
    return _pairs([setting for setting in settings if setting])


def split_v2(text: str) -> list[str]:
    """The words of a V2 text: blanks part them, single quotes group, and two in a quote are one of them.

    ValueError for a quote that never ends.
    """
    if "'" not in text:
        return [word for word in text.translate(_TO_BLANKS).split(" ") if word]
    words: list[str] = []
    for match in re.finditer(_PIECE, text):
        if match["open"]:
            raise ValueError(f"the quote at character {match.start() + 1} never ends")
        if match["word"]:
            words.append(re.sub(_QUOTED, lambda quoted: quoted[1].replace("''", "'"), match["word"]))
    return words


def _pairs(settings: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for number, setting in enumerate(settings, 1):
        name, equals, value = setting.partition("=")
        if not (name and equals):  # not shown, as it may be part of a secret
            raise ValueError(f"word {number} of the environment is no NAME=VALUE")
        pairs[name] = value
    return pairs


def _text(ad: Mapping[str, object], name: str) -> str:
    value = ad.get(name)
    return value if isinstance(value, str) else ""
