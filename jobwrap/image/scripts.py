"""The variables that an image's own environment scripts set, as far as they can be read without a shell.

`singularity build` and `apptainer build` write them as `export NAME="value"` and, from a Docker
image, as `export NAME="${NAME:-"value"}"`. Anything cleverer is not guessed at.
"""

from __future__ import annotations

from jobwrap.image.files import Files
from jobwrap.letters import is_variable

FOLDER = "/.singularity.d/env"
# The runtime's own, the same in each image.
_OWN = frozenset(["01-base.sh", "94-appsbase.sh", "95-apps.sh", "99-base.sh", "99-runtimevars.sh"])
_MOST_SCRIPTS = 16
_BLANKS = " \t"


def read_variables(files: Files) -> dict[str, str]:
    """The variables of a sandbox's scripts, the last assignment of each."""
    names = [name for name in files.names(FOLDER) if name.endswith(".sh") and name not in _OWN]
    return parse_variables(files.text(f"{FOLDER}/{name}") for name in names[:_MOST_SCRIPTS])


def parse_variables(scripts: object) -> dict[str, str]:
    """The variables that these texts set; what is no text is passed over."""
    variables: dict[str, str] = {}
    for script in scripts if hasattr(scripts, "__iter__") else ():
        for line in script.split("\n") if isinstance(script, str) else ():
            words = line.strip(_BLANKS)
            exported = words.startswith(("export ", "export\t"))
            name, _, value = (words[len("export") :].lstrip(_BLANKS) if exported else words).partition("=")
            if "=" in words and is_variable(name):
                variables[name] = _unquoted(value.strip())
    return variables


def _unquoted(value: str) -> str:
    default = _default(value)
    if default is not None:
        return default.replace('\\"', '"')
    for quote in "\"'":
        if len(value) > 1 and value[0] == value[-1] == quote:
            return value[1:-1]
    return value


def _default(value: str) -> str | None:
    """What stands in ${NAME:-"value"}, quoted or not, None for another form."""
    value = value.removeprefix('"')
    value = value.removesuffix('"') if value.endswith('}"') else value
    if not (value.startswith("${") and value.endswith("}")):
        return None
    name, mark, default = value[2:-1].partition("-")
    if not mark or not is_variable(name.removesuffix(":")):
        return None
    return default.removeprefix('"').removesuffix('"')
