"""What the task will run in: from a reference and the Node to one pinned Image, and why.

Belongs here: names of images, the tree on CVMFS, what an image needs, the choice among variants.
Does not: launching it.
"""
