"""Where am I: CPU, GPUs, CVMFS, container runtime and slot, as one frozen Node.

Belongs here: looking at the machine, always through a root folder so that recorded trees of other
machines can be read by the same code. Does not: any decision about the job.
"""
