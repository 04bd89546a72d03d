"""jobwrap runs one research job on a worker node it has never seen, and tells what happened."""

__version__ = "0.1.0"
