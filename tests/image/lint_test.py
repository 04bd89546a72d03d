"""Each rule of the lint finds what it is for, in both forms of recipe, and lets the good form pass."""

import pytest

from jobwrap.image.lint import lint
from jobwrap.image.rules import RULES

BASE = "debian:12@sha256:" + "0" * 64
GOOD = f"FROM {BASE}\nRUN mkdir -p /cvmfs\n"
CASES = [
    # rule, a line of a Dockerfile that breaks it, the words it is about, the same done well
    ("pip.unversioned", "RUN pip install -q numpy 'scipy>=1'", "numpy", "RUN pip install numpy==2.2.4"),
    ("pip.unversioned", "RUN cd / && python3.11 -m pip install numpy", "numpy", "RUN pip install -r list"),
    ("pip.unversioned", "RUN pip3 install --index-url https://x numpy", "numpy", "RUN pip install ./mine"),
    ("conda.unversioned", "RUN conda install -y -n x root", "root", "RUN mamba install -y -n x root=6.32"),
    ("conda.unversioned", "RUN micromamba create -n x gcc", "gcc", "RUN conda create -n x --file list.txt"),
    ("apt.unversioned", "RUN apt-get update && apt-get -y install \\\n  g++ \\\n  make", "g++, make",
     "RUN apt-get install -y --no-install-recommends make=4.3-4.1"),
    ("apt.unversioned", "RUN apt install -y make;apt clean", "make",
     "RUN echo deb http://snapshot.debian.org/archive/debian/20260101T000000Z / >/x && apt install -y make"),
    ("dnf.unversioned", "RUN dnf -y install gcc", "gcc", "RUN dnf install -y gcc-11.5.0-5.el9"),
    ("apk.unversioned", "RUN apk add --no-cache bash", "bash", "RUN apk add bash=5.2.37-r0"),
    ("upgrade", "RUN apt-get -y dist-upgrade", "apt-get -y dist-upgrade", "RUN apt-get update"),
    ("march.native", "RUN gcc -O3 -march=native x.c", "-march=native", "RUN gcc -march=x86-64-v3 x.c"),
    ("march.native", "ENV RUSTFLAGS='-C target-cpu=native'", "target-cpu=native", "ENV CFLAGS=-O2"),
    ("march.native", "RUN cmake -DGGML_NATIVE=ON .", "GGML_NATIVE=ON", "RUN cmake -DGGML_NATIVE=OFF ."),
    ("driver.inside", "RUN apt-get install nvidia-driver-550", "nvidia-driver", "RUN echo cuda-toolkit-12"),
    ("download.unchecked", "RUN curl -fsSL https://a/b.sh | sh", "https://a/b.sh",
     "RUN wget https://a/b && echo '00 b' | sha256sum -c"),
    ("fetch.unchecked", "ADD https://a/b /opt/", "https://a/b", "ADD --checksum=sha256:00 https://a/b /opt/"),
    ("git.unpinned", "RUN git clone https://a/b", "git clone https://a/b", "RUN git clone -b v1 https://a/b"),
    ("path.covered", "COPY code /srv/code", "/srv/code", "COPY code /opt/code"),
    ("home.root", "ENV PATH=/root/.cargo/bin:$PATH", "/root/.cargo/bin", "ENV PATH=/opt/bin:$PATH"),
    ("home.user", "RUN make install PREFIX=$HOME/x", "$HOME/x", "RUN make install PREFIX=/opt/x"),
    ("login.shell", "RUN echo 'export A=1' >> ~/.bashrc", ">> ~/.bashrc", "ENV A=1"),
    ("user", "USER jovyan", "jovyan", "USER root"),
    ("entrypoint", 'ENTRYPOINT ["/init"]', '["/init"]', 'CMD ["/init"]'),
    ("library.path", "ENV LD_LIBRARY_PATH=/opt/lib", "LD_LIBRARY_PATH",
     "ENV LD_LIBRARY_PATH=/opt/lib:$LD_LIBRARY_PATH"),
]  # fmt: skip


def rules(text):
    return [finding.rule for finding in lint(text)]


@pytest.mark.parametrize(("rule", "bad", "words", "good"), CASES)
def test_a_rule_finds_what_it_is_for_and_lets_the_good_form_pass(rule, bad, words, good):
    found = [finding for finding in lint(GOOD + bad) if finding.rule == rule]
    assert [finding.line for finding in found] == [3]
    assert words in found[0].sentence
    assert rule not in rules(GOOD + good)


def test_every_rule_has_a_case():
    covered = {case[0] for case in CASES} | {"base.unpinned", "base.tag"}
    assert covered == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("base", "rule"),
    [
        ("debian", "base.unpinned"),
        ("debian:latest", "base.unpinned"),
        ("host:5000/a/b", "base.unpinned"),
        ("debian:12", "base.tag"),
        (BASE, None),
    ],
)
def test_a_base_is_pinned_by_its_digest(base, rule):
    dockerfile = rules(f"FROM {base} AS build\nRUN mkdir /cvmfs\nFROM build\n")
    definition = rules(f"Bootstrap: docker\nFrom: {base}\n%post\n  mkdir /cvmfs\n")
    assert dockerfile == definition == ([rule] if rule else [])


def test_a_small_base_needs_its_mount_points_made():
    found = lint(f"FROM {BASE.replace('debian', 'alpine')}\n")
    assert [finding.sentence[:16] for finding in found] == ["/cvmfs and /srv "]


def test_a_definition_file_is_read_section_by_section():
    text = f"""BootStrap: docker
From: {BASE}

%files
    code /home/me/code
%environment
    export LD_PRELOAD=/x.so
%post
    # pip install nothing
    mkdir -p /cvmfs
    pip install \\
        numpy
%runscript
    pip install numpy
%labels
    pip install numpy
"""
    found = [(finding.line, finding.rule) for finding in lint(text)]
    assert found == [(5, "path.covered"), (7, "library.path"), (11, "pip.unversioned")]


def test_a_remark_allows_a_rule_where_it_stands_and_nowhere_else():
    allowed = "# jobwrap: allow apt.unversioned pip.unversioned\nRUN apt-get install make && pip install a\n"
    assert rules(GOOD + allowed) == []
    assert rules(GOOD + allowed + "RUN pip install b\n") == ["pip.unversioned"]


@pytest.mark.parametrize("text", ["", "#!/bin/sh\necho\n", '{"a": 1}', "\0"])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(ValueError, match="neither a Dockerfile"):
        lint(text)
