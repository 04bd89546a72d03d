"""Which runtime is taken, and why not another."""

import time

import pytest

from jobwrap.node.runtime import Runtime, find_named, find_runtime

OVERRIDE = "GLIDEIN_SINGULARITY_BINARY_OVERRIDE"


@pytest.fixture
def programs(tmp_path):
    """Makes programs under a root folder of their own."""

    def make(*paths, mode=0o755):
        for path in paths:
            file = tmp_path / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("#!/bin/sh\n")
            file.chmod(mode)

    make.root = tmp_path
    return make


def find(programs, environ, ad=None, **more):
    return find_runtime({"PATH": "/none", **environ}, ad or {}, root=str(programs.root), **more)


def test_the_fields_order_is_kept(programs):
    order = [
        ({"setting": "/site/apptainer"}, {}, {}, "the site's setting"),
        ({}, {OVERRIDE: "/over/singularity"}, {}, OVERRIDE),
        ({}, {"GWMS_SINGULARITY_PATH": "/gwms/apptainer"}, {}, "GWMS_SINGULARITY_PATH"),
        ({}, {"OSG_SINGULARITY_PATH": "/osg/apptainer"}, {}, "OSG_SINGULARITY_PATH"),
        ({}, {}, {"singularity_path": "/ad/apptainer"}, "SINGULARITY_PATH of the machine ad"),
        ({}, {"SINGULARITY_BIN": "/bin-folder"}, {}, "SINGULARITY_BIN"),
        ({}, {"OSG_SINGULARITY_BINARY": "/osgbin/singularity"}, {}, "OSG_SINGULARITY_BINARY"),
        ({}, {"PATH": "/usr/bin:/opt/bin"}, {}, "PATH"),
    ]  # fmt: skip
    for name in ["site", "gwms", "osg", "ad", "bin-folder", "opt/bin"]:
        programs(f"/{name}/apptainer")
    programs("/over/singularity", "/osgbin/singularity", "/usr/bin/singularity")
    for number in range(len(order)):
        words, environ, ad = {}, {}, {}
        for its_words, its_environ, its_ad, _ in order[number:]:
            words, environ, ad = {**words, **its_words}, {**environ, **its_environ}, {**ad, **its_ad}
        found, rejected = find(programs, environ, ad, **words)
        assert (found.source, rejected) == (order[number][3], ())


def test_apptainer_anywhere_on_path_comes_before_singularity(programs):
    programs("/usr/bin/singularity", "/opt/bin/apptainer")
    found, _ = find(programs, {"PATH": ":relative:/usr/bin:/opt/bin/"})
    assert found == Runtime("/opt/bin/apptainer", "apptainer", "PATH")


def test_a_singularity_that_is_a_link_to_apptainer_is_apptainer(programs):
    programs("/usr/bin/apptainer-1.4", "/opt/singularity")
    (programs.root / "usr/bin/singularity").symlink_to("apptainer-1.4")
    assert find(programs, {"PATH": "/usr/bin"})[0].name == "apptainer"
    assert find(programs, {"PATH": "/opt"})[0].name == "singularity"


@pytest.mark.parametrize("value", ["/a:/b", "/b", "/a:/b/apptainer"])
def test_a_variable_may_name_folders(programs, value):
    programs("/b/apptainer")
    (programs.root / "a").mkdir()
    found, _ = find(programs, {OVERRIDE: value})
    assert found.path == "/b/apptainer"


@pytest.mark.parametrize("keyword", ["", "PATH", "OSG", "CONDOR", "relative/apptainer"])
def test_a_keyword_is_no_candidate(programs, keyword):
    assert find(programs, {"SINGULARITY_BIN": keyword}, mount="/c")[1] == (
        ("/c/oasis.opensciencegrid.org/mis/apptainer/bin/apptainer", "no such file or directory"),
        ("/c/oasis.opensciencegrid.org/mis/singularity/bin/singularity", "no such file or directory"),
        ("PATH", "has neither apptainer nor singularity"),
    )


def test_each_rejected_candidate_has_its_reason(programs):
    programs("/usr/bin/apptainer", mode=0o644)
    programs("/good/apptainer")
    (programs.root / "empty").mkdir()
    (programs.root / "folder/apptainer").mkdir(parents=True)
    (programs.root / "loop").symlink_to("loop")
    environ = {"SINGULARITY_BIN": "/empty:/loop:/no\0such", "PATH": "/folder:/usr/bin:/no/such:/good"}
    found, rejected = find(programs, environ, setting="/gone/apptainer")
    assert found.path == "/good/apptainer"
    assert rejected == (
        ("/gone/apptainer", "no such file or directory"),
        ("/empty", "a folder without apptainer or singularity"),
        ("/loop", "too many levels of symbolic links"),
        ("/no\0such", "no path"),
        ("/folder/apptainer", "a folder without apptainer or singularity"),
        ("/usr/bin/apptainer", "not executable"),
    )


@pytest.mark.parametrize("mount", ["/cvmfs", "/srv/cvmfs"])
def test_the_copies_on_cvmfs_come_last(programs, mount):
    programs(f"{mount}/oasis.opensciencegrid.org/mis/singularity/bin/singularity")
    found, rejected = find(programs, {}, mount=mount)
    assert (found.name, found.source) == ("singularity", "the copy on CVMFS")
    assert len(rejected) == 1
    programs("/usr/bin/singularity")
    assert find(programs, {"PATH": "/usr/bin"}, mount=mount)[0].source == "PATH"


def test_a_cvmfs_that_hangs_is_waited_for_once(programs, monkeypatch):
    monkeypatch.setattr("jobwrap.node.runtime._look", lambda path, root: time.sleep(60))
    (programs.root / "link").symlink_to("/cvmfs/x")
    environ = {"OSG_SINGULARITY_BINARY": "/link/singularity", "PATH": "/cvmfs/view/bin"}
    start = time.monotonic()
    found, rejected = find(programs, environ, deadline=0.2)
    assert found is None and time.monotonic() - start < 50
    assert rejected[0] == ("/link/singularity", "/link/singularity did not answer within 0.2 s")
    others = {why for _, why in rejected[1:-1]}
    assert others == {"not looked at, since /link/singularity did not answer within 0.2 s"}
    assert len(rejected) == 6


def test_a_runtime_asked_for_by_name_comes_from_path(programs):
    programs("/one/bwrap", mode=0o644)
    programs("/two/bwrap")
    path = f"relative:{programs.root}/none:{programs.root}/one:{programs.root}/two"
    found = find_named("bwrap", {"PATH": path})
    assert found == Runtime(f"{programs.root}/two/bwrap", "bwrap", "--runtime bwrap")
    assert find_named("bwrap", {"PATH": "/none"}) is None


@pytest.mark.node
def test_the_worker_nodes_own_apptainer_is_found():
    found, rejected = find_runtime({"PATH": "/usr/local/bin:/usr/bin:/bin"}, {})
    assert (found, rejected) == (Runtime("/usr/bin/apptainer", "apptainer", "PATH"), ())
