"""Which credentials a task gets: those that the job named, kept new, and nothing that lies beside them."""

import errno
import json
import os
import signal
import subprocess
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.launch import credentials
from jobwrap.launch.credentials import Credential, Given
from jobwrap.transfer.credentials import places
from tests.run_test import DEBIAN, wait_for

TOKEN, NEWER = "first-token-0123456789", "newer-token-9876543210"
SOURCES = {
    "bearer": ("BEARER_TOKEN_FILE", "BEARER_TOKEN_FILE", "bearer"),
    "x509": ("X509_USER_PROXY", "X509_USER_PROXY", "x509"),
    "box": ("_CONDOR_CREDS", "_CONDOR_CREDS", "box.use"),
}


@pytest.fixture
def sent(tmp_path):
    """One credential of each kind beside one that nobody asks for, and the environment that names them."""
    folder = tmp_path / "creds"
    folder.mkdir()
    for name in ("token", "proxy", "box.use", "other.use"):
        (folder / name).write_text(TOKEN)
        (folder / name).chmod(0o600)
    return {
        "BEARER_TOKEN_FILE": f"{folder}/token",
        "X509_USER_PROXY": f"{folder}/proxy",
        "_CONDOR_CREDS": str(folder),
    }


def source_of(name, environ):
    path = environ[SOURCES[name][0]]
    return f"{path}/box.use" if name == "box" else path


def renew(path):
    """As those who renew them do it."""
    with open(f"{path}.tmp", "w") as file:
        file.write(NEWER)
    os.rename(f"{path}.tmp", path)


# Without a container.


@pytest.mark.parametrize("name", SOURCES)
def test_one_is_found_where_its_variable_says(name, sent):
    _, inside, file = SOURCES[name]
    (found,) = credentials.find([name], sent, "/scratch")
    assert found == Credential(name, source_of(name, sent), file)
    given = credentials.variables([found], Job(("true",), scratch="/scratch"))
    assert given == {inside: "/srv/.jobwrap" if name == "box" else f"/srv/.jobwrap/{file}"}


def test_a_token_in_the_environment_comes_before_one_in_a_file(sent):
    assert credentials.find(["bearer"], {**sent, "BEARER_TOKEN": TOKEN}, "/s")[0].source == ""


@pytest.mark.parametrize("name", [*SOURCES, "../token"])
def test_one_that_is_nowhere_is_named_with_the_places(name, tmp_path, monkeypatch):
    monkeypatch.setattr("jobwrap.transfer.credentials._is_ours", lambda _: False)
    with pytest.raises(JobwrapError, match=f"credential {name}.*looked for it in") as raised:
        credentials.find([name], {}, "/s")
    assert raised.value.failure.name == "job.no_credential"


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), ("", "it is empty"), ("\n", "it is empty"), ("x" * (2 << 20), "1 MiB")],
)
def test_one_that_cannot_be_read_is_no_credential(content, why, tmp_path):
    source = tmp_path / "token"
    if content is not None:
        source.write_text(content)
    with pytest.raises(JobwrapError, match=rf"{source}: .*{why}") as raised:
        Given((Credential("bearer", str(source), "bearer"),), str(tmp_path / "given"), 10).bring()
    assert raised.value.failure.name == "job.no_credential"


def test_what_the_node_cannot_do_is_not_the_users_fault(tmp_path, monkeypatch):
    source = tmp_path / "token"
    given = Given((Credential("bearer", str(source), "bearer"),), str(tmp_path / "given"), 0.2)
    os.mkfifo(source)  # stands for a mount that hangs
    with pytest.raises(JobwrapError) as raised:
        given.bring()
    assert raised.value.failure.name == "site.storage"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "new")
    monkeypatch.setattr(credentials, "ask", lambda *_, **__: (_ for _ in ()).throw(full))
    with pytest.raises(JobwrapError) as raised:
        given.bring()
    assert raised.value.failure.name == "site.scratch"


def test_the_copies_are_the_users_own_and_gone_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setenv("BEARER_TOKEN", TOKEN)
    (tmp_path / "given").mkdir()
    (tmp_path / "given/left-over").write_text("of a jobwrap that was killed")
    given = Given((Credential("bearer", "", "bearer"),), str(tmp_path / "given"), 10)
    given.bring()
    (copy,) = (tmp_path / "given").iterdir()
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == (TOKEN, 0o600)
    given.remove()
    assert not list((tmp_path / "given").iterdir())


def test_a_renewal_is_taken_over_and_one_that_went_away_stays(tmp_path):
    source, folder = tmp_path / "token", tmp_path / "given"
    source.write_text(TOKEN)
    given = Given((Credential("bearer", str(source), "bearer"),), str(folder), 10)
    given.bring()
    renew(source)

    def renewed():
        given.renew()
        return (folder / "bearer").read_text() == NEWER

    wait_for(renewed)
    source.unlink()
    given.renew()
    time.sleep(0.1)
    given.renew()
    assert (folder / "bearer").read_text() == NEWER
    given.remove()


def test_places_of_credentials_are_known(sent):
    known = places({**sent, "HOME": "/home/x", "XDG_RUNTIME_DIR": "/run/x"})
    user = os.getuid()
    assert set(known) >= {
        *sent.values(), "/run/x", f"/run/user/{user}", f"/tmp/bt_u{user}", f"/tmp/x509up_u{user}",
        "/home/x/.ssh", "/home/x/.globus", "/home/x/.condor",
    }  # fmt: skip


