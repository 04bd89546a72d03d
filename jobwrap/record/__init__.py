"""Write what happened, wherever and however the job ended.

Belongs here: the exit record's form, its life on disk and where copies of it go.
Does not: deciding what went wrong, which is diagnose.py's.
"""
