"""A word ahead of a probe's answer."""

import os
import time

from jobwrap.node.early import EarlyWord
from jobwrap.node.probe import Pending


def asked(question):
    """The question, which is told its EarlyWord, and that word."""
    early = EarlyWord()
    pending = Pending(question, early, what="a test", keeps=(early.mouth,))
    early.begun()
    return pending, early


def test_a_word_comes_ahead_of_the_answer_and_a_descriptor_with_it(tmp_path):
    folder = str(tmp_path)

    def question(early):
        early.tell({"path": folder}, os.open(folder, os.O_PATH))
        return "the answer"

    pending, early = asked(question)
    word, descriptor = early.hear(10)
    assert (word, os.readlink(f"/proc/self/fd/{descriptor}")) == ({"path": folder}, folder)
    assert not os.get_inheritable(descriptor)
    assert pending.answer(10) == "the answer"
    os.close(descriptor)


def test_only_the_first_word_is_told_and_none_that_is_too_long():
    def question(early):
        early.tell("x" * 100_000)
        early.tell("late")

    pending, early = asked(question)
    assert early.hear(10) == (None, -1)
    assert pending.answer(10) is None


def test_a_probe_that_tells_nothing_is_waited_for_no_longer_than_it_takes():
    pending, early = asked(lambda early: "the answer")
    assert early.hear(60) == (None, -1)
    assert pending.answer(10) == "the answer"


def test_a_probe_that_hangs_is_not_waited_for():
    pending, early = asked(lambda early: time.sleep(60))
    assert early.hear(0.05) == (None, -1)
    pending.abandon()


def test_the_probe_keeps_only_the_end_that_it_tells_by():
    held, holding = os.pipe()

    def question(early):
        links = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
        early.tell(sorted(os.readlink(each)[:6] for each in links if os.path.lexists(each)))

    pending, early = asked(question)
    assert early.hear(10)[0] == ["/dev/n", "/dev/n", "/dev/n", "pipe:[", "socket"]
    pending.answer(10)
    os.close(held)
    os.close(holding)
