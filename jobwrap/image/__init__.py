"""What the task will run in: from a reference and the Node to one pinned Image, and why.

Belongs here: names of images, the tree on CVMFS, what an image needs, the choice among variants,
bringing one that lies elsewhere, recipes. Does not: launching it.

choose.py   the door: choose() and the Image; asking.py: its probe; look.py, candidate.py: what that does
reference, view, files, tree   from what people write to a path, on file systems that may be sick
elf, sif, scripts, program, needs, fit   what an image says it needs, and whether the node has it
catalog, published, variants   names that stand for several images
nvidia, ldcache   the driver's libraries in the image
pull (registry, runtimepull, trust), hold   before and while the task runs
verb, listing, lint (rules, recipe, dockerfile), convert (definition)   jobwrap image
"""
