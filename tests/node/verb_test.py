"""jobwrap node: its three forms, its options, and a real startd that takes what it prints."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobwrap.job.classad import parse_ad
from jobwrap.node import verb
from jobwrap.node.advertise import classad_lines
from jobwrap.node.cpu import find_cpu
from jobwrap.node.cvmfs import Repository
from jobwrap.node.device import Device, Told
from jobwrap.node.gpu import Gpus
from jobwrap.node.namespaces import Namespaces
from jobwrap.node.report import Report, as_record
from jobwrap.node.runtime import Runtime
from jobwrap.node.slot import Slot
from jobwrap.node.survey import Node
from jobwrap.node.table import size, table_lines
from jobwrap.node.trial import Trial

JOBWRAP = Path(__file__).parents[2] / "bin/jobwrap"
TREES = Path(__file__).parent / "trees" / "cpu"
APPTAINER = Runtime("/usr/bin/apptainer", "apptainer", "PATH")
GIB = 1 << 30


def report(cpu="haswell", trial=None, **facts):
    node = Node(
        hostname="node1",
        machine="x86_64",
        kernel="5.14.0-427.el9.x86_64",
        python="3.9.18",
        cpu=find_cpu(str(TREES / cpu)),
        gpus=Gpus("nvidia", ("GPU-a",), ("GPU-a",), "CUDA_VISIBLE_DEVICES", "550.54.15"),
        runtime=APPTAINER,
        rejected=(("/opt/apptainer", "not executable"),),
        slot=Slot(4, 8 * GIB, None, 100 * GIB, 1000, "cpus: machine ad", None, True, False),
        container="docker",
        cvmfs="/cvmfs",
    )._replace(**facts)
    gpu = Device("nvidia", "GPU-a", 0, "NVIDIA H100", 80 * GIB, "9.0", mig=True)
    ago = int(time.time()) - 100
    repositories = (
        Repository("sft.cern.ch", "/cvmfs/sft.cern.ch", "present", "", 42, "ab", 3, ago, "h", "p"),
        Repository("a-b.example.org", "/cvmfs/a-b.example.org", "hung", "no answer within 20 s"),
        Repository("quiet.org", "/cvmfs/quiet.org", "present"),
    )
    told = Told("550.54.15", "12.4", (gpu, Device("nvidia", "MIG-b", 0, "1g.10gb", parent="GPU-a")))
    return Report(node, {"brand": "Xeon"}, told, "", Namespaces(True, ""), repositories, trial)


WORKS = Trial(APPTAINER, "1.4.5", "apptainer", mode="user namespaces", pid=True, layer="overlay", sif=False)


def test_a_pool_finds_the_names_that_it_matches_on():
    lines = classad_lines(report(trial=WORKS))
    assert lines[-1] == "-"
    ad = parse_ad("\n".join(lines))
    expected = {
        "microarch": "x86_64-v3",
        "has_avx2": True,
        "has_avx512f": False,
        "has_f16c": True,
        "osg_host_kernel_version": 51400,
        "has_singularity": True,
        "singularity_path": "/usr/bin/apptainer",
        "singularity_version": "1.4.5",
        "singularity_mode": "unprivileged",
        "singularity_can_use_sif": False,
        "haspidnamespaces": True,
        "has_unprivileged_user_namespaces": "enabled",
        "has_cvmfs_sft_cern_ch": True,
        "cvmfs_sft_cern_ch_revision": 42,
        "cvmfs_sft_cern_ch_nioerr": 3,
        "has_cvmfs_a_b_example_org": False,
        "has_cvmfs_quiet_org": True,
        "cvmfs_quiet_org_nioerr": -1,
        "cvmfs_quiet_org_last_ioerr": -1,
    }
    assert {name: ad[name] for name in expected} == expected
    assert 100 <= ad["cvmfs_sft_cern_ch_last_ioerr"] < 200
    assert "cvmfs_a_b_example_org_nioerr" not in ad


def test_a_node_without_a_working_runtime_has_no_singularity():
    assert "HAS_SINGULARITY = false" in classad_lines(report(runtime=None))
    broken = Trial(APPTAINER, problem="no user namespaces")
    assert "HAS_SINGULARITY = false" in classad_lines(report(trial=broken))
    assert not any(line.startswith("SINGULARITY_VERSION") for line in classad_lines(report(trial=broken)))


def test_an_arm_node_has_no_microarch():
    lines = classad_lines(report("neoverse_v1"))
    assert not any(line.lower().startswith(("microarch", "has_avx")) for line in lines)


def test_people_read_a_fact_a_line():
    lines = table_lines(report(trial=WORKS))
    assert lines == [
        "node      node1, Linux 5.14.0-427.el9.x86_64, Python 3.9.18",
        "inside    a container: docker",
        "cpu       x86_64, x86-64-v3, Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz",
        "          lacks for x86-64-v4: avx512bw avx512cd avx512dq avx512f avx512vl",
        "gpu       GPU-a, NVIDIA H100, 80.0 GiB, 9.0, cut into slices",
        "gpu       MIG-b, 1g.10gb, a slice of GPU-a",
        "granted   GPU-a granted by CUDA_VISIBLE_DEVICES",
        "slot      4 cores, 8.0 GiB of memory (cpus: machine ad)",
        "scratch   100.0 GiB free, 1000 files more, no program can be started from it",
        "runtime   /usr/bin/apptainer (PATH)",
        "          not /opt/apptainer: not executable",
        "          tried: apptainer 1.4.5 by user namespaces, PID namespaces, overlay, no image files",
        "          user namespaces: possible",
        "cvmfs     sft.cern.ch: present, revision 42, 3 I/O errors, h, by p",
        "cvmfs     a-b.example.org: hung, no answer within 20 s",
        "cvmfs     quiet.org: present",
    ]


def test_a_node_of_which_nothing_is_known_still_has_a_table():
    nothing = Slot(None, None, None, None, None, "", None, False, False)
    lines = table_lines(
        report("none", slot=nothing, runtime=None, rejected=(), container="", gpus=Gpus("", (), ()))
    )
    assert "runtime   none" in lines
    assert "scratch   not writable, no program can be started from it" in lines


@pytest.mark.parametrize(
    ("number", "words"),
    [(None, ""), (0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (GIB, "1.0 GiB")],
)
def test_sizes_are_told_in_the_fields_units(number, words):
    assert size(number) == words


def test_programs_read_the_same_as_json():
    record = json.loads(json.dumps(as_record(report(trial=WORKS))))
    assert record["cpu"]["level"] == "x86-64-v3" and "avx2" in record["cpu"]["features"]
    assert record["gpus"]["devices"][1]["parent"] == "GPU-a"
    assert record["rejected"] == [{"path": "/opt/apptainer", "why": "not executable"}]
    assert record["trial"]["runtime"] == "/usr/bin/apptainer"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--xml"], "jobwrap node does not know --xml"),
        (["--json=1"], "jobwrap node does not know --json=1"),
        (["--repository"], "not ''"),
        (["--repository=a/b"], "not 'a/b'"),
        (["--repository", ".."], r"not '\.\.'"),
        (["--deadline", "soon"], "--deadline: "),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(words, problem, capsys):
    assert verb.main(words) == 64
    assert re.search(problem, capsys.readouterr().err)


def test_help_fits_a_screen(capsys):
    assert verb.main(["--help"]) == 0
    assert 5 < len(capsys.readouterr().out.splitlines()) < 24


def node(*words, **environ):
    done = subprocess.run(
        [sys.executable, JOBWRAP, "node", *words],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.node
def test_the_worker_node_tells_of_itself(tmp_path):
    ad = tmp_path / "ad"
    ad.write_text('CVMFSReposList = "data.example.org,none.example.org"\n')
    found = json.loads(node("--json", "--test", _CONDOR_JOB_AD=str(ad), _CONDOR_SCRATCH_DIR=str(tmp_path)))
    assert found["hostname"] == "worker-node" and found["runtime"]["path"] == "/usr/bin/apptainer"
    assert [each["state"] for each in found["repositories"]] == ["present", "present", "missing"]
    assert found["trial"]["problem"] == "" and found["slot"]["writable"] is True
    assert found["cpu"]["described"]["vendor"] == found["cpu"]["vendor"]


@pytest.mark.node
def test_the_survey_follows_the_settings_of_the_site_as_a_run_does(mount, tmp_path):
    """Its runtime, its CVMFS, its image trees and its deadline; none of these words was the verb's own."""
    mount(mode="hang")
    site = tmp_path / "site.toml"
    site.write_text(
        f'[node]\nruntime = "/usr/bin/true"\ncvmfs = "{mount.folder}"\ndeadline = "3s"\n'
        'image_trees = ["/cvmfs/data.example.org"]\n'
    )
    lines = node("--site", str(site), "--repository=none.example.org").splitlines()
    assert "runtime   /usr/bin/true (the site's setting)" in lines
    assert [line for line in lines if line.startswith("cvmfs")] == [
        "cvmfs     data.example.org: hung, no answer within 3 s",
        "cvmfs     none.example.org: missing",
    ]


