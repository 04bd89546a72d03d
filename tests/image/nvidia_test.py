"""The host's driver libraries against the image's glibc, on made libraries."""

import os
import re
import struct
import subprocess
import sys

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image import nvidia
from jobwrap.image.choose import choose
from jobwrap.image.ldcache import parse_cache, read_cache
from jobwrap.image.nvidia import clashes, host_driver, host_libraries, refusal
from jobwrap.job.spec import Job
from jobwrap.settings import Settings
from tests.conftest import REPO
from tests.image.making import Tree, machine, make_elf

FOLDER = "usr/lib/x86_64-linux-gnu"


@pytest.fixture
def host(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    for name, version in {
        "libcuda.so.550.54": "GLIBC_2.27",
        "libcuda.so.1": "GLIBC_2.27",
        "libGLX.so.0": "GLIBC_2.34",
        "libnothing.so.1": "GLIBC_9.9",
    }.items():
        wanted = (("libc.so.6", "GLIBC_2.2.5"), ("libc.so.6", version), ("libX.so", "X_99"))
        (folder / name).write_bytes(make_elf(wanted=wanted))
    (folder / "libGL.so.1").write_bytes(b"no library")
    return tmp_path


def test_the_libraries_of_the_driver_are_those_that_nv_binds(host):
    names = [path.rpartition("/")[2] for path in host_libraries(str(host))]
    assert names == ["libGL.so.1", "libGLX.so.0", "libcuda.so.1", "libcuda.so.550.54"]


def test_apptainers_own_list_is_followed(host):
    (host / "etc/apptainer").mkdir(parents=True)
    (host / "etc/apptainer/nvliblist.conf").write_text("# libcuda.so\nnvidia-smi\nlibnothing.so\n")
    assert host_libraries(str(host)) == (f"/{FOLDER}/libnothing.so.1",)


@pytest.mark.parametrize(
    ("glibc", "names", "fatal"),
    [
        ("2.36", [], []),
        ("2.28", ["libGLX.so.0"], [False]),
        ("2.17", ["libGLX.so.0", "libcuda.so.1", "libcuda.so.550.54"], [False, True, True]),
        ("", [], []),
    ],
)
def test_a_library_that_needs_a_newer_glibc_than_the_image_has_is_named(host, glibc, names, fatal):
    found = clashes(host_libraries(str(host)), glibc, str(host))
    assert [clash.library.rpartition("/")[2] for clash in found] == names
    assert [clash.fatal for clash in found] == fatal


def test_the_refusal_names_the_library_the_versions_and_the_image(host):
    error = refusal("htc/old:6", "2.17", clashes(host_libraries(str(host)), "2.17", str(host)))
    assert error.failure.name == "image.driver_clash"
    assert f"(/{FOLDER}/libGLX.so.0) needs glibc 2.34 and the image htc/old:6 has 2.17" in error.sentence


def seen_by_the_probe(monkeypatch, libraries):
    """The probe is a fork."""
    monkeypatch.setattr(nvidia, "host_libraries", lambda machine: libraries)


def granting(host, glibc, granted=("0",)):
    """A node with the image htc/x:1 of that glibc, and GPUs."""
    tree = Tree(host / "cvmfs")
    tree.add("htc/x:1", glibc=glibc)
    node = machine("haswell", tree.cvmfs)
    return node._replace(gpus=node.gpus._replace(vendor="nvidia", granted=granted))


@pytest.mark.parametrize(
    ("glibc", "granted", "said"),
    [("2.17", (), 0), ("2.17", ("0",), None), ("2.28", ("0",), 1), ("2.36", ("0",), 0)],
)
def test_a_job_is_refused_only_where_no_program_could_use_its_gpu(host, monkeypatch, glibc, granted, said):
    libraries = [f"{host}{path}" for path in host_libraries(str(host))]
    seen_by_the_probe(monkeypatch, libraries)
    node = granting(host, glibc, granted)
    job = Job(("sh",), image="htc/x:1")
    if said is None:
        with pytest.raises(JobwrapError, match="libcuda") as raised:
            choose(job, node, Settings(deadline=20))
        assert raised.value.failure.name == "image.driver_clash"
        said, job = 3, job._replace(ignore_needs=True)
    reasons = choose(job, node, Settings(deadline=20)).reasons
    assert sum("it needs glibc" in reason for reason in reasons) == said


@pytest.mark.parametrize(
    ("glibc", "kept", "said"),
    [
        ("2.36", None, ()),
        ("2.28", ["libGL.so.1", "libcuda.so.1", "libcuda.so.550.54"], ("libGLX.so.0 (needs 2.34)",)),
        (
            "2.17",
            ["libGL.so.1"],
            ("libcuda.so.1 (needs 2.27)", "unless the image has its own libcuda.so.1 and"),
        ),
    ],
)
def test_a_site_can_have_those_left_out_and_the_plan_says_which(host, monkeypatch, glibc, kept, said):
    seen_by_the_probe(monkeypatch, [f"{host}{path}" for path in host_libraries(str(host))])
    job, settings = Job(("sh",), image="htc/x:1"), Settings(deadline=20, nv_libraries="leave-out")
    image = choose(job, granting(host, glibc), settings)
    assert (
        image.driver is None
        if kept is None
        else [path[-17:].split("/")[-1] for path in image.driver[0]] == kept
    )
    for sentence in said:
        assert any(sentence in reason for reason in image.reasons)


def test_in_place_of_nv_come_the_libraries_that_fit_the_devices_and_the_programs(host):
    for path in ("dev/nvidia0", "dev/nvidiactl", "dev/null", "opt/bin/nvidia-smi", "usr/bin/nvidia-smi"):
        (host / path).parent.mkdir(exist_ok=True, parents=True)
        (host / path).touch(0o755)
    libraries = host_libraries(str(host))
    driver = host_driver(clashes(libraries, "2.28", str(host)), libraries, "bin:/opt/bin:/usr/bin", str(host))
    assert f"/{FOLDER}/libGLX.so.0" not in driver.libraries and len(driver.libraries) == 3
    assert driver.binds == (
        ("/dev/nvidia0", "/dev/nvidia0"),
        ("/dev/nvidiactl", "/dev/nvidiactl"),
        ("/opt/bin/nvidia-smi", "/usr/bin/nvidia-smi"),
    )


def test_the_loaders_cache_says_which_libraries_there_are(host):
    (host / "etc").mkdir()
    (host / "etc/ld.so.cache").write_bytes(
        made_cache(
            ("libcuda.so.1", "/opt/driver/libcuda.so.1", 0x303),
            ("libcuda.so.1", "/later/libcuda.so.1", 0x303),
            ("libcuda.so.1", "/opt/driver32/libcuda.so.1", 3),
            ("libm.so.6", "/lib/libm.so.6", 0x303),
        )
    )
    assert host_libraries(str(host)) == ("/opt/driver/libcuda.so.1",)
    assert host_libraries(str(host), "i386") == host_libraries(str(host), "riscv64")  # the usual folders


def made_cache(*entries):
    """A cache behind one of the old form, as ldconfig of glibc 2.31 and before writes it."""
    strings, rows = b"", []
    start = 48 + 24 * len(entries)
    for name, path, flags in entries:
        rows.append((flags, start + len(strings), start + len(strings) + len(name) + 1, 0, 0))
        strings += f"{name}\0{path}\0".encode()
    head = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(entries), len(strings)) + bytes(20)
    return (
        b"ld.so-1.7.0\0" + bytes(4) + head + b"".join(struct.pack("<iIIIQ", *row) for row in rows) + strings
    )


