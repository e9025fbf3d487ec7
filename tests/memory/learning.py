"""Learning of what was said, by rule, as tests need it."""

from hairem_core.memory.interpret.interpreter import Interpreter
from hairem_core.memory.store import MemoryStore


def interpreter_of(store: MemoryStore) -> Interpreter:
    """Return an interpreter of a store, which has no model."""
    return Interpreter(
        store.database,
        store.writer,
        store.events,
        store.fragments,
        store.names.identify,
        clock=store.clock,
    )


async def learn(store: MemoryStore) -> None:
    """Have facts made of all that was recorded."""
    interpreter = interpreter_of(store)
    await interpreter.settle()
    await interpreter.stop()