# In a container.


@pytest.fixture(params=["apptainer", "bwrap", "here"])
def run(request, jobwrap):
    runtime = ("--here",) if request.param == "here" else ("--runtime", request.param, *DEBIAN)
    jobwrap.words = runtime
    return jobwrap


@pytest.mark.node
@pytest.mark.parametrize("name", SOURCES)
def test_the_task_has_what_was_asked_for_alone_and_sees_it_renewed(run, name, sent):
    _, inside, file = SOURCES[name]
    folder = f"${inside}" if name == "box" else f"$(dirname ${inside})"
    script = (
        f"cd {folder}; cat {file}; ls -A; touch {file} 2>/dev/null && echo writable; touch /srv/up $OUT/up;"
        f"until grep -q newer {file}; do sleep 0.05; done; cat {file}"
    )
    words = (*run.words, "--env", f"OUT={run.scratch}", "--credential", name, "--log", run.scratch / "log")
    started = run.start(*words, "--", "sh", "-c", script, environ=sent)
    wait_for((run.scratch / "up").exists)
    renew(source_of(name, sent))
    ran = run.end(started)
    said = [TOKEN + file, NEWER] if "--here" not in run.words else [TOKEN + file, "writable", NEWER]
    assert ran.stdout.split("\n") == said
    for text in (json.dumps(ran.record), (run.scratch / "log").read_text(), ran.stderr):
        assert TOKEN not in text and NEWER not in text
    assert not (run.scratch / ".jobwrap").exists()
    assert f"credential {name}: a copy of {source_of(name, sent)}, kept as new as that" in ran.record["plan"]


@pytest.mark.node
def test_a_task_that_asked_for_none_has_none(run, sent):
    hidden = run.scratch / ".condor_creds"
    os.rename(sent["_CONDOR_CREDS"], hidden)
    sent = {name: path.replace(sent["_CONDOR_CREDS"], str(hidden)) for name, path in sent.items()}
    script = "env | cut -d= -f1; ls -A /srv/.jobwrap /srv/.condor_creds 2>/dev/null"
    ran = run.run(*run.words, "--", "sh", "-c", script, environ={**sent, "BEARER_TOKEN": TOKEN})
    assert not {"other.use", "token", "BEARER_TOKEN", *sent} & set(ran.stdout.split())


@pytest.mark.node
def test_one_that_is_missing_ends_the_job_before_the_launch(run):
    ran = run.run(*run.words, "--credential", "box", "--", "touch", "ran")
    assert (ran.code, ran.record["end"]["failure"], ran.record["end"]["phase"]) == (
        77, "job.no_credential", "plan",
    )  # fmt: skip
    assert os.listdir(run.scratch) == ["jobwrap-record.json"]


@pytest.mark.node
def test_sigkill_of_jobwrap_leaves_no_copy(run, sent):
    words = (*run.words, "--env", f"OUT={run.scratch}", "--credential", "bearer")
    started = run.start(*words, "--", "sh", "-c", "cd $OUT || cd /srv; touch up; sleep 60", environ=sent)
    wait_for((run.scratch / "up").exists)
    assert (run.scratch / ".jobwrap/given/bearer").read_text() == TOKEN
    started.send_signal(signal.SIGKILL)
    started.communicate()
    wait_for(lambda: os.listdir(run.scratch / ".jobwrap/given") == [])


@pytest.mark.node
def test_no_argument_of_any_process_holds_the_token(run, sent):
    words = (*run.words, "--env", f"OUT={run.scratch}", "--credential", "bearer")
    started = run.start(*words, "--", "sh", "-c", "cd $OUT || cd /srv; touch up; sleep 60", environ=sent)
    wait_for((run.scratch / "up").exists)
    seen = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    started.terminate()
    run.end(started)
    assert "sleep 60" in seen and TOKEN not in seen


@pytest.mark.node
@pytest.mark.parametrize(("output", "failure"), [("*", None), ("proxy", "output.refused")])
def test_a_credential_in_scratch_is_no_output_under_any_name(run, sent, tmp_path, output, failure):
    os.rename(sent["X509_USER_PROXY"], run.scratch / "proxy")
    words = (*run.words, "--output", f"{output}=file://{tmp_path}/out/")
    environ = {"X509_USER_PROXY": str(run.scratch / "proxy")}
    ran = run.run(*words, "--", "sh", "-c", "ln proxy link; echo x > result", environ=environ)
    assert ran.record["end"]["failure"] == failure
    if not failure:
        assert os.listdir(tmp_path / "out") == ["result"]


@pytest.mark.node
@pytest.mark.parametrize(
    "source", ["creds", "creds/box.use", "creds/token", ".", "home/.ssh", "home", "link"]
)
def test_no_bind_and_no_input_shows_a_credential(jobwrap, sent, tmp_path, source):
    (tmp_path / "home/.ssh").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "creds")
    environ = {**sent, "HOME": str(tmp_path / "home")}
    bind, named = f"--bind={tmp_path / source}:/srv/seen", f"--input=seen={tmp_path / source}"
    for way in ((bind,), (named,), (named, "--unpack=seen")):
        ran = jobwrap.run(*DEBIAN, *way, "--", "touch", "ran", environ=environ)
        assert ran.record["end"]["failure"] == "policy.forbidden"
        assert not (jobwrap.scratch / "ran").exists()
