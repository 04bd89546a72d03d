"""Copies of the record: delivered wherever they were asked for, and never at the job's expense."""

import contextlib
import http.server
import json
import os
import socket
import threading
import time

import pytest

from jobwrap.job.merge import merge
from jobwrap.job.options import parse_words
from jobwrap.job.spec import Job
from jobwrap.record import chirp, collector, delivery
from jobwrap.record.delivery import deliver
from tests.record.making import FAILED, a_record
from tests.servers import free_port


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that stands still for a moment fails no delivery."""
    monkeypatch.setattr(delivery, "_DEADLINE", 120.0)


@contextlib.contextmanager
def collecting(answer=200, port=0):
    """A collector on the loopback: its URL and the records that it got so far."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/records", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def job(*copies):
    return Job(("true",), copies=copies)


def test_a_record_goes_to_stdout_a_file_and_a_collector_at_once(tmp_path, capsys):
    record = a_record()
    with collecting() as (url, got):
        assert deliver(record, job("-", str(tmp_path / "copy.json"), url), "", {}) == []
    assert got == [json.loads(capsys.readouterr().out)] == [record]
    assert json.loads((tmp_path / "copy.json").read_text()) == record


def test_what_a_collector_that_is_down_did_not_take_the_next_job_posts(tmp_path):
    first, second, port = a_record(FAILED), a_record(), free_port()
    url = f"http://127.0.0.1:{port}/records"
    (problem,) = deliver(first, job(url), str(tmp_path), {})
    assert problem == (
        f"{url} did not take the record: it cannot be reached; the next job on this node tries again"
    )
    with collecting(port=port) as (_, got):
        assert deliver(second, job(url), str(tmp_path), {}) == []
        assert got == [second, first]
        assert deliver(second, job(url), str(tmp_path), {}) == []
        assert len(got) == 3


@pytest.mark.parametrize(("answer", "problem"), [(500, "it answered 500"), (302, "it answered 302")])
def test_a_collector_that_refuses_is_one_that_is_down(tmp_path, answer, problem):
    with collecting(answer) as (url, got):
        (told,) = deliver(a_record(), job(url), str(tmp_path), {})
    assert f"{problem}; the next job" in told
    assert len(got) == 1
    assert len(os.listdir(collector.spool_of(str(tmp_path)))) == 1


