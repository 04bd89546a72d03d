"""What is asked of the C library."""

import os
import select
import signal

from jobwrap import libc

SIZE, COUNT = 4000, 20_000


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_memory_that_was_freed_below_what_is_still_used_is_given_back():
    blocks = [bytes(SIZE) for _ in range(COUNT)]
    last = blocks.pop()
    before = resident()
    del blocks
    libc.give_back_memory()
    assert before - resident() > SIZE * COUNT / 2
    assert len(last) == SIZE


def test_a_signal_that_is_blocked_can_be_seen_until_it_is_taken():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
    seen = libc.see_pending(signal.SIGCONT)
    try:
        assert select.select([seen], [], [], 0)[0] == []
        os.kill(os.getpid(), signal.SIGCONT)
        assert select.select([seen], [], [], 0)[0] == [seen]
        signal.sigwait([signal.SIGCONT])
        assert select.select([seen], [], [], 0)[0] == []
    finally:
        os.close(seen)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_library_without_such_a_function_is_let_be():
    assert libc._call("there_is_no_such_function", 0) == -1
