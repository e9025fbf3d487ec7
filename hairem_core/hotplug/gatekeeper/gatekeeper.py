"""The Gatekeeper: takes the steps in their order and writes the report."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hairem_core.hotplug.bundle import Bundle, assemble_bundle
from hairem_core.hotplug.gatekeeper.assets import check_assets
from hairem_core.hotplug.gatekeeper.files import list_files
from hairem_core.hotplug.gatekeeper.logic import check_logic
from hairem_core.hotplug.gatekeeper.manifest import check_manifest
from hairem_core.hotplug.gatekeeper.requirements import check_requirements
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule, in_order
from hairem_core.hotplug.report import Report, Step
from hairem_core.hotplug.snapshot import take_snapshot


class Gatekeeper:
    """Decides from its files alone whether a bundle may become an agent.

    It is a gate, not a sandbox: it finds mistakes, and what an agent should have asked for. What
    code written to deceive could do is bounded by the process it runs in.
    """

    def check(
        self,
        snapshot: Path,
        *,
        source: Path,
        hash: str = "",  # noqa: A002 - the bundle's field
    ) -> tuple[Report, Bundle | None]:
        """Return what steps 1 to 3 find in `snapshot`, and the bundle if there is no error.

        A step is taken though the one before it failed. Nothing of the bundle is run. Raises
        OSError when the snapshot, which is H-Core's own, cannot be read.
        """
        manifest = check_manifest(snapshot)
        files = list_files(snapshot)
        assets = Findings(Step.ASSETS)
        check_assets(files, manifest, assets)
        requirements = check_requirements(snapshot, assets)
        logic = Findings(Step.LOGIC)
        check_logic(files, manifest, requirements, logic)
        found = [*manifest.findings, *assets.as_list(), *logic.as_list()]
        report = Report(
            folder=str(source),
            agent_id=manifest.agent_id,
            hash=hash or None,
            findings=tuple(in_order(found)),
        )
        if not report.is_accepted or manifest.manifest is None:
            return report, None
        bundle = assemble_bundle(
            snapshot, manifest.manifest, manifest.persona, source=source, hash=hash
        )
        return report, bundle


def check_folder(path: Path) -> Report:
    """Return what the Gatekeeper finds in a bundle's folder as it is now, for the command line.

    Raises OSError when no copy of it can be made.
    """
    if not path.is_dir():
        findings = Findings(Step.MANIFEST)
        hint = "Name the folder that holds manifest.yaml."
        findings.add(Rule.NO_MANIFEST, f"there is no folder {path}", hint)
        return Report(folder=str(path), findings=tuple(findings.as_list()), last_step=Step.MANIFEST)
    with tempfile.TemporaryDirectory(prefix="hairem-check-") as into:
        snapshot = take_snapshot(path, Path(into))
        report, _ = Gatekeeper().check(snapshot.folder, source=path, hash=snapshot.hash)
    return replace(report, findings=tuple(in_order([*snapshot.findings, *report.findings])))
