"""Step 3: the code, read and never run."""

from hairem_core.hotplug.bundle import LOGIC_NAME
from hairem_core.hotplug.gatekeeper.asyncio_rules import check_asyncio
from hairem_core.hotplug.gatekeeper.ctx import check_ctx
from hairem_core.hotplug.gatekeeper.files import BundleFile
from hairem_core.hotplug.gatekeeper.form import check_form
from hairem_core.hotplug.gatekeeper.imports import check_imports
from hairem_core.hotplug.gatekeeper.manifest import ManifestStep
from hairem_core.hotplug.gatekeeper.reach import check_reach
from hairem_core.hotplug.gatekeeper.resolver import Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule
from hairem_core.hotplug.gatekeeper.source import read_code
from hairem_core.hotplug.gatekeeper.tools import check_tools


def check_logic(
    files: list[BundleFile],
    step: ManifestStep,
    requirements: frozenset[str],
    findings: Findings,
) -> None:
    """Note what is wrong with the Python among `files`."""
    if any(each.name.startswith(f"{LOGIC_NAME}/") for each in files):
        what, hint = f"{LOGIC_NAME} is a folder", "Put a file of this name there."
        findings.add(Rule.NOT_A_FILE, what, hint, file=LOGIC_NAME)
    code = read_code(files, findings)
    resolver = Resolver(code)
    try:
        check_form(code, resolver, step, findings)
        check_tools(code, resolver, findings)
        check_imports(code, resolver, requirements, findings)
        check_ctx(code, resolver, findings)
        check_reach(code, resolver, step.permissions, findings)
        check_asyncio(code, resolver, findings)
    except RecursionError:
        # Thousands of classes, each made of the one before: nobody writes that by hand.
        what = "names lead to names too many times to follow"
        findings.add(Rule.TOO_COMPLEX, what, "Simplify the code.")
