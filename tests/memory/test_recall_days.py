"""What was said is found by how far its day is from today, in English and in French."""

import unicodedata
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hairem_core.memory.cold import ColdRecall
from hairem_core.memory.days import days_asked_about, without_days
from hairem_core.memory.store import MemoryStore
from hairem_core.sdk.recollection import Recollection
from tests.memory.dream.scene import EVERYTHING, Archive, Clock, Embedder, fragment, keep
from tests.memory.messages import said

_NEW_YORK = ZoneInfo("America/New_York")
_NOW = datetime(2026, 5, 9, 1, 30, tzinfo=UTC)
"""21:30 on Friday, 8 May in New York."""
_TODAY = date(2026, 5, 8)
_DAYS = 40
_STALE = (
    "today, tonight, this morning, yesterday, the day before yesterday, last night, last Monday or "
    "Wednesday, two or 3 days or a week ago, aujourd'hui, ce soir, ce matin, hier soir, avant-hier,"
    " lundi ou mercredi dernier, il y a deux ou 3 jours ou une semaine: we all ate, on a tous mangé"
)
"""What has all the words of all the questions, said on a day that is not asked for."""
_QUESTIONS = [
    ("What did we do today?", 0),
    ("What did we do tonight?", 0),
    ("What did we eat this morning?", 0),
    ("WHAT DID WE DO TODAY", 0),
    ("what did I say yesterday?", 1),
    ("What did we eat yesterday evening?", 1),
    ("What did we do last night?", 1),
    ("What did we do the day before  yesterday?", 2),
    ("What did we do 3 days ago?", 3),
    ("What did we do two days ago?", 2),
    ("What did we do a week ago?", 7),
    ("What did we do last Monday?", 4),
    ("What did we do last Friday?", 7),
    ("Qu'avons-nous fait aujourd'hui ?", 0),
    ("Qu\u2019avons-nous fait aujourd\u2019hui ?", 0),
    ("Qu'a-t-on mangé ce soir ?", 0),
    ("Qu'avons-nous fait ce matin ?", 0),
    ("Qu'ai-je dit hier ?", 1),
    ("Qu'avons-nous mangé hier soir ?", 1),
    ("Qu'avons-nous fait avant-hier ?", 2),
    ("Qu'avons-nous fait il y a 3 jours ?", 3),
    ("Il y a deux jours, qu'avons-nous fait ?", 2),
    ("Qu'avons-nous fait il y a une semaine ?", 7),
    ("Qu'avons-nous fait lundi dernier ?", 4),
    ("Qu'avons-nous fait mercredi dernier ?", 2),
]


@pytest.fixture
async def store(folder_url: str) -> AsyncGenerator[MemoryStore]:
    """A store in New York, where it is the day before that of UTC."""
    opened = await MemoryStore.open(folder_url, clock=Clock(_NOW), zone=_NEW_YORK)
    yield opened
    await opened.close()


async def _say(store: MemoryStore, content: str, *, days: int, hours: int = 0) -> None:
    at = _NOW - timedelta(days=days, hours=hours)
    await store.record(said(content, at=at, conversation_id=f"{content[-9:]} {days}"))


async def _say_the_same_each_day(store: MemoryStore) -> None:
    """Say it in the evening, which is the next day's in UTC, and early in the morning."""
    for days in range(_DAYS):
        await _say(store, f"{_STALE} {days}", days=days, hours=20)
        await _say(store, f"they ate, ils ont mangé {days} x", days=days)


def _days(found: Sequence[Recollection]) -> list[date]:
    return [each.at.astimezone(_NEW_YORK).date() for each in found]


async def test_of_days_that_share_all_other_words_the_one_asked_for_is_found(
    store: MemoryStore,
) -> None:
    await _say_the_same_each_day(store)
    for question, days in _QUESTIONS:
        found = await store.recall("renarde", question, limit=2)
        assert _days(found) == [_TODAY - timedelta(days=days)] * 2, question


@pytest.mark.parametrize("question", ["What did we do last week?", "et la semaine dernière ?"])
async def test_a_week_begins_on_monday(store: MemoryStore, question: str) -> None:
    await _say_the_same_each_day(store)
    found = await store.recall("renarde", question, limit=14)
    assert sorted(set(_days(found))) == [date(2026, 4, 27) + timedelta(days=n) for n in range(7)]


@pytest.mark.parametrize("question", ["What did we do yesterday?", "Qu'a-t-on fait hier ?"])
async def test_a_day_is_that_of_the_time_looked_back_on(store: MemoryStore, question: str) -> None:
    await _say_the_same_each_day(store)
    found = await store.recall("renarde", question, limit=2, as_of=_NOW - timedelta(days=5))
    assert _days(found) == [_TODAY - timedelta(days=6)] * 2


@pytest.mark.parametrize(
    ("question", "day", "word"),
    [
        ("Did we eat on Wednesday?", "we had soup", "I have the dentist on Wednesday"),
        ("On a mangé quoi mercredi ?", "de la soupe", "j'ai le dentiste mercredi"),
    ],
)
async def test_a_weekday_by_itself_is_a_day_and_a_word(
    store: MemoryStore, question: str, day: str, word: str
) -> None:
    await _say(store, day, days=2)
    await _say(store, word, days=3)
    await _say(store, "nothing of that kind", days=4)
    found = await store.recall("renarde", question, limit=5)
    assert {each.content for each in found} == {day, word}


