"""A task that tries to reach what is another slot's, and that other slot.

neighbour FACTS   makes one of each thing that could be found, says so, and waits
intruder FACTS    tries each, and prints which of them it reached, as JSON
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CREATE, PRIVATE = 0o1000, 0o600  # IPC_CREAT; the modes of what is made
KEYCTL, ADD_KEY, SEARCH, SESSION = 250, 248, 10, -3  # x86_64


def make(facts):
    """What a careless task leaves lying about while it runs."""
    for path in ("/tmp/neighbours", "/var/tmp/neighbours", "/dev/shm/neighbours", "neighbours"):
        with open(path, "w") as file:
            file.write("mine")
    assert LIBC.shmget(facts["key"], 4096, CREATE | PRIVATE) >= 0
    assert LIBC.msgget(facts["key"], CREATE | PRIVATE) >= 0
    assert LIBC.semget(facts["key"], 1, CREATE | PRIVATE) >= 0
    assert LIBC.mq_open(b"/neighbours", os.O_CREAT | os.O_RDWR, PRIVATE, None) >= 0
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0neighbours")
    listener.listen()
    with open("up", "w"):
        return listener


def opens(path):
    os.close(os.open(path, os.O_RDONLY))
    return True


def processes(name):
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/{name}", "rb") as file:
                yield file.read()
        except OSError:
            pass


def key_of_the_session(facts):
    return LIBC.syscall(KEYCTL, SEARCH, ctypes.c_int(SESSION), b"user", facts["secret"].encode(), 0) > 0


def abstract_socket(_):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0neighbours")
        return True


def signal_to(number):
    try:
        os.kill(number, 0)
        return True
    except OSError:
        return False


# What is tried; true, or no exception, means that it was reached.
TRIES = {
    "process": lambda facts: any(b"neighbour" in each for each in processes("cmdline")),
    "environment": lambda facts: any(facts["secret"].encode() in each for each in processes("environ")),
    "signal": lambda facts: any(map(signal_to, facts["processes"])),
    "scratch": lambda facts: opens(f"{facts['scratch']}/neighbours"),
    "temporary file": lambda facts: opens("/tmp/neighbours"),
    "long-lived temporary file": lambda facts: opens("/var/tmp/neighbours"),
    "file in shared memory": lambda facts: opens("/dev/shm/neighbours"),
    "control folder of the neighbour": lambda facts: opens(f"{facts['scratch']}/.jobwrap/record.json"),
    "control folder": lambda facts: opens(f"{os.getcwd()}/.jobwrap/record.json"),
    "control folder on the node": lambda facts: opens(f"{facts['mine']}/.jobwrap/record.json"),
    "shared memory": lambda facts: LIBC.shmget(facts["key"], 0, 0) >= 0,
    "message queue": lambda facts: LIBC.msgget(facts["key"], 0) >= 0,
    "semaphore": lambda facts: LIBC.semget(facts["key"], 0, 0) >= 0,
    "POSIX message queue": lambda facts: LIBC.mq_open(b"/neighbours", os.O_RDONLY) >= 0,
    "key of the session": key_of_the_session,
    "abstract socket": abstract_socket,
    "memory of the gate": lambda facts: opens("/proc/1/mem"),
    "environment of the gate": lambda facts: opens("/proc/1/environ"),
    "descriptor of the gate": lambda facts: os.listdir("/proc/1/fd"),
}
# Commands, tried as they are and as the root of user and mount namespaces of the task's own.
COMMANDS = {
    "image": "echo x >> /etc/debian_version",
    "image, made writable": "mount -o remount,rw,bind /etc && touch /etc/x",
    "image, bound elsewhere": "mount --bind /etc /mnt && touch /mnt/x",
    "root, made writable": "mount -o remount,rw,bind / && touch /x",
    "CVMFS": "touch /cvmfs/data.example.org/x",
    "bind": "echo x >> ref",
    "bind, made writable": "mount -o remount,rw,bind /srv/ref && echo x >> ref",
    "bind, taken away": "umount -l /srv/ref && mv ref other",
    "cover, taken away": "umount /srv/.jobwrap && ls -A /srv/.jobwrap | grep .",
    "cover, taken away later": "umount -l /srv/.jobwrap && ls -A /srv/.jobwrap | grep .",
    "cover, seen from elsewhere": "mount --bind /srv /mnt && ls -A /mnt/.jobwrap | grep .",
    "cover, pulled off": "mount --rbind /srv /mnt && umount -l /mnt/.jobwrap && ls -A /mnt/.jobwrap | grep .",
    "cover, made writable": "mount -o remount,rw,bind /srv/.jobwrap && touch /srv/.jobwrap/x",
    "cover, renamed": "mv /srv/.jobwrap /srv/other",
    "host's processes": "mount -t proc proc /mnt && grep -l '[n]eighbour' /mnt/*/cmdline",
}


def attempt(what, facts):
    try:
        return bool(what(facts))
    except OSError:
        return False


def reached(facts):
    for name, what in TRIES.items():
        if attempt(what, facts):
            yield name
    for way, prefix in (("", []), (", as root", ["unshare", "-rmpf"])):
        for name, command in {"anything": "true", **COMMANDS}.items():
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            if subprocess.run([*prefix, "sh", "-c", command], **quiet, check=False).returncode == 0:
                yield name + way


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        FACTS = json.load(file)
    if sys.argv[1] == "neighbour":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        LISTENER = make(FACTS)
        time.sleep(300)
    print(json.dumps(list(reached(FACTS))))
