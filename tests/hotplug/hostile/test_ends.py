"""Agents that end, and take nobody with them."""

import pytest

from tests.hotplug.hostile.street import Street, once_more

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("os._exit(3)", "ended with exit code 3"),
        ("ctypes.string_at(0)", "was killed by signal 11 (SIGSEGV)"),
        ("os.abort()", "was killed by signal 6 (SIGABRT)"),
        ("os.killpg(0, 9)", "was killed by signal 9 (SIGKILL)"),
        ("sys.exit(4)", "ended with exit code 1"),
        ("signal.raise_signal(signal.SIGSTOP)", "gave no sign of life"),
    ],
    ids=["exit", "segfault", "abort", "kill", "sys.exit", "stop"],
)
@once_more
async def test_an_end_is_its_own(street: Street, attack: str, reason: str) -> None:
    async with street.hostile(attack) as hostile:
        await hostile.start(attack)
        await hostile.ended(reason, ends=2, seconds=30)
        # The message that ended it twice is put aside, and it is of use again.
        assert await hostile.do("return 'here'") == "here"
        assert hostile.record.state == "live"
