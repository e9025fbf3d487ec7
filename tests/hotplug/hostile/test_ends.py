"""Agents that end, and try to take others with them."""

import os

import psutil
import pytest

from tests.hotplug.hostile.puppet import PUPPET
from tests.hotplug.hostile.street import Street, once_more

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]


ENDS = {
    "os._exit(3)": "ended with exit code 3",
    "ctypes.string_at(0)": "was killed by signal 11 (SIGSEGV)",
    "os.abort()": "was killed by signal 6 (SIGABRT)",
    "os.killpg(0, 9)": "was killed by signal 9 (SIGKILL)",
    "sys.exit(4)": "ended with exit code 1",
}


@once_more
async def test_an_end_is_its_own(street: Street) -> None:
    async with street.gang(", ".join(ENDS), [PUPPET] * len(ENDS)) as gang:
        for hostile, (attack, reason) in zip(gang, ENDS.items(), strict=True):
            failed = await hostile.turn(attack)
            assert failed["error"]["code"] == "agent_crashed"
            assert reason in failed["error"]["message"]
            await hostile.restarted(reason)
            assert (await hostile.turn())["kind"] == "done"


@once_more
async def test_a_third_end_within_a_minute_is_quarantine(street: Street) -> None:
    async with street.hostile("three ends") as hostile:
        for number in range(1, 4):
            await hostile.turn(f"print('end number {number}', flush=True); os._exit(5)")
            if number < 3:
                await hostile.restarted("exit code 5", ends=number)
        await hostile.is_in("quarantined")
        reason = hostile.record.reason or ""
        assert "ended with exit code 5; it ended 3 times within a minute" in reason
        assert "end number 3" in reason
        # Who asks it then is told so, and at once.
        refused = await street.client.command("converse", agent_id=hostile.id, text="Hello?")
        assert refused["error"]["code"] == "agent_unavailable"


@pytest.mark.parametrize("permissions", ["[]", "[processes]"])
@once_more
async def test_signals_reach_nobody_else(street: Street, permissions: str) -> None:
    core = street.core
    names = {
        "neighbour": core.agent_pid("neighbour"),
        "forkserver": core.forkserver_pid,
        "Redis": core.redis_pid,
    }
    async with street.hostile(f"signals, with {permissions}", PUPPET, permissions) as hostile:
        outcome = await hostile.do(f"""
            targets = {names!r}
            said = {{name: attempt(os.kill, pid, signal.SIGKILL) for name, pid in targets.items()}}
            said["group"] = attempt(os.killpg, targets["neighbour"], signal.SIGKILL)
            # Harmless where it arrives, as it would by a kill.
            said["H-Core"] = attempt(os.kill, {os.getpid()}, signal.SIGURG)
            said["parent"] = attempt(os.kill, os.getppid(), signal.SIGKILL)
            said["pidfd"] = attempt(
                lambda: signal.pidfd_send_signal(os.pidfd_open({os.getpid()}), signal.SIGURG)
            )
            return said
        """)
        assert set(outcome.values()) == {"EPERM"}, outcome
        assert all(pid and psutil.pid_exists(pid) for pid in names.values())
        assert await hostile.do("return 1") == 1
