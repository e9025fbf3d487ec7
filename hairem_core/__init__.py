"""H-Core: the bus, the memory, the models and the agents of hAIrem."""

__version__ = "0.1.0"
