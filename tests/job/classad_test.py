"""The ClassAd parser: literals as values, all else as text."""

import random
import subprocess
from importlib import import_module

import pytest

from jobwrap.job.classad import Expression, format_value, parse_ad, parse_value
from tests.fuzzing import rounds

ROUNDS = rounds(3000)  # each is an ad


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a = b # c"', "a = b # c"),
        ("-7", -7),
        ("0", 0),
        ("1.5E+00", 1.5),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("TRUE", True),
        ("undefined", None),
        ("false // since today", False),
        ("/* none */ 3", 3),
        ('{ 1, "two", { } }', [1, "two", []]),
        ('[ A = 1; b = [ c = "d;e" ]; ]', {"a": 1, "b": {"c": "d;e"}}),
        ("{ 1, x + 1, f(2, 3) }", [1, Expression("x + 1"), Expression("f(2, 3)")]),
        ("[ a = 'x y' + \"]\"; 'q r' = 2 ]", {"a": Expression("'x y' + \"]\""), "q r": 2}),
        ("error", Expression("error")),
        ("TARGET.Cpus > 1", Expression("TARGET.Cpus > 1")),
        ('"a" + "b"', Expression('"a" + "b"')),
        ('"never closed', Expression('"never closed')),
        ('real("INF")', Expression('real("INF")')),
        ("{ 1, 2", Expression("{ 1, 2")),
        ("(1]", Expression("(1]")),
        ("", Expression("")),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_literal_is_a_value_and_all_else_is_text(text, value, new):
    assert parse_value(text, new=new) == value


@pytest.mark.parametrize("text", ["010", "0x1F", "10K", "1.2.3", "1.", "1e400", "9223372036854775808", "1_0"])
def test_a_number_that_htcondor_would_not_write_stays_text(text):
    assert parse_value(text) == Expression(text)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (r'"C:\new\dir"', r"C:\new\dir", "C:\new" + "dir"),
        (r'"say \"x\""', 'say "x"', 'say "x"'),
        (r'"a\\b"', r"a\\b", r"a\b"),
        (r'"\101\t"', r"\101\t", "A\t"),
        (r'"C:\"', "C:\\", Expression(r'"C:\"')),
        (r'{ "\"" , "\n" }', ['"', r"\n"], ['"', "\n"]),
        (r'"a\0b"', r"a\0b", Expression(r'"a\0b"')),
        (r'"\q" + x', Expression(r'"\q" + x'), Expression(r'"\q" + x')),
        (r'{ "\q" + x }', [Expression(r'"\q" + x')], [Expression(r'"\q" + x')]),
    ],
)
def test_a_backslash_means_itself_in_old_syntax_and_escapes_in_new(text, old, new):
    assert (parse_value(text), parse_value(text, new=True)) == (old, new)


def test_names_have_no_case_and_the_last_one_counts():
    assert parse_ad('# c\nCmd = "x"\n\nno attribute\n1a = 1\nCMD = "y=z"\r\n') == {"cmd": "y=z"}


def test_an_ad_in_new_syntax_may_have_comments_and_any_line_breaks():
    text = '\n[ // one\n A = 1; /* ] */ B\n=\n"x;\\"]"; ;C = A +\n1;]\n'
    assert parse_ad(text) == {"a": 1, "b": 'x;"]', "c": Expression("A +\n1")}


@pytest.mark.parametrize("text", ["[", "[a", "[a=", "[a=1", "[a=1]]", "[1=1]", "[a 1=2]", "[a=(1]"])
def test_a_broken_ad_in_new_syntax_has_no_attributes(text):
    assert parse_ad(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        "9" * 100_000,
        "9" * 100_000 + "x",
        "[a=" * 50_000,
        "/*" * 50_000,
        "\0",
        '"\\',
        "(" * 100_000,
    ],
    ids=lambda text: text[:3],
)
def test_a_hostile_value_stays_text(text):
    assert parse_value(text) == Expression(text) == parse_value(text, new=True)


@pytest.mark.parametrize("value", [None, True, -3, 2.5, 'a "b" \\n', ["x", 1, []], {"a": {"b": "c"}}])
def test_what_is_written_reads_back_the_same(value):
    assert parse_value(format_value(value)) == value


def test_a_string_stays_on_its_line():
    assert format_value("a\nb\0c\r") == '"a b c "'


