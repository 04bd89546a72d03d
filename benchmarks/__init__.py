"""What jobwrap costs beside what people use today, measured; __main__.py lists the benchmarks.

Belongs here: benchmarks, and what they share. All run on the worker node by one command:

    bin/benchmark [--quick] [--write] [NAME…]

and one of them alone wherever Apptainer and nginx are, with `python3 -m benchmarks NAME`. The sides of a
comparison run in turn, in one run, in an order that changes every round.
"""
