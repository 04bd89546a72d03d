"""Pegasus reads what --kickstart writes, with its own parser."""

from importlib import import_module

import pytest

from jobwrap.record.kickstart import invocation, multipart
from tests.record.making import FAILED, JOB, a_record

KILLED = {**FAILED, "code": 137, "signal": 9, "failure": "task.killed"}


@pytest.fixture
def parsed(tmp_path):
    """What Pegasus's parser makes of a job's output."""
    parser = import_module("Pegasus.tools.kickstart_parser")

    def parsed(text):
        path = tmp_path / "job.out.000"
        path.write_text(text)
        return parser.Parser(str(path)).parse_stampede()

    return parsed


@pytest.mark.node
def test_pegasus_reads_a_records_figures(parsed):
    outputs = [{"name": "result.root", "url": "", "bytes": 3 << 20, "checksum": ["sha256", "ab" * 32]}]
    transfers = [{"name": "events.bin", "bytes": 2 << 20, "seconds": 1, "source": "x", "attempts": 1}]
    record = a_record(FAILED, outputs=outputs, transfers=transfers)
    (read,) = parsed(invocation(record, {"USER": "alice", "OSG_SITE_NAME": "Uni"}))
    utils = import_module("Pegasus.tools.utils")
    assert (read["exitcode"], read["raw"]) == (3, 3 << 8)
    assert (read["hostname"], read["user"], read["resource"]) == ("wn1", "alice", "Uni")
    assert (read["transformation"], read["cpu_model"]) == ("python3", "AMD EPYC 7763")
    assert (read["utime"], read["maxrss"], read["cwd"]) == (2.0, 3072, "/srv")
    assert (read["tot_ip_size_mb"], read["tot_op_size_mb"]) == (2.0, 3.0)
    assert read["outputs"]["result.root"].get_attribute_value("checksum.value") == "ab" * 32
    assert utils.epochdate(read["start"]) > 1_700_000_000


@pytest.mark.node
def test_pegasus_reads_what_ended_a_task_by_a_signal(parsed):
    (read,) = parsed(invocation(a_record(KILLED), {}))
    assert (read["raw"], read["signal"], read["action"]) == (9, 9, "SIGKILL")


@pytest.mark.node
def test_pegasus_reads_the_last_lines_of_the_tasks_streams(parsed):
    last = ["Traceback:", "  no such: 'column' # \t\x7f"]
    streams = {"stdout": {"file": "out.txt", "bytes": 7}, "stderr": {"bytes": 99, "last_lines": last}}
    (read,) = parsed(invocation(a_record(FAILED, streams=streams), {}))
    assert (read["stdout"], read["stderr"]) == ("", "\n".join(last))
    assert "stdout" not in read["outputs"]


@pytest.mark.node
def test_pegasus_finds_the_record_behind_whatever_the_task_printed(parsed):
    text = "hello\n[cluster\nno newline at the end" + invocation(a_record(), {})
    text += "---------------pegasus-multipart\n" + multipart(a_record(FAILED))
    read, part = parsed(text)
    assert read["exitcode"] == 0
    assert part["multipart"]
    assert (part["jobwrap"]["failure"], part["jobwrap"]["image"]) == ("task.failed", "htc/debian:12")


@pytest.mark.node
def test_no_word_of_a_command_can_break_the_yaml(parsed):
    yaml = import_module("yaml")
    words = (
        "a",
        "- invocation: True",
        "x\n- y: z",
        "caf\u00e9 \x7f\x85\udcff \U0001f600",
        "'",
        '"',
        "#",
        "",
        "no",
        "1e3",
    )
    text = invocation(a_record(job=JOB._replace(command=words)), {})
    assert yaml.safe_load(text)[0]["mainjob"]["argument_vector"] == list(words[1:])
    assert len(parsed(text.encode(errors="replace").decode())) == 1


@pytest.mark.node
def test_a_run_writes_it_where_it_is_asked_for(jobwrap, parsed, tmp_path):
    (tmp_path / "parts").mkdir()
    words = ("--kickstart", "-", "--image", "htc/debian:12", "--", "sh", "-c", "echo hello; exit 4")
    ran = jobwrap.run(*words, environ={"PEGASUS_MULTIPART_DIR": str(tmp_path / "parts")})
    (read,) = parsed(ran.stdout)
    assert ran.stdout.startswith("hello\n")
    assert (read["exitcode"], read["hostname"]) == (4, ran.record["node"]["hostname"])
    (part,) = (tmp_path / "parts").iterdir()
    assert '"task.failed"' in part.read_text()


@pytest.mark.node
def test_a_job_that_never_came_to_its_task_has_one_too(jobwrap, parsed, tmp_path):
    path = tmp_path / "kickstart.out"
    ran = jobwrap.run("--kickstart", path, "--infra-exit-code", 71, "--image", "htc/none:1", "--", "true")
    (read,) = parsed(path.read_text())
    assert (ran.code, read["exitcode"]) == (66, 66)
