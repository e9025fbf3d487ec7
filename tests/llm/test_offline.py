"""The offline brain: commands, memory, and honesty, in English and in French."""

import json
from typing import Any

import pytest

from hairem_core.config.system import LlmConfig
from hairem_core.llm.gateway import ModelGateway
from hairem_core.sdk.chat import ChatMessage, ToolCall, ToolSpec
from hairem_core.sdk.recollection import ANSWERS
from tests.llm.conftest import ask, deltas, text_of

WHERE = {
    "name": {"type": "string"},
    "area": {"type": "string"},
    "domain": {"type": "array", "items": {"type": "string"}},
}


def tool(name: str, **more: Any) -> ToolSpec:
    return ToolSpec(name=name, parameters={"type": "object", "properties": WHERE | more})


NUMBER = {"type": "integer"}
HOUSE = [
    tool("intent__HassTurnOn"),
    tool("intent__HassTurnOff"),
    tool("light__HassLightSet", brightness=NUMBER),
    tool("intent__HassSetPosition", position=NUMBER),
    tool("climate__HassClimateSetTemperature", temperature=NUMBER),
]
CONTEXT = ChatMessage(
    role="system",
    name="instructions",
    content="Static Context: An overview of the areas and the devices in this smart home:\n"
    "- names: Kitchen Light, Lumière de la cuisine\n  domain: light\n  areas: Kitchen, Cuisine\n"
    "- names: Living Room Blind\n  domain: cover\n  areas: Living Room\n"
    "- names: Front Door\n  domain: lock\n"
    "- names: Fish and Chips Sign\n  domain: switch\n"
    "- names: Thermostat\n  domain: climate\n",
)


@pytest.fixture
def gateway() -> ModelGateway:
    return ModelGateway(LlmConfig())


async def calls(gateway: ModelGateway, text: str, *before: ChatMessage) -> list[tuple[str, Any]]:
    answer = await deltas(gateway, ask(text, *before, tools=HOUSE))
    assert len(answer) == 1, text_of(answer)
    return [(call.name, call.arguments) for call in answer[0].tool_calls or []]


ON, OFF, LEVEL = "intent__HassTurnOn", "intent__HassTurnOff", "light__HassLightSet"


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("Turn on the desk lamp", ON, {"name": "desk lamp"}),
        ("Please switch the desk lamp off now!", OFF, {"name": "desk lamp"}),
        ("Electra, could you turn the desk lamp on, please?", ON, {"name": "desk lamp"}),
        ("allume la lampe du bureau", ON, {"name": "lampe du bureau"}),
        ("Éteins l'aquarium, s'il te plaît.", OFF, {"name": "aquarium"}),
        ("eteins l\u2019aquarium", OFF, {"name": "aquarium"}),
        ("peux-tu allumer la lampe du bureau ?", ON, {"name": "lampe du bureau"}),
        ("set the desk lamp to 20 %", LEVEL, {"name": "desk lamp", "brightness": 20}),
        ("Dim the desk lamp to 20 percent", LEVEL, {"name": "desk lamp", "brightness": 20}),
        ("mets la lampe du bureau à 35 %", LEVEL, {"name": "lampe du bureau", "brightness": 35}),
        (
            "règle la luminosité de la lampe sur 40%",
            LEVEL,
            {"name": "lampe", "brightness": 40},
        ),
        ("open the garage", ON, {"name": "garage", "domain": ["cover"]}),
        ("ferme le portail", OFF, {"name": "portail", "domain": ["cover"]}),
        ("turn off all the lights", OFF, {"name": "all", "domain": ["light"]}),
        ("éteins les lumières", OFF, {"name": "all", "domain": ["light"]}),
        ("allume les lumières de la chambre", ON, {"area": "chambre", "domain": ["light"]}),
        ("turn on the lights in the bedroom", ON, {"area": "bedroom", "domain": ["light"]}),
        (
            "set the thermostat to 20.5 degrees",
            "climate__HassClimateSetTemperature",
            {"name": "thermostat", "temperature": 20.5},
        ),
    ],
)
async def test_a_simple_sentence_becomes_a_tool_call(
    gateway: ModelGateway, text: str, name: str, arguments: dict[str, Any]
) -> None:
    assert await calls(gateway, text) == [(name, arguments)]


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("turn on the kitchen light", ON, {"name": "Kitchen Light", "domain": ["light"]}),
        ("allume la lumière de la cuisine", ON, {"name": "Kitchen Light", "domain": ["light"]}),
        (
            "set the living room blind to 30 %",
            "intent__HassSetPosition",
            {"name": "Living Room Blind", "domain": ["cover"], "position": 30},
        ),
        (
            "turn on the fish and chips sign",
            ON,
            {"name": "Fish and Chips Sign", "domain": ["switch"]},
        ),
        ("turn off the kitchen lights", OFF, {"area": "Kitchen", "domain": ["light"]}),
        # Turning on a lock would lock it: opening a door asks for a cover, and nothing else.
        ("open the front door", ON, {"name": "Front Door", "domain": ["cover"]}),
    ],
)
async def test_the_house_in_the_prompt_says_what_is_meant(
    gateway: ModelGateway, text: str, name: str, arguments: dict[str, Any]
) -> None:
    assert await calls(gateway, text, CONTEXT) == [(name, arguments)]


