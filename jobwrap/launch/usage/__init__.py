"""What the task uses while it runs: CPU, memory, I/O, processes, scratch disk and GPUs.

Belongs here: where such a figure comes from (cgroup.py, processes.py, scratch.py, gpu.py), how often it
is read (sampler.py) and what of it the exit record gets (series.py, result.py). Does not: what a figure
means for the job, which is ../limits.py's and diagnose.py's.
"""
