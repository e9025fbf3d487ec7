"""What an accepted bundle still needs before it can run: libraries, secrets, settings."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import REQUIREMENTS_NAME, Bundle
from hairem_core.hotplug.report import Finding, Step
from hairem_core.hotplug.requirements import RequirementInstaller, RequirementsError
from hairem_core.hotplug.secrets import SecretError, SecretStore
from hairem_core.hotplug.slots import manifest_name


class NotProvided(HairemError):
    """Something that a bundle needs is not to be had."""

    code = "not_provided"

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what, where=finding.file or None, hint=finding.hint or None)
        self.finding = finding


class Provider:
    """Finds what this house has for an agent."""

    def __init__(
        self,
        installer: RequirementInstaller,
        secrets: SecretStore,
        settings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """`settings` are, by agent id, what this house wants otherwise than the manifest."""
        self._installer = installer
        self._secrets = secrets
        self._settings = settings

    async def provide(
        self, bundle: Bundle, *, known_ids: Collection[str], progress: Callable[[str], None]
    ) -> Bundle:
        """Return a bundle with all it needs. Raises NotProvided."""
        overrides = self._overrides(bundle)
        return replace(
            bundle,
            overrides=overrides,
            libraries=await self._libraries(bundle, progress),
            secrets=await self._resolve(bundle, known_ids),
        )

    def clean(self, used: Collection[Path]) -> None:
        """Remove the libraries that nobody uses any more."""
        self._installer.clean(used)

    async def _libraries(self, bundle: Bundle, progress: Callable[[str], None]) -> Path | None:
        wanted = bundle.folder / REQUIREMENTS_NAME
        if not wanted.is_file():
            return None
        try:
            return await self._installer.install(bundle.agent_id, wanted, progress)
        except RequirementsError as err:
            what = err.what.replace(f"{bundle.folder}/", "")
            finding = Finding(
                step=Step.ASSETS,
                rule="requirements",
                file=REQUIREMENTS_NAME,
                what=what,
                hint=err.hint or "",
            )
            raise NotProvided(finding) from err

    async def _resolve(self, bundle: Bundle, known_ids: Collection[str]) -> dict[str, str]:
        try:
            return await asyncio.to_thread(
                self._secrets.resolve, bundle.manifest, known_ids=known_ids
            )
        except SecretError as err:
            # Nothing watches the secrets' file: it is read when an agent starts.
            hint = f"{err.hint or ''} Then `hairem agent reload {bundle.agent_id}`.".strip()
            raise _in_manifest(bundle, "secret", err.what, hint) from err

    def _overrides(self, bundle: Bundle) -> dict[str, Any]:
        wanted = self._settings.get(bundle.agent_id, {})
        if unknown := sorted(wanted.keys() - bundle.manifest.config.keys()):
            what = (
                f"system.yaml sets agents.settings.{bundle.agent_id}.{unknown[0]}, "
                "and `config` has no such key"
            )
            known = ", ".join(sorted(bundle.manifest.config)) or "none"
            raise _in_manifest(bundle, "setting", what, f"It has: {known}.")
        return dict(wanted)


def _in_manifest(bundle: Bundle, rule: str, what: str, hint: str) -> NotProvided:
    return NotProvided(
        Finding(
            step=Step.MANIFEST, rule=rule, file=manifest_name(bundle.source), what=what, hint=hint
        )
    )
