"""Move bytes, for image/, stage/ and record/ alike.

Belongs here: protocols, checksums, many at once. Does not: why a file is wanted or what for.
"""
