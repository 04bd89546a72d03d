"""One container instance: mounts, environment, the command line, its life and its end.

Belongs here: everything between "the plan is made" and "no process of the task is left".
Does not: choosing the image, moving inputs and outputs.
"""
