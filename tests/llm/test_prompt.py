"""A request as the chat-completion APIs take it."""

from hairem_core.llm.prompt import to_messages
from hairem_core.sdk.chat import ChatMessage
from tests.llm.conftest import ask


def test_a_model_is_told_who_speaks_where_several_do() -> None:
    before = [
        ChatMessage(role="user", content="My doctor is called Watson", name="Max"),
        ChatMessage(role="assistant", content="I see."),
        ChatMessage(role="user", content="Hello"),
    ]
    messages = to_messages(ask("What is my doctor called?", *before, name="Lea"))
    assert [each["content"] for each in messages] == [
        "Max: My doctor is called Watson",
        "I see.",
        "Hello",
        "Lea: What is my doctor called?",
    ]
    assert all(set(each) == {"role", "content"} for each in messages)


def test_one_persons_words_are_given_as_they_are() -> None:
    before = [ChatMessage(role="user", content="My doctor is called Watson", name="Max")]
    messages = to_messages(ask("What is my doctor called?", *before, name="Max"))
    assert [each["content"] for each in messages] == [
        "My doctor is called Watson",
        "What is my doctor called?",
    ]
