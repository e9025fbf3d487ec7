"""Help."""


async def greet():
    """Say hello."""
