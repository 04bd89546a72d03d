"""What a run imports before it looks around is little: the rest is imported while the image is looked at."""

import subprocess
import sys

from tests.conftest import REPO


def test_nothing_of_the_plan_and_the_launch_is_imported_before_the_image_is_looked_at():
    show = "import sys, jobwrap.run; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", show], cwd=REPO, stdout=subprocess.PIPE, text=True, check=True
    )
    early = {name for name in ran.stdout.split() if name.startswith("jobwrap.")}
    assert "jobwrap.look_around" in early
    late = (
        "jobwrap.plan",
        "jobwrap.launched",
        "jobwrap.launch",
        "jobwrap.transfer",
        "jobwrap.evidence",
        "jobwrap.image.look",
        "jobwrap.image.candidate",
    )
    assert [name for name in sorted(early) if f"{name}.".startswith(tuple(f"{each}." for each in late))] == []