def random_value(rng, new, depth=0):
    """Text of a value: mostly what ads hold, sometimes what nobody would write."""
    kinds = ["string", "integer", "real", "word", "expression"] + ["list", "ad"] * (depth < 3)
    kind = rng.choice(kinds)
    plain = {
        "integer": rng.choice(["-", ""]) + str(rng.randrange(10 ** rng.randrange(1, 18))),
        "real": rng.choice([f"{rng.random():.15E}", f"{rng.uniform(-9, 9):f}", "1e10", ".5"]),
        "word": rng.choice(["true", "FALSE", "undefined", "Error", "error"]),
        "expression": rng.choice(["x + 1", 'f("]", {1}, y)', "TARGET.a =?= 1", "a ? b : c", "(1)", "!true"]),
    }
    if kind in plain:
        return plain[kind]
    if kind == "string":
        pieces = ["a", "=", "#", " ", ";", "]", "é", "//", "'", r"\"", r"\x", "\t"] + [
            r"\\",
            r"\n",
            r"\052",
        ] * new
        return '"{}"'.format("".join(rng.choices(pieces, k=rng.randrange(6))))
    items = [random_value(rng, new, depth + 1) for _ in range(rng.randrange(4))]
    if kind == "list":
        return "{" + " , ".join(items) + "}"
    return "[" + ";".join(f"a{number} = {item}" for number, item in enumerate(items)) + "]"


def agree(ours, theirs, classad2):
    """Whether our value is what the oracle has; what we keep as text, it may evaluate as it likes."""
    if isinstance(ours, Expression):
        return True
    if ours is None:
        return theirs == classad2.Value.Undefined
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs, [classad2] * len(ours)))
    if isinstance(ours, dict):
        names = {name.lower(): name for name in theirs.keys()}  # noqa: SIM118  # a ClassAd is no dict
        return set(ours) == set(names) and all(
            agree(ours[name], theirs.eval(names[name]), classad2) for name in ours
        )
    return type(ours) is type(theirs) and ours == theirs


@pytest.mark.node
@pytest.mark.parametrize("new", [False, True])
def test_htcondors_own_parser_reads_the_same_values(new):
    classad2, rng = import_module("classad2"), random.Random(new)
    literals = 0
    for _ in range(ROUNDS):
        lines = [f"A{number} = {random_value(rng, new)}" for number in range(5)]
        text = "[" + ";\n".join(lines) + "]" if new else "\n".join(lines) + "\n"
        oracle = classad2.parseOne(text, classad2.ParserType.New if new else classad2.ParserType.Old)
        ours = parse_ad(text)
        assert set(ours) == {f"a{number}" for number in range(5)}
        for name, value in ours.items():
            assert agree(value, oracle.eval(name), classad2), (text, name, value)
            literals += not isinstance(value, Expression)
    assert literals > 2 * ROUNDS


def test_no_text_makes_the_parser_fail():
    rng = random.Random(0)
    pieces = [
        '"',
        "\\",
        "[",
        "]",
        "{",
        "}",
        "(",
        ";",
        ",",
        "=",
        "a",
        "1",
        "-",
        ".",
        "e",
        " ",
        "\n",
        "/*",
        "*/",
        "//",
    ]
    for _ in range(ROUNDS):
        text = "".join(rng.choices([*pieces, "'", "true", "\0", "\ud800"], k=rng.randrange(40)))
        for value in (*parse_ad("a =" + text).values(), *parse_ad("[a =" + text).values()):
            format_value(value)


def ads_of(command):
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return text.strip().split("\n\n")[0]


def reads_like_the_oracle(text):
    """Our ad, held against HTCondor's own parser: the same names, and the same values of literals."""
    classad2 = import_module("classad2")
    oracle, ours = classad2.parseOne(text), parse_ad(text)
    assert set(ours) == {name.lower() for name in oracle}
    literals = {name: value for name, value in ours.items() if not isinstance(value, Expression)}
    assert len(literals) > 50
    for name, value in literals.items():
        assert agree(value, oracle.eval(name), classad2), name
    return ours


@pytest.mark.condor
def test_the_ads_of_a_real_schedd_startd_and_starter_read_as_htcondors_own_parser_reads_them(tmp_path):
    (tmp_path / "submit").write_text(
        "executable = /bin/sh\ntransfer_executable = false\nshould_transfer_files = yes\nlog = log\n"
        """arguments = "-c 'cp .job.ad job; cp .machine.ad machine'"\n"""
        """+X = "a = \\"b\\" # c"\n+Y = {1, [ z = "C:\\dir" ]}\nqueue\n"""
    )
    subprocess.run(["condor_submit", "submit"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["condor_wait", "-wait", "120", "log"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL
    )
    job = reads_like_the_oracle((tmp_path / "job").read_text())
    assert job["x"] == 'a = "b" # c' and job["y"] == [1, {"z": "C:\\dir"}]
    machine = reads_like_the_oracle((tmp_path / "machine").read_text())
    assert machine["memory"] > 0 and machine["microarch"].startswith("x86_64-v")
    for command in (["condor_history", "-l"], ["condor_status", "-l"]):
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        reads_like_the_oracle(text.strip().split("\n\n")[0])
