"""A question that may hang: its answer, its failure, its deadline."""

import os
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.node.probe import Hung, ask, ask_all


def fail():
    raise JobwrapError("image.not_found", image="x", near="")


def test_an_answer_comes_back_as_it_was_given():
    answer = ask(lambda a: {"a": (a, None, b"\0")}, "x" * 300_000, deadline=10, what="a test")
    assert answer == {"a": ("x" * 300_000, None, b"\0")}


def test_a_failure_of_the_table_is_raised_with_its_sentence():
    with pytest.raises(JobwrapError, match="there is no image x") as raised:
        ask(fail, deadline=10, what="a test")
    assert raised.value.failure.name == "image.not_found"


def test_an_error_of_the_system_is_raised_with_its_number_and_path():
    with pytest.raises(FileNotFoundError) as raised:
        ask(os.listdir, "/no/such", deadline=10, what="a test")
    assert raised.value.filename == "/no/such"


def test_any_other_error_is_told_in_words():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        ask(lambda: 1 / 0, deadline=10, what="a test")


def test_no_answer_in_time_is_named():
    with pytest.raises(Hung, match=r"a test did not answer within 0\.05 s"):
        ask(time.sleep, 60, deadline=0.05, what="a test")


def test_the_child_holds_none_of_our_descriptors():
    held = os.open("/", os.O_RDONLY)
    descriptors = ask(
        lambda: [os.readlink(f"/proc/self/fd/{n}") for n in range(3)], deadline=10, what="a test"
    )
    numbers = ask(lambda: sorted(map(int, os.listdir("/proc/self/fd"))), deadline=10, what="a test")
    os.close(held)
    assert descriptors == ["/dev/null"] * 3
    assert numbers[:4] == [0, 1, 2, 3] and len(numbers) == 5  # the fifth is the listing itself


def test_many_are_asked_at_once_and_one_that_hangs_hides_no_other():
    subjects = [("sleep", ("sleep 60",)), ("one", ("one",)), ("fail", ("fail",)), ("two", ("two",))]

    def question(word):
        if word == "fail":
            return os.listdir("/no/such")
        return time.sleep(60) if word.startswith("sleep") else word

    answers = ask_all(question, subjects, deadline=3)
    assert [answers[1], answers[3]] == ["one", "two"]
    assert isinstance(answers[0], Hung) and answers[0].what == "sleep"
    assert isinstance(answers[2], FileNotFoundError)


def test_a_child_that_is_killed_is_an_error_and_no_answer():
    with pytest.raises(RuntimeError, match="ended without an answer"):
        ask(lambda: os.kill(os.getpid(), 9), deadline=10, what="a test")
