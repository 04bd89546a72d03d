"""What a text is made of, told without the module re: to import that takes as long as half of a launch."""

from __future__ import annotations

_MOST = 9  # digits of a number


def is_number(text: str) -> bool:
    """Whether it is a whole number of at most nine digits."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST


def is_decimal(text: str) -> bool:
    """Whether it is digits, perhaps with a point and more of them."""
    whole, point, part = text.partition(".")
    return text.isascii() and whole.isdecimal() and (not point or part.isdecimal())


def is_hex(text: str, digits: int) -> bool:
    """Whether it is so many hexadecimal digits, in small letters."""
    return len(text) == digits and not text.strip("0123456789abcdef")


def is_word(text: str) -> bool:
    """Whether it is of letters, digits and _ . + - only, as the parts of a name are."""
    letters = text.translate(dict.fromkeys(map(ord, "_.+-")))
    return bool(text) and text.isascii() and (not letters or letters.isalnum())


def is_scheme(text: str) -> bool:
    """Whether it can stand before the colon of a URL, RFC 3986."""
    return text[:1].isalpha() and is_word(text) and "_" not in text


def scheme_of(place: str) -> str:
    """The scheme of a URL in lower case, "" for a path."""
    scheme, colon, _ = place.partition(":")
    return scheme.lower() if colon and is_scheme(scheme) else ""


def is_variable(name: str) -> bool:
    """Whether a variable may be called so: letters, digits and _, no digit first."""
    return name.isascii() and name.isidentifier()


def has_control(text: str) -> bool:
    """Whether a control character of ASCII is in it."""
    return not text.isprintable() and any(letter < " " or letter == "\x7f" for letter in text)
