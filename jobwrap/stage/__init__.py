"""Bring the inputs and take the outputs back.

Belongs here: which place each input comes from, where it lies for the task, what is delivered where.
Does not: moving bytes over a network, which is transfer/'s.
"""
