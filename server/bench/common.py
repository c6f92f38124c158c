"""What all benches share: one JSON object on stdout, everything else on stderr, and fair repeated measuring."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import ClearcastError


def note(text: str) -> None:
    """Tell the person who waits how far it is."""
    print(text, file=sys.stderr, flush=True)


def emit(result: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print the result: with `--json` exactly one JSON object, otherwise a line per figure.

    What is no number becomes null.
    """
    clean = _plain(result)
    if getattr(arguments, "json", False):
        print(json.dumps(clean), flush=True)
        return
    width = max((len(name) for name in clean), default=0)
    for name, value in clean.items():
        print(f"{name:<{width}}  {'–' if value is None else value}", flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


@contextlib.contextmanager
def stray_output_to_stderr() -> Iterator[None]:
    """Whatever libraries print meanwhile does not reach stdout."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took, in seconds."""

    processor: float
    """Of all threads of this process."""
    wall: float


def cost_of(work: Callable[[], object]) -> Cost:
    """Run `work` once."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.process_time() - processor, time.perf_counter() - wall)


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[Cost]]:
    """Run every way once a round, one after the other, so that a busy moment of the machine meets all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, work in ways.items():
            costs[name].append(cost_of(work))
            note(f"round {number + 1} of {rounds}: {name} took {costs[name][-1].processor:.2f} s of processor time")
    return costs


def median_ratio(ours: Sequence[float], baseline: Sequence[float]) -> float | None:
    """Median over the rounds of ours / baseline; None without rounds."""
    ratios = [own / other for own, other in zip(ours, baseline, strict=True) if other > 0]
    return statistics.median(ratios) if ratios else None


def main(
    program: str,
    description: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int],
) -> int:
    """A bench as a program of its own; the exit status."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object")
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except ClearcastError as error:
        note(error.message)
        return 1
