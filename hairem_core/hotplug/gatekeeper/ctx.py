"""Step 3: what the code asks of `ctx`, held against what there is."""

import ast
import difflib

from hairem_core.hotplug.gatekeeper.code import Class, Code, Parameter, Scope
from hairem_core.hotplug.gatekeeper.contract import CTX_FIELDS, CTX_SERVICES
from hairem_core.hotplug.gatekeeper.resolver import Instance, Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule


def check_ctx(code: Code, resolver: Resolver, findings: Findings) -> None:
    """Note what is asked of `self.ctx` in an agent and is not there."""
    for module in code.modules.values():
        for reference in module.references:
            node = reference.node
            if not isinstance(node, ast.Attribute):
                continue
            owner = node.value
            if _is_ctx(owner, reference.scope, resolver):
                name, known = "ctx", CTX_FIELDS
            elif (
                isinstance(owner, ast.Attribute)
                and owner.attr in CTX_SERVICES
                and _is_ctx(owner.value, reference.scope, resolver)
            ):
                name, known = f"ctx.{owner.attr}", CTX_SERVICES[owner.attr]
            else:
                continue
            if node.attr in known or node.attr.startswith("__"):
                continue
            close = difflib.get_close_matches(node.attr, known, n=1)
            findings.add(
                Rule.CTX_UNKNOWN,
                f"`{name}` has no `{node.attr}`",
                f"Did you mean `{close[0]}`?" if close else f"There are {', '.join(known)}.",
                file=module.file,
                line=node.lineno,
            )


def _is_ctx(node: ast.expr, scope: Scope, resolver: Resolver) -> bool:
    """Return whether `node` is surely the `self.ctx` that BaseAgent sets."""
    if not (isinstance(node, ast.Attribute) and node.attr == "ctx"):
        return False
    if not isinstance(node.value, ast.Name):
        return False
    owners = resolver.values(node.value, scope)
    return bool(owners) and all(
        isinstance(each, Instance) and _has_own_ctx(each.of, resolver) for each in owners
    )


def _has_own_ctx(of: Class, resolver: Resolver) -> bool:
    if not resolver.is_agent(of):
        return False
    for each in resolver.lineage(of):
        if "ctx" in each.body.bindings:
            return False
        for assigned in each.attributes.get("ctx", ()):
            found = (
                assigned.scope.find(assigned.value.id)
                if isinstance(assigned.value, ast.Name)
                else None
            )
            if not found or not all(isinstance(one, Parameter) for one in found):
                return False
    return True
