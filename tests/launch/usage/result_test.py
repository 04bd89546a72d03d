"""Samples and rusage put together."""

from jobwrap.launch.gate import Usage
from jobwrap.launch.usage.result import usage_fields

TASK = Usage(user=1.0, system=0.5, peak=100, minor=9, major=2, read=10, written=20, voluntary=7, forced=3)
CONTAINER = TASK._replace(user=4.0, written=30, peak=200, voluntary=70)


def test_without_samples_rusage_tells():
    fields = usage_fields(0, {}, TASK, CONTAINER)
    assert fields == {
        "seconds": 0,
        "cpu_seconds": 4.5,
        "bytes_read": 5120,
        "bytes_written": 15360,
        "peak_memory": 100,
        "user_seconds": 1.0,
        "system_seconds": 0.5,
        "major_faults": 2,
        "switches_voluntary": 7,
        "switches_forced": 3,
        "sources": {
            "cpu_seconds": "rusage of the container",
            "bytes_read": "rusage of the task",
            "bytes_written": "rusage of the container",
            "peak_memory": "rusage, of the largest process",
            **dict.fromkeys(
                ("user_seconds", "system_seconds", "major_faults", "switches_voluntary", "switches_forced"),
                "rusage of the task",
            ),
        },
    }


def test_the_higher_of_sample_and_rusage_counts():
    sampled = {
        "cpu_seconds": 9.0,
        "bytes_read": 0,
        "sources": {"cpu_seconds": "/proc", "bytes_read": "/proc"},
    }
    fields = usage_fields(0, sampled, TASK)
    assert (fields["cpu_seconds"], fields["sources"]["cpu_seconds"]) == (9.0, "/proc")
    assert (fields["bytes_read"], fields["sources"]["bytes_read"]) == (5120, "rusage of the task")


def test_the_largest_process_is_more_than_the_samples_saw_of_all():
    fields = usage_fields(0, {"peak_memory": 50, "sources": {"peak_memory": "/proc"}}, TASK)
    assert (fields["peak_memory"], fields["sources"]["peak_memory"]) == (
        100,
        "rusage, of the largest process",
    )


def test_a_cgroups_memory_is_believed_also_below_the_largest_process():
    fields = usage_fields(0, {"peak_memory": 50, "sources": {"peak_memory": "cgroup v2"}}, TASK)
    assert fields["peak_memory"] == 50


def test_without_the_gates_word_the_container_is_all_there_is():
    fields = usage_fields(0, {}, container=CONTAINER)
    assert fields["sources"]["user_seconds"] == "rusage of the container"
    assert usage_fields(2.5, {}) == {"seconds": 2.5, "sources": {}}


def test_the_samples_are_not_changed():
    sampled = {"sources": {}}
    usage_fields(0, sampled, TASK, CONTAINER)
    assert sampled == {"sources": {}}


def test_the_long_series_comes_last():
    assert [*usage_fields(1, {"series": {}, "samples": 3}, TASK)][-1] == "series"
