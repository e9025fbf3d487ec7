"""Which fact a new one replaces: by rule, or by the model's choice."""

from dataclasses import replace
from uuid import uuid4

import pytest

from hairem_core.memory.fragment import Fragment
from hairem_core.memory.interpret.extracted import ExtractedFact
from hairem_core.memory.interpret.supersede import candidates, decide, is_same, slot_for
from tests.memory.interpret.conftest import RENARDE
from tests.memory.interpret.samples import day, facts, last_told


def stored(content: str, *, on: int = 0, seq: int = 0, **changes: object) -> Fragment:
    """Return a fact that an agent holds."""
    found = facts(content, None)
    fact = found[0] if found else _told(content)
    fragment = Fragment(
        id=uuid4(),
        agent=RENARDE,
        kind="fact",
        content=content,
        at=day(on),
        speaker="user:anna",
        subject=fact.subject,
        slot=fact.slot,
        last_used=day(on),
        valid_from=day(on),
        derived_from=(uuid4(),),
        seq=seq,
    )
    return replace(fragment, **changes)  # type: ignore[arg-type]


def _told(content: str, slot: str | None = None) -> ExtractedFact:
    return ExtractedFact(content=content, subject="user:anna", slot=slot, value=content.lower())


def test_another_value_of_the_same_slot_replaces() -> None:
    old = stored("I live in Lyon")
    (new,) = facts("I moved to Paris")
    decision = decide(new, day(1), [old])
    assert (decision.what, decision.old) == ("replaces", (old,))


def test_york_is_not_new_york() -> None:
    (york,) = facts("I live in York")
    assert not is_same(york, stored("I live in New York"))
    assert is_same(york, stored("We live in York now"))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("I like the old clock", "I like the old clock", True),
        ("the boiler is in the cellar", "the boiler is really in the cellar", True),
        ("the boiler was serviced on the 12th", "the boiler was serviced on the 21st", False),
        ("the cat sleeps upstairs", "the dog sleeps upstairs", False),
    ],
)
def test_without_a_slot_the_words_decide(old: str, new: str, same: bool) -> None:
    old_fact = stored(old, slot=None, subject="user:anna")
    decision = decide(_told(new), day(1), [old_fact])
    assert decision.what == ("same" if same else "new")


def test_what_is_denied_in_the_same_words_is_replaced() -> None:
    old = stored("the boiler works on Sundays", slot=None, subject="user:anna")
    decision = decide(_told("the boiler does not works on Sundays"), day(1), [old])
    assert (decision.what, decision.old) == ("replaces", (old,))


def test_the_same_in_other_words_stands_beside_it_until_a_dream_merges_them() -> None:
    old = stored("the boiler of the house was serviced on the 12", slot=None, subject="user:anna")
    assert decide(_told("the house boiler got serviced on the 12"), day(1), [old]).what == "new"
    assert decide(_told(old.content), day(1), [old]).what == "same"


def test_the_models_choice_goes_before_the_rule() -> None:
    old = stored("I live in Lyon", slot="home town")
    decision = decide(_told("I moved on to Paris", slot="residence"), day(1), [old], chosen=old)
    assert (decision.what, decision.old) == ("replaces", (old,))


def test_a_choice_that_holds_no_more_is_none() -> None:
    gone = stored("I live in Lyon").closed(day(1), None)
    holds = stored("I live in Bern", on=1)
    (new,) = facts("I live in Paris")
    decision = decide(new, day(2), [gone, holds], chosen=gone)
    assert (decision.what, decision.old) == ("replaces", (holds,))


def test_older_news_is_history() -> None:
    newest = stored("I live in Paris", on=9)
    before = stored("I live in Bern", on=5).closed(day(9), newest.id)
    (late,) = facts("I live in Lyon")
    assert decide(late, day(7), [before, newest]).until == day(9)
    assert decide(late, day(2), [before, newest]).until == day(5)
    assert decide(late, day(2), [before, newest], chosen=newest).what == "history"


