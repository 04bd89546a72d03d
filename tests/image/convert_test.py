"""From Dockerfiles to definition files: what spython leaves wrong is right or refused."""

import subprocess

import pytest

from jobwrap.image.convert import convert
from jobwrap.image.lint import lint

DEBIAN = "/cvmfs/singularity.opensciencegrid.org/htc/debian:12"


@pytest.fixture
def context(tmp_path):
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/deep/one").write_text("1\n")
    (tmp_path / "code.py").write_text("print()\n")
    subprocess.run(["tar", "-czf", tmp_path / "packed.tar.gz", "-C", tmp_path / "data", "deep"], check=True)
    return tmp_path


def converted(text, context="/nonexistent", **arguments):
    return convert("FROM debian:12\n" + text, str(context), arguments).text


def section(text, name):
    return [line.strip() for line in text.partition(f"%{name}\n")[2].partition("\n\n")[0].splitlines()]


@pytest.mark.parametrize(
    ("line", "post"),
    [
        ("RUN a && \\\n  # why\n  b \\\n    env", "a && \\ b \\ env"),
        ('RUN ["echo", "it\'s"]', "echo 'it'\"'\"'s'"),
        ("RUN cd /x && make", "( cd /x && make )"),
        ("WORKDIR /a\nWORKDIR b", "mkdir -p /a cd /a mkdir -p /a/b cd /a/b"),
        ("ENV A 1 2", 'export A="1 2"'),
        ("ENV A='$B' C=\"x$D\"", 'export A="\\$B" export C="x$D"'),
        ("ARG V=1", 'export V="1"'),
        ("ADD https://h/f.txt /opt/", "mkdir -p /opt && curl -fsSL -o /opt/f.txt https://h/f.txt"),
        ("ADD https://h/f /opt/g", "mkdir -p /opt && curl -fsSL -o /opt/g https://h/f"),
        ('SHELL ["/bin/bash", "-ec"]\nRUN a $B', "/bin/bash -ec 'a $B'"),
        ('VOLUME ["/data"]', "mkdir -p /data"),
    ],
)  # fmt: skip
def test_an_instruction_becomes_these_commands(line, post):
    assert " ".join(section(converted(line), "post")) == post


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("COPY code.py /opt/", ["code.py /opt/"]),
        ("WORKDIR /a\nCOPY code.py ./x.py", ["code.py /a/x.py"]),
        ("COPY data /opt/data", ["data/. /opt/data"]),
        ("COPY --chown=1:1 code.py data /opt/", ["code.py /opt/", "data/. /opt/"]),
        ("ENV D=/opt\nCOPY code.py ${D}/c.py", ["code.py /opt/c.py"]),
        ("ADD packed.tar.gz /opt/x", ["packed.tar.gz /.packed/packed.tar.gz"]),
        ("COPY . /opt/all", ["./. /opt/all"]),
    ],
)
def test_files_are_copied_as_docker_copies_them(context, line, files):
    assert section(converted(line, context), "files") == files


def test_stages_keep_their_names_and_what_is_taken_from_them():
    copies = "COPY --from=0 /opt/from /opt/from\nCOPY --from=from /a /b\n"
    text = converted(f"RUN make\nFROM debian:12 AS from\nRUN a\nFROM debian:12\n{copies}")
    assert [line for line in text.splitlines() if line.startswith("Stage")] == [
        "Stage: stage-0", "Stage: from", "Stage: stage-2",
    ]  # fmt: skip
    assert section(text, "files from stage-0") == ["/opt/from /opt/"]
    assert section(text, "files from from") == ["/a /b"]


def test_arguments_are_given_or_have_defaults():
    dockerfile = "ARG BASE=debian\nARG TAG\nFROM $BASE:${TAG:-1}\nARG TAG\nRUN x\n"
    text = convert(dockerfile, "/", {"TAG": "12"}).text
    assert "From: debian:12\n" in text
    assert 'export TAG="12"' in text


