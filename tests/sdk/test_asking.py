"""What a question asks of memory, by its words."""

import pytest

from hairem_core.sdk.asking import asks_memory, of_whom


@pytest.mark.parametrize(
    "text",
    [
        "Do you remember the dragon?",
        "Do you still recall where it was?",
        "What did I tell you?",
        "What do you know about Eve?",
        "Remind me what the code is.",
        "Tell me about Eve.",
        "Te souviens-tu du dragon ?",
        "Tu te rappelles le dragon ?",
        "Rappelle-moi le code.",
        "Rappelle-moi du code.",
        "Que sais-tu d\u2019Eve ?",
        "Qu'est-ce que tu sais sur moi ?",
        "Que t'ai-je dit ?",
        "Parle-moi de Carla.",
    ],
)
def test_what_asks_for_a_memory(text: str) -> None:
    assert asks_memory(text)


@pytest.mark.parametrize(
    "text",
    [
        "Where are my keys?",
        "Remember that the plumber comes.",
        "Remind me to buy milk.",
        "Tell me about yourself.",
        "Souviens-toi que le plombier vient.",
        "Rappelle-moi d'acheter du lait.",
        "Rappelle-moi de sortir le chien.",
        "Parle-moi de toi.",
    ],
)
def test_what_asks_for_none(text: str) -> None:
    assert not asks_memory(text)


@pytest.mark.parametrize(
    ("text", "whom"),
    [
        ("What do you know about Eve?", "Eve"),
        ("what do you know about me ?", ""),
        ("Tell me everything about Anna Maria.", "Anna Maria"),
        ("Que sais-tu de moi ?", ""),
        ("Que sais-tu d\u2019Eve ?", "Eve"),
        ("Dis-moi ce que tu sais sur Carla", "Carla"),
        ("What do you know about the cellar?", None),
        ("Que sais-tu de la cave ?", None),
        ("What do you know about my sister?", None),
        ("What do you know?", None),
        ("Where does Eve live?", None),
    ],
)
def test_of_whom_all_that_is_known_is_asked(text: str, whom: str | None) -> None:
    assert of_whom(text) == whom