HERE = ChatMessage(
    role="system",
    name="instructions",
    content="You are in area Kitchen (floor Ground) and all generic commands like 'turn on the "
    "lights' should target this area.",
)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("turn on the lights", {"area": "Kitchen", "domain": ["light"]}),
        ("allume toutes les lumières", {"name": "all", "domain": ["light"]}),
        ("turn on the lights in the attic", {"area": "attic", "domain": ["light"]}),
    ],
)
async def test_a_room_that_is_not_named_is_the_one_spoken_in(
    gateway: ModelGateway, text: str, arguments: dict[str, Any]
) -> None:
    assert await calls(gateway, text, HERE) == [(ON, arguments)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("turn on the lamp and the radio", [(ON, "lamp"), (ON, "radio")]),
        ("turn on the lamp and turn off the radio", [(ON, "lamp"), (OFF, "radio")]),
        ("allume la lampe, la radio et le four", [(ON, "lampe"), (ON, "radio"), (ON, "four")]),
    ],
)
async def test_several_commands_in_one_sentence(
    gateway: ModelGateway, text: str, expected: list[tuple[str, str]]
) -> None:
    found = await calls(gateway, text)
    assert [(name, arguments["name"]) for name, arguments in found] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Don't turn on the lamp",
        "Did you turn on the lamp?",
        "n'allume pas la lampe",
        "I told Paul to turn on the lamp",
        "remember to turn off the oven",
        "What happens if I turn on the lamp?",
    ],
)
async def test_what_is_no_command_moves_nothing(gateway: ModelGateway, text: str) -> None:
    answer = await deltas(gateway, ask(text, tools=HOUSE))
    assert all(delta.tool_calls is None for delta in answer)


async def test_without_a_tool_it_says_so(gateway: ModelGateway) -> None:
    for language, words in (("en", "nothing here lets me"), ("fr", "rien ici ne me permet")):
        answer = text_of(await deltas(gateway, ask("turn on the lamp", language=language)))
        assert words in answer
        assert "lamp" in answer


ERROR_RESPONSE = {
    "speech": {"plain": {"speech": "No device called lamp"}},
    "response_type": "error",
    "data": {"code": "no_valid_targets"},
}
PARTIAL = {
    "response_type": "action_done",
    "data": {"success": [{"name": "Lamp"}], "failed": [{"name": "Radio"}]},
}


@pytest.mark.parametrize(
    ("intent", "arguments", "result", "language", "words"),
    [
        (ON, {"name": "lamp"}, {"data": {}}, "en", "Done: I turned on lamp."),
        (ON, {"name": "lampe"}, {"data": {}}, "fr", "C'est fait : j'ai allumé lampe."),
        (OFF, {"name": "x", "domain": ["cover"]}, {"data": {}}, "en", "Done: I closed x."),
        (LEVEL, {"name": "x", "brightness": 20}, {"data": {}}, "fr", "j'ai réglé x sur 20 %."),
        (ON, {"name": "lamp"}, {"error": "not known."}, "en", "did not work for lamp: not known."),
        (ON, {"name": "lampe"}, {"error": "absent"}, "fr", "n'a pas marché pour lampe : absent."),
        (ON, {"name": "lamp"}, {"data": ERROR_RESPONSE}, "en", "No device called lamp."),
        (ON, {"name": "all"}, {"data": PARTIAL}, "en", "this failed: Radio."),
        (ON, {"name": "lamp"}, "nonsense", "en", "did not work for lamp: nonsense."),
    ],
)  # fmt: skip
async def test_only_a_result_makes_it_done(
    gateway: ModelGateway,
    intent: str,
    arguments: dict[str, Any],
    result: Any,
    language: str,
    words: str,
) -> None:
    content = result if isinstance(result, str) else json.dumps(result)
    request = ask("do it", tools=HOUSE, language=language)
    request.messages.extend(
        [
            ChatMessage(
                role="assistant",
                tool_calls=[ToolCall(id="1", name=intent, arguments=arguments)],
            ),
            ChatMessage(role="tool", tool_call_id="1", content=content),
        ]
    )
    answer = text_of(await deltas(gateway, request))
    assert words in answer
    if "error" in content or content == "nonsense":
        assert "Done" not in answer