def test_told_late_that_nothing_holds_ends_nothing() -> None:
    old = stored("I have a cat", on=5)
    (gone,) = facts("I no longer have a cat")
    assert decide(gone, day(3), [old]).what == "nothing"
    assert decide(gone, day(6), [old]).what == "closes"
    assert decide(gone, day(6), []).what == "nothing"


def test_a_slot_of_the_models_own_may_have_several_values() -> None:
    old = stored("Anna reads Proust", slot="reads", subject="user:anna")
    new = _told("Anna reads Woolf", slot="reads")
    assert slot_for(new, [old], replaced=False) is None
    assert slot_for(new, [old], replaced=True) == "reads"
    assert slot_for(new, [], replaced=False) == "reads"
    colour = _told("Anna's favourite colour is red", slot="favourite colour")
    assert slot_for(colour, [stored("My favourite colour is blue")], replaced=False)


def test_candidates_are_the_nearest_that_hold() -> None:
    key = stored("the spare key is under the mat", seq=1)
    cat = stored("We have a cat called Minou", seq=2)
    gone = stored("the spare key is in the shed").closed(day(1), None)
    said = ["I moved the spare key behind the flowerpot"]
    assert candidates(said, [cat, gone, key], limit=5) == [key, cat]
    assert candidates(said, [cat, gone, key], limit=1) == [key]


@pytest.mark.parametrize(
    ("correction", "replaced"),
    [
        ("No, my cat is called Minou", "My cat is called Félix"),
        ("No. My cat is called Minou.", "My cat is called Félix"),
        ("Actually, my cat's name is Minou", "My cat is called Félix"),
        ("I meant my cat is called Minou", "My cat is called Félix"),
        ("Non, mon chat s'appelle Minou", "My cat is called Félix"),
        ("En fait, mon chat s'appelle Minou", "My cat is called Félix"),
        ("Je voulais dire que mon chat s'appelle Minou", "My cat is called Félix"),
        ("No, my sister is called Julie", "My sister is called Anna"),
        ("Non, ma sœur s'appelle Julie", "My sister is called Anna"),
        ("I meant, I play the violin", "I play the piano"),
        ("Je voulais dire que je joue du violon", "I play the piano"),
        ("My cat is called Minou", None),
        ("No thanks, my cat is called Minou", None),
        ("No, thanks. My cat is called Minou.", None),
        ("No idea, my cat is called Minou", None),
        ("Non merci, mon chat s'appelle Minou", None),
        ("No, we have a cat called Minou", None),
        ("No, my cat is called Minou too", None),
        ("Non, mon chat s'appelle Minou aussi", None),
        ("No, my dog is called Rex", None),
        ("No, I play the violin", None),
        ("I meant I speak Dutch", None),
    ],
)
def test_a_correction_comes_in_the_place_of_the_last_of_its_kind(
    correction: str, replaced: str | None
) -> None:
    told = (
        "My cat is called Tigrou",
        "My sister is called Lise",
        "My sister is called Anna",
        "I speak French",
        "My cat is called Félix",
        "I play the piano",
    )
    known = [stored(each, on=number) for number, each in enumerate(told)]
    (new,) = facts(correction, None)
    decision = decide(new, day(9), known)
    assert [each.content for each in decision.old] == ([replaced] if replaced else [])
    assert decision.what == ("replaces" if replaced else "new")


@pytest.mark.parametrize(
    "correction", ["I meant Minou", "No, it's Minou", "Je voulais dire Minou", "Non, c'est Minou"]
)
def test_a_name_is_corrected_in_a_word(correction: str) -> None:
    old = stored("My cat is called Félix")
    (new,) = facts(correction, None, antecedent=last_told("My cat is called Félix"))
    assert (new.slot, new.about) == ("pet:cat:minou", ("user:anna", "name:minou"))
    assert decide(new, day(1), [old]).old == (old,)
