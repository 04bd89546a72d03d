"""The small program that holds the task inside the container until it may start; see gate.c.

Belongs here: its source, its compiled forms (one file per machine type) and how to talk to it.
"""
