"""What speaks for a cause when a task did not end well: looked for only then, and a guess is called a guess.

Belongs here: what the task's last lines, its signal, its program and the node tell of the cause.
Does not: whether and by which row of the table the job failed, which is diagnose.py's.
"""
