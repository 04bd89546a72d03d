"""What is asked of the C library."""

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


def test_a_library_without_such_a_function_is_let_be():
    libc._call("there_is_no_such_function", 0)
