"""Stands in for typing_extensions in the shipped file: the one name that structlog takes from it before 3.11.

It stands in annotations, which nothing reads when the program runs.
"""

from typing import Any as Self

__all__ = ["Self"]