def test_a_hostile_cache_has_an_answer():
    whole = made_cache(("libcuda.so.1", "/x/libcuda.so.1", 0x303))
    for end in range(len(whole)):
        assert len(parse_cache(whole[:end], "x86_64")) <= 1
    huge = whole[:36] + b"\xff" * (len(whole) - 36)
    assert parse_cache(huge, "x86_64") == []


@pytest.mark.node
def test_the_real_cache_is_read_as_ldconfig_reads_it():
    listed = subprocess.run(["/usr/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    machine = os.uname().machine
    kind = {"x86_64": "libc6,x86-64", "aarch64": "libc6,AArch64"}[machine]
    found = re.findall(rf"^\t(\S+) \({kind}\) => (\S+)$", listed, re.MULTILINE)
    assert read_cache(machine) == found and len(found) > 50


# A libc of the tests' own has a version that no image's has, so that a library built against it cannot be
# loaded there: as that of a driver made for a newer system. The loader's cache lists both libraries.
DRIVER = """
set -e; cd "$1"; mkdir -p stub driver
echo 'void newer(void) {}' >stub/libc.c; echo 'GLIBC_2.99 { newer; };' >stub/map
gcc -shared -nostdlib -fPIC -Wl,-soname,libc.so.6 -Wl,--version-script,stub/map -o stub/libc.so.6 stub/libc.c
echo 'extern void newer(void); int cuInit(void) { newer(); return 0; }' >stub/new.c
echo 'int fits(void) { return 42; }' >stub/old.c
gcc -shared -nostdlib -fPIC -Wl,-soname,libcuda.so.1 -o driver/libcuda.so.1 stub/new.c stub/libc.so.6
gcc -shared -nostdlib -fPIC -Wl,-soname,libnvidia-ml.so.1 -o driver/libnvidia-ml.so.1 stub/old.c
cp /etc/ld.so.conf conf; echo "$1/driver" >>conf
/usr/sbin/ldconfig -X -f conf -C cache
"""
# As that node's ordinary user, in a mount namespace whose loader's cache is the one above.
THERE = (
    'mount --bind "$1/cache" /etc/ld.so.cache; shift; exec unshare -U --map-user=1000 --map-group=1000 "$@"'
)
# jobwrap where a GPU was granted that the kernel has: only the look at /proc is made up.
GRANTED = """
import sys
from jobwrap.node import survey
from jobwrap.node.gpu import Gpus
survey.find_gpus = lambda *told: Gpus("nvidia", ("0",), ("GPU-a",), "CUDA_VISIBLE_DEVICES", "550.54")
from jobwrap.run import main
sys.exit(main(sys.argv[1:]))
"""
# Which of the two a task can load, and why not.
LOADS = """
import ctypes
for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
    try:
        print(name, getattr(ctypes.CDLL(name), "fits", lambda: 0)())
    except OSError as error:
        print(error)
"""


@pytest.fixture
def trapped(jobwrap, tmp_path):
    subprocess.run(["sh", "-c", DRIVER, "sh", tmp_path], check=True)
    site = tmp_path / "site.toml"
    jobwrap.environment["PYTHONPATH"] = str(REPO)
    inner = [sys.executable, "-c", GRANTED]
    jobwrap.program = ["unshare", "-r", "-m", "sh", "-c", THERE, "sh", str(tmp_path), *inner]

    def run(policy, *words):
        site.write_text(policy)
        return jobwrap.run("--site", site, "--image", "htc/numpy:2.2.4", *words, "--", "python3", "-c", LOADS)

    return run


@pytest.mark.node
def test_a_task_gets_what_of_the_driver_fits_where_the_site_has_the_rest_left_out(trapped, tmp_path):
    ran = trapped('[policy]\nnv_libraries = "leave-out"\n')
    assert ran.stdout.splitlines() == [
        "libcuda.so.1: cannot open shared object file: No such file or directory",
        "libnvidia-ml.so.1 42",
    ]
    said = [each for each in ran.record["plan"] if "left out" in each]
    assert said == ["of the host's driver is left out what the image's glibc 2.41 is too old for: "
                    "libcuda.so.1 (needs 2.99)"]  # fmt: skip
    assert "no program can use the GPU unless the image has its own libcuda.so.1" in ran.record["plan"]
    words = ran.record["container"]["runtime"]
    assert "--nv" not in words
    assert words[words.index("--containlibs") + 1] == f"{tmp_path}/driver/libnvidia-ml.so.1"


@pytest.mark.node
def test_else_the_job_is_refused_or_meets_the_trap_as_it_asked_to(trapped):
    ran = trapped("")
    assert (ran.code, ran.stdout) == (72, "")
    assert ran.record["end"]["failure"] == "image.driver_clash"
    assert "libcuda.so.1) needs glibc 2.99 and the image htc/numpy:2.2.4 has 2.41" in ran.stderr
    ran = trapped("", "--ignore-needs")
    assert "--nv" in ran.record["container"]["runtime"]
    assert "version `GLIBC_2.99' not found" in ran.stdout
    assert "libnvidia-ml.so.1 42" in ran.stdout
