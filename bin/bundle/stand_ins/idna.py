"""Stands in for idna in the shipped file, by Python's own encoding of host names beyond ASCII."""

IDNAError = UnicodeError


def encode(host, **_rules):
    """The host name's form in ASCII, bytes; UnicodeError for what can be none."""
    return host.encode("idna")
