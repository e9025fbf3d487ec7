"""What is kept of what an agent says in a house without a language model."""

from pathlib import Path

import pytest

from tests.support.core import Client, running_core, write_agent

ASKED = {
    "en": ("I live in Bern", "Do you remember the dentist?", "Where do I live?", "Tell me a story"),
    "fr": (
        "J'habite à Berne",
        "Te souviens-tu du dentiste ?",
        "Où est-ce que j'habite ?",
        "Chante",
    ),
}


@pytest.mark.parametrize("language", ASKED)
async def test_what_it_answers_for_want_of_a_model_is_no_memory(
    tmp_path: Path, language: str
) -> None:
    write_agent(tmp_path / "agents", "renarde", permissions="[llm]")
    async with running_core(tmp_path, agents=tmp_path / "agents") as core:
        assert core.new_token is not None
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            answers = []
            for number, each in enumerate(ASKED[language]):
                events = await client.turn(
                    "renarde", each, language=language, conversation_id=f"c{number}"
                )
                answers.append(events[-1]["text"])
            assert all(answers)
            agent = core.memory.names.identify("renarde")
            rows = await core.memory.database.query(
                "SELECT VALUE content FROM fragment WHERE agent = $agent AND kind = 'episode'",
                {"agent": agent},
            )
            assert sorted(rows) == sorted(ASKED[language])
