"""The variables that an image's own environment scripts set, as far as they can be read without a shell.

`singularity build` and `apptainer build` write them as `export NAME="value"` and, from a Docker
image, as `export NAME="${NAME:-"value"}"`. Anything cleverer is not guessed at.
"""

from __future__ import annotations

import re

from jobwrap.image.files import Files

FOLDER = "/.singularity.d/env"
# The runtime's own, the same in each image.
_OWN = frozenset(["01-base.sh", "94-appsbase.sh", "95-apps.sh", "99-base.sh", "99-runtimevars.sh"])
_MOST_SCRIPTS = 16
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=([^\n]*)$", re.MULTILINE | re.ASCII)
_DEFAULT = re.compile(r'"?\$\{\w+:?-"?(.*?)"?\}"?')


def read_variables(files: Files) -> dict[str, str]:
    """The variables of a sandbox's scripts, the last assignment of each."""
    names = [name for name in files.names(FOLDER) if name.endswith(".sh") and name not in _OWN]
    return parse_variables(files.text(f"{FOLDER}/{name}") for name in names[:_MOST_SCRIPTS])


def parse_variables(scripts: object) -> dict[str, str]:
    """The variables that these texts set; what is no text is passed over."""
    variables: dict[str, str] = {}
    for script in scripts if hasattr(scripts, "__iter__") else ():
        if isinstance(script, str):
            for name, value in _ASSIGNMENT.findall(script):
                variables[name] = _unquoted(value.strip())
    return variables


def _unquoted(value: str) -> str:
    default = _DEFAULT.fullmatch(value)
    if default:
        return default[1].replace('\\"', '"')
    for quote in "\"'":
        if len(value) > 1 and value[0] == value[-1] == quote:
            return value[1:-1]
    return value
