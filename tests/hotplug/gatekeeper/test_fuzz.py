"""Whatever stands in a bundle, the Gatekeeper reports, and never raises."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hairem_core.hotplug.gatekeeper import Gatekeeper
from tests.hotplug.gatekeeper.bundles import RIGHT, SHIPPED, WRONG, write_bundle

_SOURCES = [
    path.read_bytes()
    for folder in (*SHIPPED, *RIGHT, *WRONG)
    for path in sorted(folder.rglob("*.py"))
    if path.is_file()
]
_YAML = [
    path.read_bytes()
    for folder in (*SHIPPED, *RIGHT, *WRONG)
    for path in sorted(folder.glob("*.yaml"))
]
_REQUIREMENTS = [
    path.read_bytes()
    for path in Path(__file__).parents[2].rglob("requirements.txt")
    if path.is_file()
]
_PIECES = [
    *(b"(", b")", b"[", b"]", b"{", b"}", b":", b"\n", b"\t", b" ", b"'", b'"', b"\\", b"@", b"."),
    *(b"self", b"await ", b"async ", b"lambda x: ", b"global x\n", b"nonlocal x\n", b"*", b"**"),
    *(b"import os as o\n", b"from . import x\n", b"from .... import y\n", b"class A(A): x = A\n"),
    *(b"x = x.x(x)\n", b"super().x()", b"getattr(x, 'y')", b"match x:\n case y: pass\n", b":= "),
    *(b"!secret ", b"&a ", b"*a", b"<<: ", b"? ", b"- ", b"---\n", b"%YAML 1.1\n", b"!!python/x "),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"# coding: rot13\n", "é€🦊".encode(), b"\x0c", b"\r"),
]


@st.composite
def _mutated(draw: st.DrawFn, corpus: list[bytes]) -> bytes:
    """Return a file of the corpus with pieces of others, or of nothing known, in it."""
    text = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 60)))
        other = draw(st.sampled_from(corpus))
        cut = draw(st.integers(0, len(other)))
        piece = draw(
            st.one_of(
                st.sampled_from(_PIECES),
                st.just(other[cut : cut + draw(st.integers(0, 200))]),
                st.binary(max_size=8),
                st.just(b""),
            )
        )
        text = text[:start] + piece + text[end:]
    return text


def _check(**files: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = write_bundle(
            Path(name), {key.replace("_", "."): value for key, value in files.items()}
        )
        report, bundle = Gatekeeper().check(folder, source=folder)
        assert report.is_accepted == (bundle is not None)
        assert all(str(each) for each in report.findings)


_SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@_SETTINGS
@given(logic=_mutated(_SOURCES), helpers=_mutated(_SOURCES))
def test_mutated_code(logic: bytes, helpers: bytes) -> None:
    _check(logic_py=logic, helpers_py=helpers)


@_SETTINGS
@given(manifest=_mutated(_YAML), persona=_mutated(_YAML))
def test_mutated_yaml(manifest: bytes, persona: bytes) -> None:
    _check(manifest_yaml=manifest, persona_yaml=persona)


@_SETTINGS
@given(requirements=_mutated([b"orjson==3.11.0\n", *_REQUIREMENTS]))
def test_mutated_requirements(requirements: bytes) -> None:
    _check(requirements_txt=requirements)


@_SETTINGS
@given(logic=st.binary(max_size=200), manifest=st.binary(max_size=100), asset=st.binary())
def test_any_bytes(logic: bytes, manifest: bytes, asset: bytes) -> None:
    _check(logic_py=logic, manifest_yaml=manifest, persona_yaml=asset, requirements_txt=asset)
