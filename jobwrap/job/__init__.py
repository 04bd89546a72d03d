"""What is asked: flags, job file, HTCondor job ad and site defaults merged into one frozen Job.

Belongs here: reading and merging of everything a person or a batch system says about the job.
Does not: any look at the node or the network.
"""
