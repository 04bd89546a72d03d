"""A FUSE file system that shows a folder as CVMFS does, well or ill: fuse_tree.py MOUNT FOLDER CONTROL

CONTROL is a JSON file, read anew at each request: "mode" is hang, eio, gone or nothing; "at" the paths
that it holds for, by their beginning (all); "attributes" are those under user. It says "mounted".
"""

import errno
import json
import os
import sys
import threading

from mfusepy import FUSE, FuseOSError, Operations


class Tree(Operations):
    """The folder, but where the control file says otherwise."""

    use_ns = True  # mfusepy warns of the other

    def __init__(self, folder, control):
        self.folder, self.control = folder, control
        self.never = threading.Event()

    def place(self, path):
        with open(self.control) as file:
            control = json.load(file)
        if path.startswith(control.get("at", "/")):
            mode = control.get("mode")
            if mode == "hang":
                self.never.wait()
            if mode in ("eio", "gone"):
                raise FuseOSError({"eio": errno.EIO, "gone": errno.ENOENT}[mode])
        return self.folder + path

    def init(self, path):
        print("mounted", flush=True)

    def getattr(self, path, fh=None):
        status = os.lstat(self.place(path))
        return {name: getattr(status, name) for name in ("st_mode", "st_nlink", "st_size")}

    def readlink(self, path):
        return os.readlink(self.place(path))

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.place(path))]

    def read(self, path, size, offset, fh):
        with open(self.place(path), "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def getxattr(self, path, name, position=0):
        with open(self.control) as file:
            value = json.load(file).get("attributes", {}).get(name.removeprefix("user."))
        if value is None:
            raise FuseOSError(errno.ENODATA)
        return value.encode()


if __name__ == "__main__":
    # Several threads, or one that hangs would keep the others from their answers; no caching,
    # as the control file changes what there is.
    options = {"foreground": True, "nothreads": False, "ro": True, "attr_timeout": 0, "entry_timeout": 0}
    FUSE(Tree(sys.argv[2], sys.argv[3]), sys.argv[1], direct_io=True, **options)
