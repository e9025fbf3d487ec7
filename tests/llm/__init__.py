"""Tests of the llm room, against the scripted model server and the real LiteLLM."""