@pytest.mark.node
def test_a_hung_cvmfs_costs_its_deadline_and_nothing_more(mount):
    mount(mode="hang")
    start = time.monotonic()
    lines = node(
        "--repository=data.example.org",
        "--deadline=15",
        CVMFS_BASE=str(mount.folder),
        _CONDOR_SCRATCH_DIR="/tmp",
    ).splitlines()
    took = time.monotonic() - start
    assert "cvmfs     data.example.org: hung, no answer within 15 s" in lines
    assert "cvmfs     singularity.opensciencegrid.org: missing" in lines
    assert 15 <= took < 30


CONFIGURATION = """
DAEMON_LIST = MASTER, COLLECTOR, STARTD
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
USE_SHARED_PORT = False
COLLECTOR_HOST = 127.0.0.1:9718
LOCAL_DIR = {folder}
RELEASE_DIR = /usr
SBIN = /usr/sbin
LIBEXEC = /usr/libexec/condor
LOG = {folder}/log
SPOOL = {folder}/spool
EXECUTE = {folder}/execute
LOCK = {folder}/log
RUN = {folder}/log
SEC_DEFAULT_AUTHENTICATION = NEVER
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_ADVERTISE_STARTD = *
BASE_CGROUP =
USE_PROCD = False
UPDATE_INTERVAL = 1
RUNBENCHMARKS = False
DOCKER =
SINGULARITY =
STARTD_CRON_JOBLIST = JOBWRAP
STARTD_CRON_JOBWRAP_EXECUTABLE = {program}
STARTD_CRON_JOBWRAP_ARGS = node --classad --repository=data.example.org
STARTD_CRON_JOBWRAP_MODE = Periodic
STARTD_CRON_JOBWRAP_PERIOD = 60s
STARTD_CRON_JOBWRAP_ENV = "PATH=/usr/bin:/bin"
"""


@pytest.mark.node
def test_a_real_startd_advertises_what_it_prints(tmp_path):
    """A startd of the test's own, as the pool's belongs to root."""
    for folder in ("log", "spool", "execute"):
        (tmp_path / folder).mkdir()
    configuration = tmp_path / "condor_config"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, program=JOBWRAP))
    environ = {**os.environ, "CONDOR_CONFIG": str(configuration)}
    asked = ["HAS_SINGULARITY", "HAS_CVMFS_data_example_org", "Microarch", "JobwrapVersion"]
    with subprocess.Popen(["condor_master", "-f"], env=environ, stdout=subprocess.DEVNULL) as master:
        end, seen = time.monotonic() + 300, ""
        while "true" not in seen and time.monotonic() < end:
            time.sleep(0.2)
            command = ["condor_status", "-af:t", *asked]
            seen = subprocess.run(command, env=environ, capture_output=True, text=True, check=False).stdout
        master.send_signal(signal.SIGQUIT)  # its fast way to end
    ours = parse_ad(node("--classad"))
    assert seen.splitlines()[0].split("\t") == ["true", "true", ours["microarch"], ours["jobwrapversion"]]
