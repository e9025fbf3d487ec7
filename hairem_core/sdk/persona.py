"""Who an agent is."""

from pydantic import BaseModel, ConfigDict, Field


class Persona(BaseModel):
    """The content of `persona.yaml`, and the names from the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: str
    name: str
    languages: list[str] = Field(min_length=1)
    """The languages the agent speaks, the preferred one first."""
    character: dict[str, str] = Field(default_factory=dict)
    """By language: who the agent is and how it speaks, addressed to it."""

    def language_for(self, wanted: str | None) -> str:
        """Return the language to speak with someone who wants `wanted`, such as `fr-CH`."""
        base = (wanted or "").replace("_", "-").partition("-")[0].lower()
        return base if base in self.languages else self.languages[0]

    def prompt(self, language: str) -> str:
        """Return the character in `language`, or in another one if it has none there."""
        if not self.character:
            return f"You are {self.name}."
        return self.character.get(language) or next(iter(self.character.values()))
