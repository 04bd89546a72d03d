"""What is wrong with a recipe, by the table of rules; a remark can allow what has its reason.

# jobwrap: allow apt.unversioned
RUN apt-get install -y gfortran
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jobwrap.image.recipe import BASE, COPY, SHELL, Recipe, Step, read_recipe
from jobwrap.image.rules import RULES, WARNING

# In Debian's words "part of the file system standard": every distribution's base has it, small ones do not.
_SMALL_BASES = re.compile(r"alpine|busybox|distroless|scratch|static")
_MOUNT_POINTS = "mount.points"


class Finding(NamedTuple):
    """A rule that a step breaks; line 0 where the whole recipe does; weight "error" or "warning"."""

    line: int
    rule: str
    weight: str
    sentence: str


def lint(text: str) -> list[Finding]:
    """What is wrong with a Dockerfile or a definition file, by line; ValueError for what is neither."""
    recipe = read_recipe(text)
    found = []
    for step in recipe.steps:
        for rule in RULES:
            words = list(rule.look(step.text)) if step.kind in rule.kinds else []
            if rule.unless and re.search(rule.unless, text):
                continue
            if words and not _allowed(recipe, step, rule.name):
                sentence = rule.sentence.format(", ".join(dict.fromkeys(words)))
                found.append(Finding(step.line, rule.name, rule.weight, sentence))
    return _mount_points(recipe) + found


def _allowed(recipe: Recipe, step: Step, rule: str) -> bool:
    """A remark allows a rule for the step that it stands in or right above."""
    lines = range(step.line - 1, step.line + step.text.count("\n") + 1)
    return any(line in lines and name == rule for line, name in recipe.allowed)


def _mount_points(recipe: Recipe) -> list[Finding]:
    """A folder that nobody makes cannot be bound where a site's runtime has neither overlay nor underlay."""
    texts = [step.text for step in recipe.steps if step.kind in (SHELL, COPY)]
    wanted = ["/cvmfs"]
    if any(step.kind == BASE and _SMALL_BASES.search(step.text) for step in recipe.steps):
        wanted.append("/srv")
    missing = [path for path in wanted if not any(re.search(rf"{path}(?!\w)", text) for text in texts)]
    if not missing or any(name == _MOUNT_POINTS for _, name in recipe.allowed):
        return []
    what, make = " and ".join(missing), " ".join(missing)
    sentence = f"{what} cannot be bound where a site has no overlay; add mkdir -p {make}"
    return [Finding(0, _MOUNT_POINTS, WARNING, sentence)]
