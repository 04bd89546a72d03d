"""The one table of options: words on the command line, keys of a job file and of a site's defaults.

A layer is a dict from an option's name to its value, parsed; options that may stand several times
have a list. merge.py puts layers over each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jobwrap.job import entries, words

Layer = dict[str, Any]


class Option(NamedTuple):
    """One row of the table.

    name    as on the command line and in a job file
    metavar what stands behind it in --help; "" makes it a flag
    parse   from one word to its value; ValueError says what is wrong with the word
    many    whether it may stand several times
    help    one line; "" for what --help leaves to docs/
    short   a one-letter form
    """

    name: str
    metavar: str
    parse: Callable[[str], Any]
    help: str
    many: bool = False
    short: str = ""


OPTIONS = (
    Option("image", "IMAGE", words.text, "a name of the image tree, a path, a .sif file"),
    Option(
        "input", "[NAME=]PLACE[#ALG:HEX]", entries.input_, "a path or URL the task finds as NAME", many=True
    ),
    Option("output", "NAME[=URL]", entries.output, "a file, folder or glob to bring back", many=True),
    Option("unpack", "NAME", words.text, "extract this input into a folder of its name", many=True),
    Option("bind", "PATH[:TARGET[:rw]]", entries.bind, "a path of the node the task may see", many=True),
    Option("env", "NAME[=VALUE]", words.setting, "a variable; without VALUE, the caller's", many=True),
    Option("credential", "NAME", words.credential, "bearer, x509 or one of HTCondor's", many=True),
    Option("gpus", "N", words.count, "GPUs the task needs"),
    Option("cpus", "N", words.count, "cores the task may use"),
    Option("memory", "SIZE", words.size, "as 500M, 4G"),
    Option("disk", "SIZE", words.size, "room it needs in scratch"),
    Option("time", "TIME", words.duration, "as 90 (seconds), 30m, 2h, 1:30:00; then TERM, grace, KILL"),
    Option("grace", "TIME", words.duration, "between TERM and KILL (10 s)"),
    Option("scratch", "FOLDER", words.text, "where it runs (_CONDOR_SCRATCH_DIR, else here)"),
    Option("target", "PATH", words.absolute, "what scratch is called inside (/srv)"),
    Option("output-on", "WHEN", words.one_of("success", "failure", "always"), "when outputs are delivered"),
    Option("stdout", "FILE", entries.inside, "the task's stdout goes into this file of its scratch folder"),
    Option("stderr", "FILE", entries.inside, "the same for its stderr; both may be one file"),
    Option("stdout-limit", "SIZE", words.size, "what stdout has beyond that is dropped, the record says so"),
    Option("stderr-limit", "SIZE", words.size, "the same for stderr"),
    Option("last-lines", "N", words.count, "the last N lines of both go into the exit record"),
    Option("network", "host|none", words.one_of("host", "none"), "what network the task gets"),
    Option("runtime", "NAME", words.one_of("apptainer", "singularity", "bwrap"), "which runtime to use"),
    Option("here", "", words.flag, "run the task directly, without a container"),
    Option("exact", "", words.flag, "this very image, no variant of it"),
    Option("ignore-needs", "", words.flag, "run even if this CPU lacks what the image needs"),
    Option("require-pinned", "", words.flag, "refuse a tag or a URL that can come to mean another image"),
    Option("job", "FILE", words.text, "a job file, TOML or JSON, with these names as keys"),
    Option("reraise", "", words.flag, "end by the task's own signal, not with 128 and its number"),
    Option("checkpoint-exit-code", "CODE", words.exit_code, "the task's when it took a checkpoint (85)"),
    Option("infra-exit-code", "CODE", words.exit_code, "one code for all that is not the user's to repair"),
    Option(
        "record",
        "PLACE",
        words.record_place,
        "where the exit record goes: files (jobwrap-record.json in scratch), -, http(s) URLs",
        many=True,
    ),
    Option("kickstart", "FILE", words.text, "a record as pegasus-kickstart writes it, - for stdout"),
    Option("timing", "", words.flag, "print after the run, on stderr, where its time went"),
    Option("progress", "", words.flag, "show how far transfers are, on stderr"),
    Option("dry-run", "", words.flag, "print the plan and its reasons, run nothing"),
    Option("json", "", words.flag, "with --dry-run, as JSON"),
    Option("verbose", "", words.flag, "log what is done, on stderr", short="v"),
    Option("quiet", "", words.flag, "say nothing but a failure", short="q"),
    Option("log", "FILE", words.text, "log what is done into this file, one JSON object a line"),
    Option("log-level", "LEVEL", words.one_of("debug", "info", "warning", "error"), "of the log (info)"),
    Option("log-format", "FORMAT", words.one_of("json", "text"), "of the log (text on stderr)"),
)

BY_NAME = {option.name: option for option in OPTIONS}
_BY_SHORT = {option.short: option for option in OPTIONS if option.short}
# How jobwrap is called, not what is asked: these make no sense in a file.
CALL_ONLY = {"job", "progress", "dry-run", "json", "verbose", "quiet", "log", "log-level", "log-format"}


def parse_words(arguments: list[str]) -> tuple[Layer, tuple[str, ...]]:
    """The layer that the words before "--" make, and the words behind it: the task's command.

    Raises ValueError with what is wrong; the last of an option that stands twice counts.
    """
    layer: Layer = {}
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            return layer, tuple(rest)
        option, value = _option_of(word)
        if not option.metavar:
            if value is not None:
                raise ValueError(f"--{option.name} takes no value")
            layer[option.name] = True
            continue
        if value is None:
            value = next(rest, None)
            if value in (None, "--"):
                raise ValueError(f"--{option.name} needs {option.metavar}")
        _add(layer, option, value)
    return layer, ()


def parse_keys(keys: dict[str, Any]) -> Layer:
    """The layer that a file's keys make; ValueError names the key that is wrong."""
    layer: Layer = {}
    for key, value in keys.items():
        option = BY_NAME.get(key)
        if option is None or key in CALL_ONLY:
            raise ValueError(f"there is no option {key!r}")
        if not option.metavar:
            if not isinstance(value, bool):
                raise ValueError(f"{key} must be true or false")
            layer[key] = value
            continue
        for each in words.spread(key, value, option.many):
            _add(layer, option, each)
    return layer


def _option_of(word: str) -> tuple[Option, str | None]:
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name in BY_NAME:
            return BY_NAME[name], value if equals else None
    elif word.startswith("-") and word[1:] in _BY_SHORT:
        return _BY_SHORT[word[1:]], None
    if not word.startswith("-"):
        raise ValueError(f"{word!r} stands before --; the task's command goes behind it")
    raise ValueError(f"there is no option {word}")


def _add(layer: Layer, option: Option, word: Any) -> None:
    try:
        value = option.parse(word)
    except ValueError as error:
        raise ValueError(f"--{option.name} {word!r}: {error}") from None
    if option.many:
        layer.setdefault(option.name, []).append(value)
    else:
        layer[option.name] = value


def help_lines() -> list[str]:
    """One line an option, for --help."""
    width = 30
    lines = []
    for option in OPTIONS:
        head = f"-{option.short}, --{option.name}" if option.short else f"--{option.name}"
        head = f"{head} {option.metavar}".rstrip()
        gap = "  " if len(head) > width else " " * (width - len(head) + 2)
        lines.append(f"  {head}{gap}{option.help}")
    return lines
