"""What a check says: how it is, one sentence on what it is, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from server import __version__


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    LOOK = "look"
    """Works, or will, but not as well as it could."""
    FAILS = "fails"
    """Streams cannot be carried like this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    state: State
    what: str
    remedy: str = ""
    """What to do; empty where there is nothing to do."""
    data: dict[str, Any] = field(default_factory=dict)
    """Figures for programs."""


def ok(name: str, what: str, **data: Any) -> Finding:
    return Finding(name, State.OK, what, data=data)


def look(name: str, what: str, remedy: str, **data: Any) -> Finding:
    return Finding(name, State.LOOK, what, remedy, data)


def fails(name: str, what: str, remedy: str, **data: Any) -> Finding:
    return Finding(name, State.FAILS, what, remedy, data)


def worst(findings: Sequence[Finding]) -> State:
    """The state of the whole machine."""
    return max((finding.state for finding in findings), key=list(State).index, default=State.OK)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The report for programs."""
    return {
        "version": __version__,
        "state": worst(findings).value,
        "findings": [asdict(finding) for finding in findings],
    }


def as_text(findings: Sequence[Finding], width: int = 100) -> str:
    """The report for people."""
    room = max((len(finding.name) for finding in findings), default=0)
    indent = " " * (len("fails") + 2 + room + 2)
    lines = [f"Clearcast {__version__} on this machine", ""]
    for finding in findings:
        head = f"{finding.state:<5}  {finding.name:<{room}}  "
        lines += textwrap.wrap(finding.what, width, initial_indent=head, subsequent_indent=indent)
        if finding.remedy:
            lines += textwrap.wrap(finding.remedy, width, initial_indent=f"{indent}→ ", subsequent_indent=f"{indent}  ")
    return "\n".join([*lines, "", _summary(findings)])


def _summary(findings: Sequence[Finding]) -> str:
    failing, odd = ([item.name for item in findings if item.state is state] for state in (State.FAILS, State.LOOK))
    parts = []
    if failing:
        parts.append(f"{len(failing)} {'thing fails' if len(failing) == 1 else 'things fail'}: {', '.join(failing)}.")
    if odd:
        parts.append(f"{len(odd)} {'is' if len(odd) == 1 else 'are'} worth a look: {', '.join(odd)}.")
    return " ".join(parts) or "All is well."