MEMORY = ChatMessage(
    role="system",
    name="memory",
    content="- 2026-11-01 18:02 user Anna: My keys are in the blue bowl\n"
    "- 2026-11-02 08:00 user Anna: Where are my keys?\n"
    "- 2026-11-02 08:00 agent renarde: I remember this: “My keys are in the blue bowl”.\n"
    "- 2026-11-03 09:00 user Anna: L'anniversaire d'Élodie est le 3 mai",
)


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Where are my keys?", "en", "the blue bowl” (said by Anna on 2026-11-01 18:02)"),
        ("What did I tell you about the keys?", "en", "blue bowl"),
        ("Quand est l\u2019anniversaire d\u2019Elodie ?", "fr", "le 3 mai"),
        ("Te souviens-tu de l'anniversaire ?", "fr", "« L'anniversaire d'Élodie est le 3 mai »"),
        ("Do you remember the dentist?", "en", "I remember nothing about that."),
        ("Te souviens-tu du dentiste ?", "fr", "Je ne me souviens de rien"),
        ("What is the capital of France?", "en", "llm.chat.model"),
        ("Quelle est la capitale de la France ?", "fr", "HAIREM_CHAT_MODEL"),
        ("Tell me a story", "en", "No language model is configured"),
        ("Remember that the plumber comes on Monday.", "en", "“the plumber comes on Monday”"),
        ("Souviens-toi que le plombier vient lundi.", "fr", "« le plombier vient lundi »"),
    ],
)  # fmt: skip
async def test_it_recalls_and_is_honest(
    gateway: ModelGateway, text: str, language: str, words: str
) -> None:
    answer = await deltas(gateway, ask(text, MEMORY, name="Anna", language=language))
    assert words in text_of(answer)
    assert len(answer) > 1


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (
            "Où est-ce que j'habite ?",
            "fr",
            "« J'ai déménagé à Lille » (dit par Anna le 2026-11-04 10:00)",
        ),
        ("Where do I live?", "en", "“J'ai déménagé à Lille”"),
    ],
)
async def test_what_memory_calls_an_answer_needs_no_word_of_the_question(
    gateway: ModelGateway, text: str, language: str, words: str
) -> None:
    memory = MEMORY.model_copy(
        update={
            "content": "- 2026-10-01 10:00 user Bruno: J'habite où habite ma sœur\n"
            f"- 2026-11-04 10:00 user Anna: J'ai déménagé à Lille {ANSWERS}\n{MEMORY.content}"
        }
    )
    answer = text_of(await deltas(gateway, ask(text, memory, language=language)))
    assert words in answer
    assert "Bruno" not in answer
    assert ANSWERS not in answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What is Tom's favourite colour?", None),
        ("What is Zoé's favourite colour?", "“My favourite colour is teal” (said by Zoe on"),
        ("What is Bruno's favourite colour?", "“Bruno's favourite colour is red” (said by Zoe on"),
        ("Do you remember Tom's favourite colour?", None),
    ],
)
async def test_whom_a_question_names_must_be_spoken_of(
    gateway: ModelGateway, text: str, answer: str | None
) -> None:
    memory = MEMORY.model_copy(
        update={
            "content": "- 2026-11-03 09:00 user Anna: My favourite colour is pink\n"
            "- 2026-11-04 09:00 user Zoe: My favourite colour is teal\n"
            "- 2026-11-04 10:00 user Zoe: Bruno's favourite colour is red"
        }
    )
    said = text_of(await deltas(gateway, ask(text, memory)))
    assert (answer or "") in said
    assert "pink" not in said
    assert ("I remember this" in said) == (answer is not None)


async def test_what_was_said_in_this_conversation_is_known_too(gateway: ModelGateway) -> None:
    before = [
        ChatMessage(role="user", content="My bike is behind the shed"),
        ChatMessage(role="assistant", content="I see."),
    ]
    assert "behind the shed" in text_of(await deltas(gateway, ask("Where is my bike?", *before)))


@pytest.mark.parametrize(
    ("language", "question", "words"),
    [
        ("en", "Where are my keys?", "I do not know who is asking"),
        ("en", "Where is my umbrella?", "I remember nothing about that."),
        ("fr", "Où sont mes clés ?", "Je ne sais pas qui me parle"),
        ("fr", "Où est mon parapluie ?", "Je ne me souviens de rien"),
    ],
)
async def test_who_is_not_known_owns_nothing_that_is(
    gateway: ModelGateway, language: str, question: str, words: str
) -> None:
    keys = MEMORY.model_copy(
        update={"content": f"{MEMORY.content}\n- 2026-11-04 10:00 user Anna: Mes clés sont là"}
    )
    answer = text_of(await deltas(gateway, ask(question, keys, language=language)))
    assert words in answer
    assert "bowl" not in answer