def test_words_given_take_the_place_of_cmd_and_never_of_entrypoint():
    text = converted('ENTRYPOINT ["/bin/echo", "it\'s"]\nCMD ["a b"]\n')
    assert section(text, "runscript") == [
        "[ $# -eq 0 ] || exec /bin/echo 'it'\"'\"'s' \"$@\"",
        "exec /bin/echo 'it'\"'\"'s' 'a b'",
    ]
    assert section(converted("CMD echo $A\n"), "runscript")[1] == "exec /bin/sh -c 'echo $A'"


def test_labels_stand_one_a_line():
    assert section(converted('LABEL a="b c" d=e\nLABEL f g\n'), "labels") == ["a b c", "d e", "f g"]


def test_what_is_left_out_is_said_with_its_line():
    remarks = convert("FROM debian:12\nUSER me\nEXPOSE 80\nHEALTHCHECK CMD x\nCOPY x /x\n", "/", {}).remarks
    assert [remark[:7] for remark in remarks] == ["line 2:", "line 3:", "line 4:", "line 5:"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("RUN <<END\necho\nEND", "<< is not converted"),
        ("RUN --mount=type=secret,id=x cat", "RUN --mount"),
        ("ARG V", "V has no value; give --arg NAME=VALUE"),
        ("COPY $V /x", "V has no value"),
        ("COPY --from=alpine:3 /x /x", "from no stage"),
        ("COPY x /tmp/x", "/tmp/x is empty while"),
        ("COPY /x", "a source and a target"),
        ('COPY ["a b", "/x"]', "a blank in it"),
        ("ADD git@h:x.git /x\nADD git://h/x /x", "ADD git://h/x is not converted"),
        ("FROM debian:12 AS a\nFROM a", "FROM a stage"),
        ("NONSENSE x", "NONSENSE is no instruction"),
        ("SHELL bash", "a list of words"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_its_line(line, problem):
    with pytest.raises(ValueError, match=rf"line \d: .*{problem}"):
        converted(line)


@pytest.mark.parametrize("text", ["", "RUN x\n", "Bootstrap: docker\n"])
def test_a_text_without_from_is_refused(text):
    with pytest.raises(ValueError, match=r"FROM|no instruction"):
        convert(text, "/", {})


def test_the_lint_reads_what_was_converted():
    text = converted("RUN mkdir /cvmfs && pip install numpy\n")
    assert [finding.rule for finding in lint(text)] == ["base.tag", "pip.unversioned"]


@pytest.mark.node
def test_apptainer_builds_what_was_converted_and_it_is_as_docker_would_have_it(context):
    dockerfile = """FROM base AS build
ENV A="one $((1 + 1))" B='$A'
WORKDIR /opt/work
COPY data data
RUN cd /tmp && echo "$A" > /opt/a && date \\
   +%Y > year
RUN pwd > /opt/folder && echo "$B" > /opt/b
ADD packed.tar.gz /opt/unpacked
FROM base
COPY --from=build /opt /opt
SHELL ["/bin/bash", "-c"]
RUN echo "${BASH_VERSION%%.*}" > /opt/bash
ENV C="x y"
ENTRYPOINT ["printenv"]
CMD ["C"]
"""
    text = convert(dockerfile, str(context), {}).text
    text = text.replace("docker\nFrom: base", f"localimage\nFrom: {DEBIAN}")
    (context / "x.def").write_text(text)
    subprocess.run(["apptainer", "-s", "build", "--sandbox", "image", "x.def"], cwd=context, check=True)
    made = {path.name: path.read_text() for path in (context / "image/opt").iterdir() if path.is_file()}
    assert made == {"a": "one 2\n", "b": "$A\n", "folder": "/opt/work\n", "bash": "5\n"}
    assert (context / "image/opt/work/data/deep/one").read_text() == "1\n"
    assert (context / "image/opt/unpacked/deep/one").read_text() == "1\n"
    for words, said in (([], "x y\n"), (["HOME"], "/")):
        command = ["apptainer", "-s", "run", context / "image", *words]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        assert ran.stdout.startswith(said)
