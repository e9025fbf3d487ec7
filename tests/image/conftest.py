"""What the tests of the image share. They are run by `scripts/test-image`, which builds it."""

from pathlib import Path

import pytest

from tests.support.container import IMAGE, UNPRIVILEGED, Container, give


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not IMAGE and items:
        pytest.exit("no image is built: run scripts/test-image", returncode=4)
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder for /data that belongs to the image's user."""
    return give(tmp_path / "data")


@pytest.fixture
def unprivileged(data: Path, tmp_path: Path) -> Container:
    """Return a container that may do nothing: uid 10001, read-only, no capability."""
    return Container(data, tmp_path / "log", options=UNPRIVILEGED)