def _told(*lines: str) -> ChatMessage:
    return ChatMessage(
        role="system",
        name="memory",
        content="\n".join(f"- 2026-11-01 18:02 user {each}" for each in lines),
    )


@pytest.mark.parametrize(
    ("language", "question", "lines", "answer"),
    [
        (
            "en",
            "When do the bins go out?",
            ["Bob: The bins go out on Monday", "Anna: The bins go out on Tuesday"],
            (
                "I remember this: “The bins go out on Tuesday” (said by Anna on 2026-11-01 18:02); "
                "“The bins go out on Monday” (said by Bob on 2026-11-01 18:02)."
            ),
        ),
        (
            "fr",
            "Que t'ai-je dit ?",
            ["Anna: Le pain est cuit", "Bob: Rien", "Anna: Il pleut.", "Anna: Il neige"],
            (
                "Je me souviens de ceci : « Il neige », « Il pleut » et « Le pain est cuit » "
                "(dit par Anna le 2026-11-01 18:02)."
            ),
        ),
    ],
)
async def test_several_are_told_in_one_sentence(
    gateway: ModelGateway, language: str, question: str, lines: list[str], answer: str
) -> None:
    request = ask(question, _told(*lines), name="Anna", language=language)
    assert text_of(await deltas(gateway, request)) == answer


@pytest.mark.parametrize(
    ("question", "line", "is_told"),
    [
        ("Where is my bike?", "Anna: My sister's bike is in the shed", False),
        ("Where is my bike?", "Anna: The bike is in the shed", True),
        ("Where is my bike?", "Anna: Bob lent me a bike", True),
        ("Do I like tea?", "Anna: Eve likes tea", False),
        ("Do I like tea?", "Anna: My mother likes tea", False),
        ("Does my mother like tea?", "Anna: My mother likes tea", True),
        ("Does my mother like tea?", "Anna: I like tea", False),
        ("When is my appointment?", "Bob: Anna has an appointment on Monday", True),
        ("When is my appointment?", "Bob: I have an appointment on Monday", False),
        ("What is my Netflix password?", "Bob: My Netflix password is x7", False),
        ("What is my Netflix password?", "Anna: My Netflix password is x7", True),
        ("What did Bob tell me about the trip?", "Bob: The trip begins at nine", True),
        ("Remind me when the plumber comes", "Bob: The plumber comes on Monday", True),
        ("What time does the train leave?", "Bob: The train leaves at nine", True),
        ("What is our wifi code?", "Bob: The wifi code is 77", True),
        ("What is the vault code?", "Bob: The import code is 77", False),
        ("What is the name of the plumber?", "Bob: The plumber is called Mario", True),
        ("Où est mon vélo ?", "Anna: Le vélo de ma sœur est au garage", False),
        ("Où est mon vélo ?", "Anna: Le vélo est au garage", True),
        ("Est-ce que j'aime le thé ?", "Anna: Ma mère aime le thé", False),
        ("Est-ce que j'aime le thé ?", "Anna: Oublie que j'aime le thé", False),
        ("Do I hate coriander?", "Anna: Please forget that I hate coriander", False),
        ("Rappelle-moi quand vient le plombier.", "Bob: Le plombier vient lundi", True),
        ("Quel est le nom du chat ?", "Bob: Souviens-toi que le chat s'appelle Mina", True),
    ],
)
async def test_whose_it_is_and_of_what(
    gateway: ModelGateway, question: str, line: str, is_told: bool
) -> None:
    answer = text_of(await deltas(gateway, ask(question, _told(line), name="Anna")))
    assert (line.partition(": ")[2] in answer) is is_told, answer


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Forget that my code is 4711.", "en"),
        ("Please forget my code 4711", "en"),
        ("Renarde, can you forget 4711?", "en"),
        ("Delete from your memory that my code is 4711", "en"),
        ("Erase what I told you of 4711", "en"),
        ("Oublie que mon code est 4711.", "fr"),
        ("Peux-tu oublier mon code 4711 ?", "fr"),
        ("Renarde, oublie 4711 s'il te plaît", "fr"),
        ("Efface de ta mémoire le code 4711", "fr"),
    ],
)
async def test_forgetting_is_the_owners(gateway: ModelGateway, text: str, language: str) -> None:
    answer = text_of(await deltas(gateway, ask(text, MEMORY, language=language)))
    assert "hairem memory forget" in answer
    assert "4711" not in answer


@pytest.mark.parametrize(
    "text",
    [
        "Don't forget that the plumber comes",
        "N'oublie pas que le plombier vient",
        "Did I forget my keys?",
        "I forgot my keys",
        "J'ai oublié mes clés",
        "Efface la liste des courses",
    ],
)
async def test_what_asks_for_no_forgetting(gateway: ModelGateway, text: str) -> None:
    answer = text_of(await deltas(gateway, ask(text, name="Anna")))
    assert "memory forget" not in answer
