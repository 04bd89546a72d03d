"""A FUSE file system that plays a CVMFS repository, well or ill: fuse_cvmfs.py FOLDER CONTROL

CONTROL is a JSON file, read anew at each request: "mode" is healthy, hang, slow, eio, stale or empty;
"attributes" are those under user., and "hidden" the errno that reading them gives instead. It says
"mounted" on its standard output.
"""

import errno
import json
import stat
import sys
import threading
import time

from mfusepy import FUSE, FuseOSError, Operations


class Repository(Operations):
    """Answers as the control file says."""

    use_ns = True  # mfusepy warns of the other

    def __init__(self, control):
        self.control = control
        self.never = threading.Event()

    def now(self):
        with open(self.control) as file:
            control = json.load(file)
        mode = control.get("mode", "healthy")
        if mode == "hang":
            self.never.wait()
        if mode == "slow":
            time.sleep(0.2)
        if mode in ("eio", "stale"):
            raise FuseOSError({"eio": errno.EIO, "stale": errno.ESTALE}[mode])
        return control

    def init(self, path):
        print("mounted", flush=True)

    def getattr(self, path, fh=None):
        self.now()
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path == "/file":
            return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": 1}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", ".."] + ["file"] * (self.now().get("mode") != "empty")

    def read(self, path, size, offset, fh):
        self.now()
        return b"x"[offset : offset + size]

    def getxattr(self, path, name, position=0):
        control = self.now()
        if control.get("hidden"):
            raise FuseOSError(control["hidden"])
        value = control.get("attributes", {}).get(name.removeprefix("user."))
        if value is None:
            raise FuseOSError(errno.ENODATA)
        return str(value).encode()


if __name__ == "__main__":
    # Several threads, or one that hangs would keep the others from their answers; no caching,
    # as the control file changes what there is.
    FUSE(
        Repository(sys.argv[2]),
        sys.argv[1],
        foreground=True,
        nothreads=False,
        ro=True,
        attr_timeout=0,
        entry_timeout=0,
    )
