"""Agents that take more than their share of the machine."""

import os

import pytest

from tests.hotplug.hostile.puppet import PUPPET
from tests.hotplug.hostile.street import LIMITS, Street, once_more
from tests.support.bus import until

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="package")]

MOST_PROCESSES = 2 * LIMITS["processes"]
"""The kernel counts two generations of an agent together."""


@once_more
async def test_memory_bombs(street: Street) -> None:
    async with street.gang("memory bombs", [PUPPET] * 3) as (fast, slow, shared):
        outcome = await fast.do("""
            kept = []
            while True:
                kept.append(bytearray(16 * 2**20))
        """)
        assert outcome == "MemoryError: "
        # Who takes little at a time is seen by H-Core, or refused by the kernel.
        event = await slow.turn("""
            kept = []
            while True:
                kept.append([None] * 10)
                if not len(kept) % 10_000:
                    await asyncio.sleep(0)
        """)
        assert "MemoryError" in str(event) or "agents.limits.memory_mb (320)" in str(event), event
        # Shared memory is no process's own, and so beyond RLIMIT_DATA.
        event = await shared.turn("""
            kept = mmap.mmap(-1, 500 * 2**20)
            for page in range(0, len(kept), 4096):
                kept[page] = 1
            await asyncio.sleep(60)
        """)
        assert "more than agents.limits.memory_mb (320)" in event["error"]["message"]
        assert not fast.record.restarts
        for each in (fast, slow, shared):
            await each.is_in("live")
            assert (await each.turn())["kind"] == "done"


@once_more
async def test_descriptors_and_threads(street: Street) -> None:
    async with street.gang("descriptor leak, thread bomb", [PUPPET] * 2) as (leak, bomb):
        outcome = await leak.do("""
            kept = []
            try:
                while True:
                    kept.append(os.open("/dev/null", os.O_RDONLY))
            except OSError as err:
                count, symbol = len(kept), errno.errorcode[err.errno]
                for each in kept:
                    os.close(each)
                return [symbol, count]
        """)
        assert outcome[0] == "EMFILE"
        assert outcome[1] < LIMITS["open_files"]
        outcome = await bomb.do("""
            stop, count = threading.Event(), 0
            try:
                while count < 5000:
                    threading.Thread(target=stop.wait, daemon=True).start()
                    count += 1
            except (RuntimeError, MemoryError):
                return ["no more", count]
            finally:
                stop.set()
        """)
        assert outcome[0] == "no more"
        if "threads" in bomb.details["process"]["protections"]["processes"]:
            assert outcome[1] < MOST_PROCESSES
        for each in (leak, bomb):
            assert await each.do("return 'here'") == "here"
            assert not each.record.restarts


@once_more
async def test_a_fork_bomb_without_the_permission_does_not_start(street: Street) -> None:
    async with street.hostile("fork bomb, not permitted") as hostile:
        assert hostile.is_kept_from("processes")
        outcome = await hostile.do("""
            return [
                attempt(os.fork),
                attempt(os.posix_spawn, sys.executable, [sys.executable], {}),
                attempt(subprocess.run, ["true"]),
                attempt(os.execv, sys.executable, [sys.executable]),
                attempt(os.setsid),
                attempt(os.setpgid, 0, 0),
                attempt(os.unshare, os.CLONE_NEWUSER),
            ]
        """)
        assert outcome == ["EPERM"] * 7


@once_more
async def test_a_fork_bomb_with_the_permission_is_put_out(street: Street) -> None:
    async with street.hostile("fork bomb, permitted", PUPPET, "[processes]") as hostile:
        # Where nobody counts them it is bounded here, and not by the kernel.
        generations = 20 if hostile.is_kept_from("processes") else 7
        event = await hostile.turn(f"""
            for _ in range({generations}):
                try:
                    os.fork()
                except OSError:
                    pass
            time.sleep(600)
        """)
        reason = event["error"]["message"]
        assert any(each in reason for each in ("processes", "memory", "sign of life")), reason
        await hostile.restarted("")
        assert (await hostile.turn())["kind"] == "done"


@once_more
async def test_what_it_started_does_not_outlive_it(street: Street) -> None:
    async with street.hostile("daemons", PUPPET, "[processes]") as hostile:
        outcome = await hostile.do("""
            said = [attempt(subprocess.Popen, ["sleep", "600"], start_new_session=True)]
            said.append(attempt(subprocess.Popen, ["sleep", "600"], process_group=0))
            said.append(attempt(subprocess.Popen, ["nohup", "setsid", "-f", "sleep", "600"]))
            if not (child := os.fork()):
                said = [attempt(os.setsid), attempt(os.setpgid, 0, 0)]
                if os.fork():
                    os._exit(0)
                # Nobody's child: its parent has ended.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                Path("unfinished").write_text(f"{os.getpid()} {said}")
                Path("unfinished").rename("orphan")
                time.sleep(600)
            os.waitpid(child, 0)
            while not Path("orphan").exists():
                await asyncio.sleep(0.01)
            return [said, Path("orphan").read_text()]
        """)
        orphan, _, refused = outcome[1].partition(" ")
        assert outcome[0][:2] == ["EPERM", "EPERM"]
        assert refused == "['EPERM', 'EPERM']"
        assert os.path.exists(f"/proc/{orphan}")  # noqa: PTH110
        await hostile.turn("os._exit(0)")
        await until(lambda: not os.path.exists(f"/proc/{orphan}"))  # noqa: PTH110


@once_more
async def test_limits_cannot_be_moved(street: Street) -> None:
    async with street.hostile("limits") as hostile:
        outcome = await hostile.do("""
            def raised(which):
                soft, hard = resource.getrlimit(which)
                try:
                    resource.setrlimit(which, (hard + 1, hard + 1))
                except (ValueError, OSError) as err:
                    return "refused"
                return "ok"

            names = ["DATA", "AS", "NOFILE", "FSIZE", "CORE", "NICE", "RTPRIO"]
            said = {name: raised(getattr(resource, f"RLIMIT_{name}")) for name in names}
            said["nice"] = attempt(os.nice, -1)
            said["priority"] = attempt(os.setpriority, os.PRIO_PROCESS, 0, -10)
            said["of others"] = attempt(os.setpriority, os.PRIO_PROCESS, os.getppid(), 19)
            said["scheduler"] = attempt(
                os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50)
            )
            said["last to die"] = attempt(Path("/proc/self/oom_score_adj").write_text, "-1000")
            return said
        """)
        assert "ok" not in outcome.values(), outcome
