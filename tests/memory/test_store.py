"""What the memory promises: nothing lost, nothing doubled, nobody else's."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hairem_core.memory.chain import ChainCheck
from hairem_core.memory.errors import MemoryUnavailable, StateFull
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.message import Message, MessageType, Topic
from tests.memory.messages import answered, said


async def test_an_utterance_and_its_answer_come_back_in_order(store: MemoryStore) -> None:
    question = said("Who is home?")
    answer = answered(question, "Nobody but me.")
    assert await store.record(question)
    assert await store.record(answer)

    first, second = await store.recent("renarde", conversation_id="c1", limit=8)

    assert (first.role, first.speaker, first.content) == ("user", "user:anna", "Who is home?")
    assert (second.role, second.speaker) == ("assistant", "agent:renarde")
    assert first.event_id == question.header.msg_id
    assert first.at == question.header.timestamp
    assert first.score is None


async def test_recent_of_one_conversation_and_of_all(store: MemoryStore) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(6):
        message = said(
            f"sentence {number}",
            conversation_id=f"c{number % 2}",
            at=start + timedelta(minutes=number),
        )
        await store.record(message)

    in_one = await store.recent("renarde", conversation_id="c1", limit=2)
    in_all = await store.recent("renarde", conversation_id=None, limit=4)

    assert [each.content for each in in_one] == ["sentence 3", "sentence 5"]
    assert [each.content for each in in_all] == [f"sentence {n}" for n in (2, 3, 4, 5)]
    assert await store.recent("renarde", conversation_id="new", limit=8) == []
    assert await store.recent("electra", conversation_id=None, limit=8) == []
    assert await store.recent("renarde", conversation_id=None, limit=0) == []


async def test_recent_beyond_what_is_kept_in_memory(store: MemoryStore) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(80):
        await store.record(said(f"sentence {number}", at=start + timedelta(seconds=number)))

    found = await store.recent("renarde", conversation_id=None, limit=75)

    assert [each.content for each in found] == [f"sentence {n}" for n in range(5, 80)]


async def test_an_old_conversation_beyond_what_is_kept_in_memory(store: MemoryStore) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(80):
        conversation = "old" if number < 6 else "new"
        at = start + timedelta(seconds=number)
        await store.record(said(f"sentence {number}", conversation_id=conversation, at=at))

    found = await store.recent("renarde", conversation_id="old", limit=4)

    assert [each.content for each in found] == [f"sentence {n}" for n in range(2, 6)]
    assert await store.recent("renarde", conversation_id="never", limit=4) == []


async def test_the_engine_answers_for_a_conversation_by_its_index(store: MemoryStore) -> None:
    # Without it, each turn would read everything that was ever said.
    plan = await store.database.query(
        "SELECT * FROM raw_event WHERE conversation_id = 'c' AND agents CONTAINS 'a' "
        "AND speech = true EXPLAIN"
    )
    # Each engine describes its plan in its own way; both name the index.
    assert "'conversation'" in repr(plan).replace("index: conversation", "'conversation'")


async def test_a_late_message_is_put_where_it_belongs(store: MemoryStore) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    for minute in (0, 2, 1):
        await store.record(said(f"minute {minute}", at=start + timedelta(minutes=minute)))

    for conversation_id in ("c1", None):
        found = await store.recent("renarde", conversation_id=conversation_id, limit=8)
        assert [each.content for each in found] == ["minute 0", "minute 1", "minute 2"]


async def test_the_same_message_is_kept_once(store: MemoryStore) -> None:
    message = said("once")

    outcomes = await asyncio.gather(*(store.record(message) for _ in range(20)))

    assert sorted(outcomes) == [False] * 19 + [True]
    assert (await store.statistics())["events"] == 1


async def test_many_messages_at_once(store: MemoryStore) -> None:
    messages = [said(f"fact number {number}") for number in range(200)]

    outcomes = await asyncio.gather(*(store.record(message) for message in messages))

    assert all(outcomes)
    assert (await store.statistics())["events"] == 200


async def test_a_stream_message_is_refused(store: MemoryStore) -> None:
    piece = said("x").answer(
        sender="agent:renarde", type=MessageType.STREAM, topic=Topic.NARRATIVE_TEXT, content="Go"
    )
    with pytest.raises(ValueError, match="STREAM"):
        await store.record(piece)


async def test_what_is_not_speech_is_kept_but_not_recalled(store: MemoryStore) -> None:
    receipt = Message.create(
        sender="home:light.kitchen",
        recipient="agent:renarde",
        type=MessageType.RAW,
        topic=Topic.TOOL_RECEIPT,
        content="kitchen light turned on",
    )
    assert await store.record(receipt)
    assert await store.record(said("   "))

    assert (await store.statistics())["events"] == 2
    assert await store.recent("renarde", conversation_id=None, limit=8) == []
    assert await store.recall("renarde", "kitchen light", limit=8) == []


async def test_nobody_remembers_what_was_said_to_another(store: MemoryStore) -> None:
    await store.record(said("the safe's code is violet", to="agent:electra"))
    await store.record(said("the garden gate squeaks", to="agent:renarde"))

    assert await store.recall("renarde", "what is the code of the safe?", limit=8) == []
    assert await store.recent("renarde", conversation_id="c1", limit=8) != []
    (found,) = await store.recall("electra", "what is the code of the safe?", limit=8)
    assert "violet" in found.content


async def test_both_agents_of_a_conversation_remember_it(store: MemoryStore) -> None:
    await store.record(said("the boiler hums", by="agent:electra", to="agent:renarde"))

    (hers,) = await store.recall("electra", "boiler", limit=8)
    (other,) = await store.recall("renarde", "boiler", limit=8)

    assert (hers.role, other.role) == ("assistant", "user")


async def test_state_is_kept_by_agent_and_key(store: MemoryStore) -> None:
    value = {"list": [1, None, {"deep": None}], "text": "é"}
    await store.set_state("renarde", "mood", value)
    await store.set_state("electra", "mood", 3)

    assert await store.get_state("renarde", "mood") == value
    assert await store.get_state("electra", "mood") == 3
    assert await store.get_state("renarde", "other") is None

    await store.set_state("renarde", "mood", "calm")
    assert await store.get_state("renarde", "mood") == "calm"
    await store.set_state("renarde", "mood", None)
    assert await store.get_state("renarde", "mood") is None
    assert await store.get_state("electra", "mood") == 3

    with pytest.raises(TypeError):
        await store.set_state("renarde", "mood", object())


async def test_an_agent_keeps_no_more_values_than_it_may(url: str) -> None:
    store = await MemoryStore.open(url)
    for agent in ("a", "ab", "b"):
        for key in ("1", 'l\'\u00e9t\u00e9 "x"', "3"):
            await store.set_state(agent, key, key, max_keys=3)
    await store.close()
    store = await MemoryStore.open(url)
    try:
        with pytest.raises(StateFull, match="a keeps 3 values already"):
            await store.set_state("a", "4", 4, max_keys=3)
        await store.set_state("a", "3", "new", max_keys=3)
        await store.set_state("a", "1", None, max_keys=3)
        await store.set_state("a", "4", 4, max_keys=3)
        with pytest.raises(StateFull):
            await store.set_state("a", "1", 1, max_keys=3)
        assert await store.get_state("a", "3") == "new"
        assert await store.get_state("a", "1") is None
        assert await store.get_state("ab", "1") == "1"
    finally:
        await store.close()


async def test_everything_is_there_after_reopening(url: str) -> None:
    store = await MemoryStore.open(url)
    question = said("My sister is called Élodie")
    await store.record(question)
    await store.set_state("renarde", "mood", "calm")
    await store.close()

    store = await MemoryStore.open(url)
    try:
        assert not await store.record(question)
        (found,) = await store.recall("renarde", "what is my sister's name?", limit=8)
        assert found.content == "My sister is called Élodie"
        (recent,) = await store.recent("renarde", conversation_id=None, limit=8)
        assert recent.event_id == question.header.msg_id
        assert await store.get_state("renarde", "mood") == "calm"
        statistics = await store.statistics()
        assert (statistics["events"], statistics["engine"]) == (1, url.partition("://")[0])
        assert statistics["recall"] == "lexical"
    finally:
        await store.close()


async def test_a_cancelled_record_is_either_whole_or_not_there(store: MemoryStore) -> None:
    message = said("the spare key hangs behind the clock")
    task = asyncio.create_task(store.record(message))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await store.record(message)

    assert (await store.statistics())["events"] == 1
    (found,) = await store.recall("renarde", "where is the spare key", limit=8)
    assert found.event_id == message.header.msg_id


async def test_a_folder_in_use_is_refused(folder_url: str) -> None:
    store = await MemoryStore.open(folder_url)
    with pytest.raises(MemoryUnavailable, match="in use by another process"):
        await MemoryStore.open(folder_url)
    await store.close()


async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryUnavailable, match="cannot be written: Not a directory"):
        await MemoryStore.open(f"surrealkv://{tmp_path}/file/memory")


async def test_a_damaged_store_is_told_and_can_be_replaced(folder_url: str, tmp_path: Path) -> None:
    url = folder_url
    store = await MemoryStore.open(url)
    await store.close()
    for file in (tmp_path / "memory" / "manifest").iterdir():
        file.write_bytes(b"garbage" * 100)
    with pytest.raises(MemoryUnavailable, match="may be damaged"):
        await MemoryStore.open(url)
    # The lock must not outlive the failure.
    (tmp_path / "memory").rename(tmp_path / "away")
    store = await MemoryStore.open(url)
    await store.close()


@pytest.mark.parametrize("url", ["", "memory", "http://x", "mem://"])
async def test_an_unknown_address_is_told(url: str) -> None:
    with pytest.raises(MemoryUnavailable, match="not an address"):
        await MemoryStore.open(url)


async def test_a_server_that_is_away_is_told_without_the_password() -> None:
    with pytest.raises(MemoryUnavailable) as raised:
        await MemoryStore.open("ws://root:hunter22@127.0.0.1:9")
    assert "hunter22" not in str(raised.value)
    assert "Check that the SurrealDB server runs" in str(raised.value)


async def test_a_nul_character_neither_fails_a_turn_nor_the_next_start(url: str) -> None:
    store = await MemoryStore.open(url)
    message = Message.create(
        sender="user:anna",
        recipient="agent:renarde",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content="before\0after",
        data={"speaker_name": "An\0na", "device": {"name": "\0"}},
        conversation_id="c\0c",
    )
    assert await store.record(message)
    await store.close()
    store = await MemoryStore.open(url)
    (found,) = await store.recent("renarde", conversation_id="c\0c", limit=5)
    assert (found.content, found.speaker_name) == ("before\ufffdafter", "An\ufffdna")
    await store.close()


@pytest.mark.parametrize(
    "data", [{"language": 5}, {"speaker_name": False}, {"speaker_name": ["x"], "language": {}}]
)
async def test_what_is_no_text_beside_a_message_is_left_out(
    store: MemoryStore, data: dict[str, Any]
) -> None:
    odd = said("the lamp is in the hall")
    odd = odd.model_copy(update={"payload": odd.payload.model_copy(update={"data": data})})
    kept = await asyncio.gather(store.record(odd), store.record(said("the key is in the drawer")))
    assert all(kept)
    assert len(await store.recall("renarde", "lamp key", limit=5)) == 2


async def test_an_event_that_the_engine_refuses_takes_no_other_with_it(store: MemoryStore) -> None:
    good, bad, also_good = (said(words) for words in ("the lamp", "the violin", "the key"))
    statement = (
        "DEFINE EVENT refusal ON raw_event WHEN $event = 'CREATE' "
        "AND $after.content = 'the violin' THEN { THROW 'out of tune' }"
    )
    await store.database.query(statement)
    outcome = await asyncio.gather(
        *(store.record(each) for each in (good, bad, also_good)), return_exceptions=True
    )
    assert outcome[0] is True
    assert "out of tune" in str(outcome[1])
    assert outcome[2] is True
    assert isinstance(await store.events.verify(), ChainCheck)


async def test_how_sure_it_is_that_it_was_said(store: MemoryStore) -> None:
    for sure in (0.0, None):
        words = said(f"the lamp is in hall {sure}")
        metadata = words.payload.metadata.model_copy(update={"confidence": sure})
        payload = words.payload.model_copy(update={"metadata": metadata})
        await store.record(words.model_copy(update={"payload": payload}))
    found = await store.recall("renarde", "lamp hall", limit=5)
    assert sorted(each.confidence for each in found) == [0.0, 1.0]
