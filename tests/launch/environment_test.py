"""What a task finds in its environment: from the caller, the job ad and the job's own options."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobwrap.asked import read_asked
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.launch.environment import THREADS, plan_environment, runtime_environment
from jobwrap.node.gpu import Gpus

DOCS = Path(__file__).parents[2] / "docs/environment.md"
SCRATCH = "/execute/dir_1"
NO_GPUS = Gpus("", (), ())


def planned(environ=(), cpus=None, gpus=NO_GPUS, **job):
    """The task's variables and what was dropped, each as a dict."""
    asked = Job(("true",), scratch=SCRATCH, **job)
    node = SimpleNamespace(slot=SimpleNamespace(cpus=cpus), gpus=gpus)
    plan = plan_environment(asked, node, dict(environ))
    assert len({name for name, _ in plan.settings}) == len(plan.settings)
    return dict(plan.settings), dict(plan.dropped)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The job that comes of a job ad, words on the command line and the environment of the starter."""
    monkeypatch.chdir(tmp_path)

    def read(ad, *words, **environ):
        (tmp_path / "ad").write_text(ad)
        return read_asked([*words, "--", "true"], {"_CONDOR_JOB_AD": str(tmp_path / "ad"), **environ}).job

    return read


def test_what_the_job_ad_sets_has_the_value_that_the_starter_gave_it(asked):
    job = asked("Environment = \"A=1 B='x  y' C=#CoNdOrScRaTcHdIr#/d\"\n", A="1", B="x  y", C=f"{SCRATCH}/d")
    assert job.submitted == (("A", "1"), ("B", "x  y"), ("C", f"{SCRATCH}/d"))


def test_the_older_form_of_a_job_ads_environment_counts_too(asked):
    assert asked('Env = "A=1;B=x y"\n').submitted == (("A", "1"), ("B", "x y"))


def test_a_job_ad_whose_environment_cannot_be_read_is_refused(asked):
    with pytest.raises(JobwrapError, match="environment of the job ad") as raised:
        asked('Environment = "A=\'1"\n')
    assert raised.value.failure.name == "job.usage"


def test_a_job_ads_variables_stand_between_the_job_and_the_site(asked, tmp_path):
    site = tmp_path / "site.json"
    site.write_text('{"defaults": {"env": {"A": "site", "B": "site", "C": "site"}}}')
    site.chmod(0o600)
    (tmp_path / "ad").write_text('Environment = "A=ad B=ad"\n')
    words = ["--site", str(site), "--env", "A=flag", "--", "true"]
    job = read_asked(words, {"_CONDOR_JOB_AD": str(tmp_path / "ad")}).job
    settings, _ = planned(env=job.env, submitted=job.submitted)
    assert [settings[name] for name in "ABC"] == ["flag", "ad", "site"]


def test_a_job_ads_values_arrive_byte_for_byte_save_paths_in_scratch():
    value = "$(id) 'a' \"b\" = \n\t\\ é \udcff" + "x" * 120_000
    settings, _ = planned(submitted=(("A", value), ("B", f"{SCRATCH}/d:/other")))
    assert (settings["A"], settings["B"]) == (value, "/srv/d:/other")


@pytest.mark.parametrize("way", ["environ", "submitted", "env"])
@pytest.mark.parametrize(
    "name", ["APPTAINER_BIND", "SINGULARITY_BIND", "APPTAINERENV_X", "A-B", "BASH_FUNC_f%%", "1A", "É"]
)
def test_what_steers_the_runtime_and_what_is_no_name_is_dropped_and_said_so(way, name):
    pairs = {name: "x"}
    settings, dropped = planned(pairs) if way == "environ" else planned(**{way: tuple(pairs.items())})
    assert name not in settings
    assert dropped[name]


def test_the_submit_sides_home_and_folder_for_temporary_files_are_not_the_tasks():
    named = (("HOME", "/home/alice"), ("TMPDIR", "/scratch"))
    settings, dropped = planned(submitted=named)
    assert (settings["HOME"], settings["TMPDIR"]) == ("/srv", "/tmp")
    assert set(dropped) == {"HOME", "TMPDIR"}
    assert planned(submitted=named, env=(("HOME", "/srv/home"),))[0]["HOME"] == "/srv/home"


def test_threads_are_the_cores_that_were_granted_unless_somebody_says_otherwise():
    settings, _ = planned({"OMP_NUM_THREADS": "2"}, cpus=4, submitted=(("MKL_NUM_THREADS", "1"),))
    assert (settings["OMP_NUM_THREADS"], settings["MKL_NUM_THREADS"], settings["GOMAXPROCS"]) == (
        "2",
        "1",
        "4",
    )
    assert set(THREADS) <= set(settings)


def test_where_nobody_knows_how_many_cores_there_are_no_library_is_told():
    assert not set(THREADS) & set(planned()[0])


def test_the_documentation_has_every_thread_variable():
    assert set(THREADS) <= set(re.findall(r"`(\w+)`", DOCS.read_text()))


@pytest.mark.parametrize(
    ("gpus", "visible"),
    [
        (
            Gpus("nvidia", ("GPU-a", "MIG-b"), (), "AssignedGPUs"),
            {"CUDA": "GPU-a,MIG-b", "NVIDIA": "GPU-a,MIG-b"},
        ),
        (Gpus("nvidia", ("GPU-a",), (), "_CONDOR_AssignedGPUs"), {"CUDA": "GPU-a", "NVIDIA": "GPU-a"}),
        (Gpus("amd", ("GPU-a",), (), "AssignedGPUs"), {"ROCR": "GPU-a"}),
        (Gpus("nvidia", ("GPU-a",), (), "CUDA_VISIBLE_DEVICES"), {}),
        (Gpus("nvidia", (), ("GPU-a",), "AssignedGPUs"), {}),
    ],
)
def test_libraries_are_told_which_gpus_were_granted_where_only_htcondor_was(gpus, visible):
    settings, _ = planned(gpus=gpus)
    assert {name: value for name, value in settings.items() if name.endswith("_VISIBLE_DEVICES")} == {
        f"{name}_VISIBLE_DEVICES": value for name, value in visible.items()
    }


def test_what_the_batch_system_told_the_libraries_stays():
    gpus = Gpus("nvidia", ("0",), (), "_CONDOR_AssignedGPUs")
    assert planned({"CUDA_VISIBLE_DEVICES": "GPU-a"}, gpus=gpus)[0]["CUDA_VISIBLE_DEVICES"] == "GPU-a"


def test_the_runtime_collects_no_garbage_and_a_task_without_one_hears_nothing_of_that():
    assert runtime_environment({}, container=True)["GOGC"] == "off"
    assert "GOGC" not in runtime_environment({}, container=False)
