"""Language models: the LiteLLM gateway, and the offline brain for a house without one."""
