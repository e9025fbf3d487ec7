"""How much what was said matters."""

import pytest

from hairem_core.memory.interpret.triage import WORTHLESS, importance_of

TOLD = {
    "turn on the light": 0.1,
    "please switch off the kitchen lamp": 0.1,
    "Hello Renarde": 0.1,
    "Thanks!": 0.1,
    "ok, great": 0.1,
    "allume la cuisine": 0.1,
    "éteins tout s'il te plaît": 0.1,
    "Bonjour !": 0.1,
    "merci beaucoup": 0.1,
    "what time is it": 0.2,
    "Where is my key?": 0.2,
    "Do you remember where I live?": 0.2,
    "quelle heure est-il": 0.2,
    "Est-ce que Léo est là ?": 0.2,
    "The sky is grey today": 0.35,
    "il fait beau": 0.35,
    "I watched a good show": 0.4,
    "My sister Julie called": 0.7,
    "ma sœur est passée": 0.7,
    "I live in Lyon": 0.65,
    "J'habite à Lyon": 0.65,
    "I love sushi": 0.65,
    "J'adore les sushis": 0.65,
    "I am allergic to nuts": 0.8,
    "Je suis allergique aux noix": 0.8,
    "My birthday is on May 3rd": 0.75,
    "Mon anniversaire est le 3 mai": 0.75,
    "the wifi password is tulip": 0.7,
    "We are going to Rome next week": 0.6,
    "on part en vacances demain": 0.6,
    "Remember that the key is under the mat": 0.9,
    "remember my shoe size is 42": 0.9,
    "Souviens-toi que Léo dort ici": 0.9,
    "N'oublie pas que Léo dort ici": 0.9,
    "n\u2019oublie pas le lait": 0.9,
}


@pytest.mark.parametrize(("text", "importance"), TOLD.items())
def test_importance(text: str, importance: float) -> None:
    assert importance_of(text, by_agent=False) == importance
    assert importance_of(text.upper(), by_agent=False) == importance
    assert importance_of(text, by_agent=True) < importance


def test_what_is_said_in_vain_costs_no_call() -> None:
    vain = [text for text, importance in TOLD.items() if importance <= 0.2]
    assert all(importance_of(each, by_agent=False) <= WORTHLESS for each in vain)
    rest = [text for text in TOLD if text not in vain]
    assert all(importance_of(each, by_agent=False) > WORTHLESS for each in rest)


@pytest.mark.parametrize(
    "text", ["", " ", "?", "...", "\0", "x" * 100_000, "a " * 50_000, "é" * 999]
)
def test_anything_may_be_said(text: str) -> None:
    assert 0 <= importance_of(text, by_agent=False) <= 1


def test_of_a_long_speech_the_beginning_counts() -> None:
    """What this costs is paid before each event is on disk."""
    speech = "blah " * 500
    assert importance_of(f"{speech}remember that I live in Lyon", by_agent=False) < 0.5
    assert importance_of(f"remember that I live in Lyon {speech}", by_agent=False) == 0.9
