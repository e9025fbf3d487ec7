"""LiteLLM costs seconds and 150 MB: it is loaded when a model is configured, and not before."""

import subprocess
import sys
from pathlib import Path

_CODE = """
import asyncio, sys
from hairem_core.config.system import LlmConfig
from hairem_core.llm.gateway import ModelGateway
from hairem_core.sdk.chat import ChatMessage, ChatRequest

async def main():
    gateway = ModelGateway(LlmConfig())
    await gateway.warm_up()
    request = ChatRequest(messages=[ChatMessage(role="user", content="Hello")])
    assert [delta async for delta in gateway.stream("renarde", request)]
    assert gateway.describe()["status"] == "offline"
    await gateway.close()

asyncio.run(main())
heavy = {"litellm", "openai", "httpx", "aiohttp", "surrealdb", "tantivy"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


def test_a_house_without_a_model_never_imports_litellm() -> None:
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", _CODE], check=True, cwd=root)
