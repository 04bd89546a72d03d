"""The rules of `jobwrap image lint`: what in a recipe makes an image that breaks elsewhere, or changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jobwrap.image.recipe import BASE, COPY, ENTRY, FETCH, SHELL, USER, VARIABLE, commands

ERROR, WARNING = "error", "warning"
Look = Callable[[str], Iterable[str]]


class Rule(NamedTuple):
    """look finds the words that break the rule in a step of these kinds; {} stands for them.

    unless  what makes the rule moot, anywhere in the recipe
    """

    name: str
    weight: str
    kinds: tuple[str, ...]
    look: Look
    sentence: str
    unless: str = ""


def _words(*patterns: str) -> Look:
    """What any of the patterns finds."""
    joined = re.compile("|".join(patterns), re.MULTILINE)
    return lambda text: (found[0].strip() for found in joined.finditer(text))


def _unversioned(tool: str, verbs: str, version: str, listed: str) -> Look:
    """The packages that an install command names without a version.

    version  what a word with a version has in it
    listed   options that say that the versions stand elsewhere
    """
    start = re.compile(rf"(?:^|[\s/])(?:{tool})\s+(?:-\S+\s+)*(?:{verbs})(?:\s+(.*)|$)", re.DOTALL)
    elsewhere = re.compile(rf"(?:^|\s)(?:{listed})(?:[\s=]|$)")
    versioned = re.compile(version)

    def look(text: str) -> Iterable[str]:
        for command in commands(text):
            found = start.search(command)
            if not found or elsewhere.search(command):
                continue
            for quoted in _VALUED.sub(" ", found[1] or "").split():
                word = quoted.strip("\"'")
                if word and word[0] not in _NO_PACKAGE and not versioned.search(word):
                    yield word

    return look


# Options with a word of their own, which is no package; and how words begin that are none.
_VALUED = re.compile(
    r"(?:^|\s)(?:-[nptco]|--(?:name|prefix|channel|(?:extra-)?index-url|target|root|option|setopt|repo))\s+\S+"
)
_NO_PACKAGE = "-$./#<>&"


def _unpinned_base(reference: str) -> Iterable[str]:
    tag = reference.rpartition("/")[2].partition(":")[2]
    if "@" not in reference and "$" not in reference and tag in ("", "latest"):
        yield reference


def _tagged_base(reference: str) -> Iterable[str]:
    if "@sha256:" not in reference and not list(_unpinned_base(reference)):
        yield reference


def _unchecked(text: str) -> Iterable[str]:
    if not re.search(r"sha(?:256|512|1)sum|shasum|gpg\s+.*--verify", text):
        yield from re.findall(r"(?:^|\s)(?:curl|wget)\s[^;&|]*?(https?://[^\s\"';&|]+)", text)


def _moving_clone(text: str) -> Iterable[str]:
    if not re.search(r"\bgit\s+(?:-C\s+\S+\s+)?(?:checkout|reset|switch)\b|\s--branch\b|\s-b\s", text):
        yield from (command for command in commands(text) if re.search(r"\bgit\s+clone\b", command))


def _covered(text: str) -> Iterable[str]:
    target = text.split()[-1]
    if " " in text.strip() and re.match(r"/(?:srv|tmp|var/tmp|home|proc|sys|dev|run)(?:/|$)", target):
        yield target


def _library_path(text: str) -> Iterable[str]:
    name, _, value = text.partition("=")
    if name == "LD_PRELOAD" or (name == "LD_LIBRARY_PATH" and name not in value):
        yield name


def _other_user(text: str) -> Iterable[str]:
    if text.strip() not in ("root", "0"):
        yield text


_PIP = r"(?:uv\s+)?pip[\d.]*|python[\d.]*\s+-m\s+pip"
_FOR_THIS_CPU = _words(
    r"-m(?:arch|cpu|tune)=native\b",
    r"-xHost\b",
    r"-tp=(?:native|host)\b",
    r"target-cpu=native\b",
    r"\b\w*NATIVE(?:_ARCH\w*|_OPT\w*)?=(?:ON|1|yes)\b",
)
_UPGRADE = _words(
    r"\bapt(?:-get)?\s+(?:-\S+\s+)*(?:dist-|full-)?upgrade\b",
    r"\b(?:dnf|yum)\s+(?:-\S+\s+)*(?:update|upgrade)\b",
    r"\bapk\s+upgrade\b",
)
_DRIVER = _words(
    r"\b(?:nvidia-(?:driver|kernel)-\S+|libnvidia-compute-\S+|libcuda1|libnvidia-ml1|cuda-drivers\S*)"
)
_LOGIN = _words(
    r">>?\s*\S*(?:\.bashrc|\.profile|\.bash_profile|/etc/profile\S*)",
    r"\bconda\s+(?:activate|init)\b\s*\S*",
    r"\bsource\s+activate\s+\S+",
)
_HOME = _words(r"\bpip\S*\s+install\s+(?:\S+\s+)*--user\b", r"~/\S+", r"\$\{?HOME\}?/\S+")

RULES = (
    Rule("base.unpinned", ERROR, (BASE,), _unpinned_base,
         "the base {} changes whenever its makers wish; name a version, best with its @sha256 digest"),
    Rule("base.tag", WARNING, (BASE,), _tagged_base,
         "the tag of the base {} can be moved; add its @sha256 digest"),
    Rule("pip.unversioned", ERROR, (SHELL,),
         _unversioned(_PIP, "install", r"[=@]|\.(?:whl|tar\.\w+|zip)$", "-[rce]|--requirement|--constraint"),
         "pip takes the {} of the day; write name==version, or -r with a list of versions"),
    Rule("conda.unversioned", ERROR, (SHELL,),
         _unversioned("(?:micro)?mamba|conda", "install|create", r"[=/]", "-f|--file"),
         "conda takes the {} of the day; write name=version, or --file with a list of versions"),
    Rule("apt.unversioned", WARNING, (SHELL,),
         _unversioned("apt-get|apt|aptitude", "install", r"=|\.deb$", "--print-uris"),
         "apt takes the {} of the day; write name=version, or take them from snapshot.debian.org",
         unless=r"snapshot\.(?:debian\.org|ubuntu\.com)"),
    Rule("dnf.unversioned", WARNING, (SHELL,),
         _unversioned("(?:micro)?dnf|yum|zypper", "install|in", r"-\d|\.rpm$", "--disablerepo=.*"),
         "the {} of the day are installed; write name-version"),
    Rule("apk.unversioned", WARNING, (SHELL,), _unversioned("apk", "add", r"[=~]", "--repositories-file"),
         "apk takes the {} of the day; write name=version"),
    Rule("upgrade", WARNING, (SHELL,), _UPGRADE,
         "{} makes another image each day; take a newer base instead"),
    Rule("march.native", ERROR, (SHELL, VARIABLE), _FOR_THIS_CPU,
         "{} builds for the CPU of whoever builds; name the oldest that must do, as -march=x86-64-v2"),
    Rule("driver.inside", ERROR, (SHELL,), _DRIVER,
         "{} belongs to a node's own driver, which --nv binds in; install the CUDA toolkit only"),
    Rule("download.unchecked", WARNING, (SHELL,), _unchecked,
         "nobody would notice another content of {}; compare its sha256sum"),
    Rule("fetch.unchecked", WARNING, (FETCH,), lambda text: text.split()[:1],
         "nobody would notice another content of {}; give ADD a --checksum"),
    Rule("git.unpinned", ERROR, (SHELL,), _moving_clone,
         "{} takes the newest of the day; check out a tag or a commit"),
    Rule("path.covered", ERROR, (COPY, FETCH), _covered,
         "what lies in {} is covered when a job runs; put it into /opt or /usr/local"),
    Rule("home.root", ERROR, (VARIABLE,), _words(r"(?<![\w/])/root/[^\s:\"']*"),
         "{} can be read by root only, and no job is root; install into /opt or /usr/local"),
    Rule("home.user", WARNING, (SHELL,), _HOME,
         "{} is the home folder of whoever builds, which no job sees; use /opt or /usr/local"),
    Rule("login.shell", WARNING, (SHELL,), _LOGIN,
         "{} has no effect in a job, which starts no login shell; use ENV or %environment"),
    Rule("user", WARNING, (USER,), _other_user,
         "USER {} is not who will run it: a job runs as its own user, and must be able to read all files"),
    Rule("entrypoint", WARNING, (ENTRY,), lambda text: [text],
         "ENTRYPOINT {} is not run by a job, which names its own command; that must do what is needed"),
    Rule("library.path", WARNING, (VARIABLE,), _library_path,
         "{} takes the place of what --nv sets; end it with :$LD_LIBRARY_PATH, and set no LD_PRELOAD"),
)  # fmt: skip  # what belongs to a rule stands together
