"""A whole answer at once, for work that nobody watches: from a model, or not at all."""

import pytest

from hairem_core.config.system import LlmConfig
from hairem_core.llm.errors import ModelRefusedError, ModelRubbishError, ModelUnreachableError
from hairem_core.llm.gateway import ModelGateway
from hairem_core.sdk.chat import ChatMessage
from tests.llm.conftest import MakeGateway, ask, target, tools
from tests.support.bus import until
from tests.support.scripted_model import Rule, ScriptedModel


async def test_the_whole_text_by_role(make_gateway: MakeGateway, model: ScriptedModel) -> None:
    gateway = await make_gateway(lite=target(model, "small"))
    model.script.rules.append(Rule(thinking="Let me see.", reply="\n Tea, and jam. \n"))
    assert await gateway.complete("renarde", ask("x", role="lite")) == "Tea, and jam."
    assert model.requests[0].body["model"] == "small"
    await until(lambda: gateway.describe("renarde")["usage"]["completion_tokens"] > 0)
    assert gateway.describe("renarde")["usage"]["requests"] == 1


@pytest.mark.parametrize("fault", ["http_500", "drop_mid"])
async def test_a_fallback_answers_even_after_the_first_word(
    make_gateway: MakeGateway, model: ScriptedModel, fault: str
) -> None:
    gateway = await make_gateway(chat=target(model) | {"fallbacks": [target(model, "second")]})
    rule = {"model": "^scripted$", "fault": fault, "reply": "one two three"}
    model.script.rules.append(Rule.model_validate(rule))
    model.script.rules.append(Rule(reply="all of it"))
    assert await gateway.complete("renarde", ask("x")) == "all of it"
    assert [each.body["model"] for each in model.requests] == ["scripted", "second"]


async def test_when_all_fail_the_first_error_is_told(
    make_gateway: MakeGateway, model: ScriptedModel
) -> None:
    gateway = await make_gateway(chat=target(model) | {"fallbacks": [target(model, "second")]})
    model.script.rules.append(Rule(fault="http_404"))
    with pytest.raises(ModelRefusedError, match=r"HTTP 404.*fallbacks failed too: openai/second"):
        await gateway.complete("renarde", ask("x"))
    assert gateway.describe("renarde")["usage"]["failures"] == 1


async def test_an_answer_cut_off_is_none(gateway: ModelGateway, model: ScriptedModel) -> None:
    model.script.rules.append(Rule(reply='{"facts": [', finish_reason="length"))
    with pytest.raises(ModelRubbishError, match=r"cut off.*max_tokens of llm\.lite"):
        await gateway.complete("renarde", ask("x", role="lite"))


async def test_secrets_do_not_leave(model: ScriptedModel) -> None:
    config = LlmConfig.model_validate({"chat": target(model)})
    gateway = ModelGateway(config, redact=lambda text: text.replace("hunter2hunter2", "***"))
    try:
        told = ChatMessage(role="system", name="memory", content="It is hunter2hunter2")
        await gateway.complete("renarde", ask("And hunter2hunter2?", told))
    finally:
        await gateway.close()
    sent = str(model.requests[0].body)
    assert "hunter2" not in sent
    assert sent.count("***") == 2


async def test_tools_are_refused(gateway: ModelGateway, model: ScriptedModel) -> None:
    with pytest.raises(ValueError, match="no tools"):
        await gateway.complete("renarde", ask("x", tools=tools()))
    assert not model.requests


async def test_the_offline_brain_is_never_asked() -> None:
    gateway = ModelGateway(LlmConfig())
    assert not gateway.has_model("renarde", "lite")
    assert not gateway.has_model(None, "chat")
    with pytest.raises(ModelUnreachableError, match="HAIREM_CHAT_MODEL"):
        await gateway.complete("renarde", ask("Remember that I like tea", role="lite"))


def test_who_has_a_model() -> None:
    config = {"agents": {"electra": {"chat": {"model": "openai/hers"}}}}
    gateway = ModelGateway(LlmConfig.model_validate(config))
    assert gateway.has_model("electra", "lite")
    assert not gateway.has_model("renarde", "lite")
    assert not gateway.has_model(None, "chat")
    lite = ModelGateway(LlmConfig.model_validate({"lite": {"model": "openai/small"}}))
    assert lite.has_model(None, "lite")
    assert not lite.has_model(None, "chat")