def test_without_a_cache_a_record_that_was_not_taken_is_told_and_not_kept(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/"
    (problem,) = deliver(a_record(), job(url), "", {})
    assert problem.endswith("there is no cache to keep it in")


def test_a_collector_that_never_answers_holds_nothing_up_for_longer_than_the_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_DEADLINE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        begun = time.monotonic()
        (problem,) = deliver(a_record(), job(url), str(tmp_path), {})
    assert time.monotonic() - begun < 60
    assert "did not answer within 0.5 s; the next job on this node tries again" in problem


def test_only_its_owner_can_read_what_waits_and_no_spool_of_another_is_used(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/"
    deliver(a_record(), job(url), str(tmp_path), {})
    spool = collector.spool_of(str(tmp_path))
    (name,) = os.listdir(spool)
    assert os.stat(spool).st_mode & 0o777 == 0o700
    assert os.stat(f"{spool}/{name}").st_mode & 0o777 == 0o600
    os.rename(spool, tmp_path / "anothers")
    os.symlink(tmp_path / "anothers", spool)
    (problem,) = deliver(a_record(), job(url), str(tmp_path), {})
    assert problem.endswith(f"it could not be kept: {spool} is not ours, or full")


def test_what_waited_for_a_week_is_given_up_and_anothers_collector_is_left_alone(tmp_path):
    with collecting() as (url, got):
        old, others = a_record(), a_record()
        spool = collector.spool_of(str(tmp_path))
        collector.keep(url, old, spool)
        os.utime(f"{spool}/{os.listdir(spool)[0]}", (1, 1))
        collector.keep("http://127.0.0.1:1/", others, spool)
        record = a_record()
        assert deliver(record, job(url), str(tmp_path), {}) == []
    assert got == [record]
    assert len(os.listdir(spool)) == 1


def test_a_file_that_cannot_be_written_and_a_stdout_that_is_closed_are_told(tmp_path, monkeypatch):
    class Closed:
        def write(self, _):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("sys.stdout", Closed())
    assert deliver(a_record(), job("-", str(tmp_path / "no/copy.json")), "", {}) == [
        "the record could not be written to -: Broken pipe",
        f"the record could not be written to {tmp_path}/no/copy.json: No such file or directory",
    ]


def failed_by(name, of="jobwrap", action="requeue"):
    end = {"of": of, "code": 69, "signal": None, "failure": name, "who": "site", "advice": "elsewhere"}
    return a_record({**end, "action": action, "sentence": "it is\nso", "evidence": []})


def test_a_user_job_wrappers_error_file_gets_one_line_where_the_job_shall_run_again(tmp_path):
    path = tmp_path / "error"
    environ = {"_CONDOR_WRAPPER_ERROR_FILE": str(path)}
    for record in (a_record(), a_record(FAILED), failed_by("job.usage", action="hold")):
        assert deliver(record, job(), "", environ) == []
        assert not path.exists()
    assert deliver(failed_by("site.cvmfs_hung"), job(), "", environ) == []
    assert path.read_text() == "jobwrap: site.cvmfs_hung: it is so\n"


@pytest.mark.parametrize("plant", [lambda path, to: path.symlink_to(to), lambda path, _: os.mkfifo(path)])
def test_what_the_task_left_in_the_place_of_a_file_leads_nowhere(tmp_path, plant):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for name in ("error", "kickstart"):
        plant(tmp_path / name, victim)
    environ = {"_CONDOR_WRAPPER_ERROR_FILE": str(tmp_path / "error")}
    asked = job()._replace(kickstart=str(tmp_path / "kickstart"))
    assert len(deliver(failed_by("site.cvmfs_hung"), asked, "", environ)) == 2
    assert victim.read_text() == "untouched"


@contextlib.contextmanager
def a_starter(tmp_path, answers=None):
    """Plays the starter's side: the environment that names it, and the lines that it got."""
    lines = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as commands:
                for line in commands:
                    lines.append(line.decode())
                    connection.sendall((answers or {}).get(line.split()[0], b"0\n"))

        thread = threading.Thread(target=serve)
        thread.start()
        config = tmp_path / ".chirp.config"
        config.write_text(f"127.0.0.1 {listening.getsockname()[1]} c0okie\n")
        yield {"_CONDOR_CHIRP_CONFIG": str(config)}, lines
        thread.join(10)


def test_the_starter_is_told_what_a_pool_decides_by(tmp_path):
    with a_starter(tmp_path) as (environ, lines):
        assert deliver(a_record(FAILED), job(), "", environ) == []
    assert lines[0] == "cookie c0okie\n"
    assert 'set_job_attr_delayed ChirpJobwrapFailure "task.failed"\n' in lines
    assert 'set_job_attr_delayed ChirpJobwrapCpuLevel "x86-64-v3"\n' in lines
    assert any(
        line.startswith('set_job_attr_delayed ChirpJobwrapSentence "the\\ task\\ ended') for line in lines
    )
    assert not any(line.startswith("ulog") for line in lines)


def test_a_failure_of_jobwraps_own_is_an_event_of_the_jobs_log(tmp_path):
    with a_starter(tmp_path) as (environ, lines):
        assert deliver(failed_by("site.cvmfs_hung"), job(), "", environ) == []
    assert lines[-1] == "ulog jobwrap:\\ site.cvmfs_hung:\\ it\\ is\\ so\n"


def test_what_the_starter_refuses_is_told_but_an_event_needs_more_than_a_job_must_have(tmp_path):
    with a_starter(tmp_path, {b"ulog": b"-2\n", b"set_job_attr_delayed": b"-1\n"}) as (environ, _):
        (problem,) = deliver(failed_by("site.cvmfs_hung"), job(), "", environ)
    assert problem.startswith("the starter did not take the record: ChirpJobwrapFailure, ChirpJobwrapAction")
    assert "ulog" not in problem


def test_a_starter_that_is_gone_and_a_config_that_is_none_are_told(tmp_path):
    config = tmp_path / "config"
    for text in (f"127.0.0.1 {free_port()} c\n", "x", ""):
        config.write_text(text)
        (problem,) = deliver(a_record(), job(), "", {"_CONDOR_CHIRP_CONFIG": str(config)})
        assert problem.startswith("the starter did not take the record: ")


def test_a_job_that_went_well_is_told_apart_from_one_that_nobody_told_of():
    told = chirp.attributes(a_record())
    assert (told["ChirpJobwrapFailure"], told["ChirpJobwrapAction"]) == ("", "leave")
    assert told["ChirpJobwrapStageInBytes"] == 0


def test_the_words_on_the_command_line_may_name_several_places_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--record", "-", "--record", "a.json", "--record=https://c.example.org/x", "--record", "/b.json"]
    layer, command = parse_words([*words, "--", "true"])
    asked = merge([layer], command, {})
    assert asked.record == f"{tmp_path}/a.json"
    assert asked.copies == ("/b.json", "-", "https://c.example.org/x")
    with pytest.raises(ValueError, match=r"must be a path, - or an http\(s\) URL"):
        parse_words(["--record", "ftp://c.example.org/", "--", "true"])