async def test_what_has_the_word_is_still_found_by_it(store: MemoryStore) -> None:
    await _say(store, "today I baked bread", days=20)
    await _say(store, "I read a book", days=19)
    for question in ("today", "What did I bake today?"):
        (alone,) = await store.recall("renarde", question, limit=5)
        assert alone.content == "today I baked bread"
        assert alone.why is not None
        assert alone.why.words == 1, "nothing was said today: it is a word like others"
    await _say(store, "we painted the fence", days=0)
    found = await store.recall("renarde", "today", limit=5)
    assert [each.content for each in found] == ["we painted the fence", "today I baked bread"]


async def test_an_hour_is_no_day(store: MemoryStore) -> None:
    await _say(store, "the fence is painted in all its colours by now", days=0)
    await _say(store, "dinner is at 8, at 8 sharp", days=3)
    await _say(store, "the dentist comes on 8 May", days=20)
    found = await store.recall("renarde", "what did we do today?", limit=5)
    assert found[0].content.startswith("the fence")
    assert len(found) == 3, "of a day may be also what was said before it"


async def test_what_is_not_the_agent_s_makes_no_day_of_a_word(store: MemoryStore) -> None:
    await store.record(said("we painted the fence", at=_NOW, to="agent:electra"))
    await _say(store, "today I baked bread", days=20)
    await _say(store, "I baked a cake", days=20)
    found = await store.recall("renarde", "today I baked", limit=5)
    scores = [each.why.words for each in found if each.why is not None]
    assert len(scores) == 2
    assert scores[1] < 0.6, "the word counts in full"


async def test_what_means_the_like_is_not_of_the_day(folder_url: str) -> None:
    store = await MemoryStore.open(
        folder_url, clock=Clock(_NOW), zone=_NEW_YORK, embedder=Embedder()
    )
    for days in range(1, 5):
        await _say(store, f"what did we do today, and what did we do {days}", days=days)
    await _say(store, "the fence is painted", days=0)
    await store.embeddings.settle()
    first, *_ = await store.recall("renarde", "what did we do today?", limit=3)
    await store.close()
    assert first.content == "the fence is painted"


async def test_an_archived_yesterday_is_another_one(store: MemoryStore, tmp_path: Path) -> None:
    archive = await Archive.open(store, tmp_path / "archive.sqlite3")
    store.cold = ColdRecall(archive.cold, archive.mover, store.fragments)
    old = fragment("yesterday I baked bread", days=90)
    await keep(store, [old])
    (kept,) = (await store.fragments.fetch([old.id], EVERYTHING)).values()
    assert await archive.mover.archive([kept]) == 1

    async def asked(question: str) -> list[str]:
        found = await store.recall("renarde", question, limit=5, include_archived=True)
        return [each.content for each in found]

    assert await asked("what did I say yesterday?") == ["yesterday I baked bread"]
    await _say(store, "we painted the fence", days=1)
    assert await asked("what did I say yesterday?") == ["we painted the fence"]
    assert await asked("what did I bake yesterday?") == [
        "yesterday I baked bread",
        "we painted the fence",
    ]
    await store.cold.close()
    await archive.close()


@pytest.mark.parametrize(
    "question",
    [
        "Where is the spare key?",
        "What did we do on 8 May?",
        "What did she finish last Friday on 23 January, 2022?",
        "What was his huge issue last week, as mentioned on November 6, 2023?",
        "Qu'a-t-elle fait hier, le 8 mai ?",
        "Who sang Yesterday?",
        'Who sang "yesterday"?',
        "Did they like the yesterdays?",
        "What have I got on Monday?",
        "Qu'est-ce que je fais lundi ?",
        "Que faisais-tu le lundi ?",
        "How many days a week?",
        "Where did she move from 4 years ago?",
        "Combien de jours y a-t-il ?",
        "le cahier d'aujourd",
        "What did he do this week?",
    ],
)
def test_what_speaks_of_no_day_from_today_is_read_as_it_was(question: str) -> None:
    assert days_asked_about(question, _TODAY) == ()


_WORDS = """
    What did we last this ago week days il y a trois jours ce soirée avant l'heure On Nuit le 3 two
    Qu'avons-nous fait the morning day matin daytoday lundis yesterdays
"""
_OF_NO_DAY = st.sampled_from(_WORDS.split())


@given(st.lists(_OF_NO_DAY | st.text(max_size=6), max_size=8), st.dates())
def test_texts_without_such_words_are_left_as_they_are(words: list[str], today: date) -> None:
    text = " , ".join(words)
    assert days_asked_about(text, today) == ()
    assert without_days(text) == unicodedata.normalize("NFC", text)


@given(st.sampled_from([each for each, _ in _QUESTIONS]), st.dates())
def test_no_day_is_beyond_the_calendar(question: str, today: date) -> None:
    for day in days_asked_about(question, today):
        assert day <= today
