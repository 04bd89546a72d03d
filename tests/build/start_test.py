"""How the shipped file starts: under each shell and Python, by any name, from anywhere."""

import shutil

import pytest

from tests.build.shipping import HELLO, each_python, each_shell, program, run


@each_shell
def test_it_starts_without_any_environment_under_each_shell(shipped, shell):
    ran = run(*([shell, "sh"] if shell == "busybox" else [shell]), shipped, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELLO, "")


@each_python
def test_it_starts_with_each_python_as_a_plain_zip(shipped, python):
    ran = run(python, "-I", shipped, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELLO, "")


@each_python
def test_it_starts_each_python_that_is_the_only_one_in_path(anywhere, python, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / python.name).symlink_to(python)
    ran = run(anywhere, "--version", env={"PATH": f"/nowhere::{tmp_path}/bin"})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELLO, "")


@pytest.mark.parametrize(
    "name", ["condor_exec.exe", "a b 'c' \"d\" $e", "-x", "jobwrap.pyc", "Ä", "job.sh\nwrap"]
)
def test_it_starts_under_any_name(shipped, tmp_path, name):
    shutil.copy(shipped, tmp_path / name)
    for command in ([tmp_path / name], [f"./{name}"], ["sh", "--", name]):
        assert run(*command, "--version", cwd=tmp_path).stdout == HELLO


def test_it_starts_through_a_symlink_and_through_path(shipped, tmp_path):
    (tmp_path / "a link").symlink_to(shipped)
    assert run(tmp_path / "a link", "--version").stdout == HELLO
    found = run("sh", "-c", "'a link' --version", env={"PATH": f"{tmp_path}:/usr/bin"})
    assert found.stdout == HELLO


def test_it_writes_nothing(shipped, tmp_path):
    (tmp_path / "home").mkdir()
    shutil.copy(shipped, tmp_path / "jobwrap")
    assert (
        run(
            tmp_path / "jobwrap", "--help", cwd=tmp_path / "home", env={"HOME": f"{tmp_path}/home"}
        ).returncode
        == 0
    )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "jobwrap"]


def test_arguments_arrive_as_they_were(anywhere, tmp_path):
    program(tmp_path / "bin/python3.12", 'shift 4; shift; printf "<%s>" "$@"')
    ran = run(anywhere, "", "a b", "*", "$x", "é", env={"PATH": f"{tmp_path}/bin:/usr/bin"})
    assert ran.stdout == "<><a b><*><$x><é>"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_an_empty_one_for_the_task(shipped, tmp_path, closed):
    look = 'told=$(for n in 0 1 2; do readlink /proc/$$/fd/$n; done); echo "$told" >told'
    script = f'"$@" --here -- sh -c "$LOOK" {closed}'
    run("sh", "-c", script, "sh", shipped, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "LOOK": look})
    told = (tmp_path / "told").read_text().splitlines()
    shut = [number for number, sign in enumerate(("<&-", " >&-", "2>&-")) if sign in f" {closed}"]
    assert [told[number] for number in shut] == ["/dev/null"] * len(shut)
    assert all(each.startswith(("pipe:", "/dev/")) for each in told)
