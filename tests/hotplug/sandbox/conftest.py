"""Each test with a `house` runs three times.

Where agents have users of their own, where root must remain root, and where H-Core is an ordinary
user.
"""

import os
from collections.abc import Iterator

import pytest

from tests.hotplug.sandbox.client import MODES, House, open_house


@pytest.fixture(scope="package", params=MODES)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    if request.param != "user" and os.geteuid() != 0:
        pytest.skip("only root can give a process another user")
    with open_house(request.param) as found:
        yield found
