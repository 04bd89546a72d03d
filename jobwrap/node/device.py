"""One GPU, or one slice of it, as far as somebody tells."""

from __future__ import annotations

from typing import NamedTuple


class Device(NamedTuple):
    """ "" and None are what is not told.

    id          the maker's name for it: "GPU-<uuid>", for a slice "MIG-<uuid>"; else its number
    number      its number among its maker's devices on this machine, or among the slices of its GPU
    memory      bytes
    capability  CUDA's compute capability ("9.0") or AMD's architecture ("gfx90a")
    mig         whether the GPU is cut into slices
    parent      of a slice: the id of its GPU
    """

    vendor: str
    id: str
    number: int
    name: str = ""
    memory: int | None = None
    capability: str = ""
    mig: bool | None = None
    parent: str = ""


class Told(NamedTuple):
    """driver and cuda: versions as "535.129.03" and "12.2"; devices: the GPUs, each before its slices."""

    driver: str
    cuda: str
    devices: tuple[Device, ...]
