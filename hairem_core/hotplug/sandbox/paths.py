"""What every agent may read: Python, H-Core's own code, and what the C library looks at."""

import ssl
import sys
import sysconfig
import zoneinfo
from functools import cache
from pathlib import Path

import hairem_core

DEVICES = tuple(Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom"))

_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
_CERTIFICATES = ("/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
_PROGRAMS = ("/bin", "/sbin", "/usr", "/etc/alternatives")
_SETTINGS = tuple(
    Path("/etc") / name
    for name in (
        *("resolv.conf", "hosts", "host.conf", "gai.conf", "nsswitch.conf", "services"),
        # Certificates, but not the keys that lie beside them.
        *("protocols", "ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "ca-certificates"),
        *("pki/tls/certs", "pki/ca-trust", "pki/tls/cert.pem", "pki/tls/openssl.cnf"),
        *("localtime", "timezone", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
        *("ld-musl-x86_64.path", "ld-musl-aarch64.path", "mime.types", "os-release"),
    )
)
_MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime")
_PROCESSORS = "/sys/devices/system/cpu"


@cache
def readable() -> tuple[Path, ...]:
    """Return the files and folders that an agent may read, whether they exist or not."""
    return (
        *interpreter(),
        *map(Path, (*_LIBRARIES, *_CERTIFICATES)),
        *_SETTINGS,
        *_resolvers(),
        *_certificates(),
        *map(Path, zoneinfo.TZPATH),
        *map(Path, (*_MACHINE, _PROCESSORS)),
    )


@cache
def executable() -> tuple[Path, ...]:
    """Return where the programs are that an agent with `processes` may run."""
    here = (Path(prefix) / "bin" for prefix in {sys.prefix, sys.base_prefix})
    settings = (Path(sys.prefix) / "pyvenv.cfg", Path("/etc/passwd"), Path("/etc/group"))
    return (*map(Path, (*_PROGRAMS, *_LIBRARIES)), *interpreter(), *here, *settings)


@cache
def interpreter() -> tuple[Path, ...]:
    """Return the folders of Python's library, of what is installed beside it, and of H-Core.

    Not the whole of `sys.prefix`: somebody's data may lie there too.
    """
    prefixes = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    found = [prefix / name for prefix in prefixes for name in ("lib", "lib64")]
    # Not all that is on the path: some of it is there for H-Core's sake alone.
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found += [Path(sysconfig.get_path(name)) for name in names]
    return (*dict.fromkeys(found), Path(hairem_core.__file__).parent)


def sample() -> tuple[Path, ...]:
    """Return files that a user must be able to read if Python is to work for it."""
    import encodings

    import pydantic

    modules = (ssl, encodings, pydantic, hairem_core)
    return tuple(Path(module.__file__) for module in modules if module.__file__)


def _resolvers() -> tuple[Path, ...]:
    """Return where `/etc/resolv.conf` really is.

    The folder and not the file: resolvers replace the file, and a rule would stay with the old one.
    """
    real = Path("/etc/resolv.conf").resolve()
    return (real.parent,) if real.parent != Path("/etc") else ()


def _certificates() -> tuple[Path, ...]:
    found = ssl.get_default_verify_paths()
    names = (found.cafile, found.capath, found.openssl_cafile, found.openssl_capath)
    return tuple(Path(name) for name in names if name)
