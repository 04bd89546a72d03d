"""Stands in for certifi in the shipped file: the node's own certificates, else certifi's.

The real one would write its file to a disk for whoever imports it.
"""

import functools
import marshal
import os
import ssl

# Debian and its kin, EL, SUSE, Alpine.
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def contents():
    """certifi's certificates, PEM."""
    stored = __loader__.get_data(os.path.join(os.path.dirname(__file__), "cacert.der"))
    return "".join(map(ssl.DER_cert_to_PEM_cert, marshal.loads(stored)))


def where():
    """The path of a file of certificates; where the system has none it is in the memory of this process."""
    return next(filter(os.path.exists, _SYSTEM), "") or _in_memory()


@functools.cache
def _in_memory():
    memory = os.memfd_create("cacert.pem")
    os.write(memory, contents().encode("ascii"))
    return f"/proc/self/fd/{memory}"
