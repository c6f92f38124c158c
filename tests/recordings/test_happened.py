"""What the event log says of a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server.recordings.facts import DenoiseSpan, Gap, ModelUsed
from server.recordings.happened import MOST_COUNTS, MOST_GAPS, Happened, read

LENGTH = 960_000


def log(tmp_path: Path, *events: dict[str, Any] | str) -> Happened:
    path = tmp_path / "events.jsonl"
    lines = [event if isinstance(event, str) else json.dumps(event, separators=(",", ":")) for event in events]
    path.write_text("".join(f"{line}\n" for line in lines))
    return read(path, LENGTH)


ON = {"type": "recording_on", "at": 0}


def test_missing_sound_is_told_by_why_it_is_missing(tmp_path: Path) -> None:
    found = log(
        tmp_path,
        ON,
        {"type": "gap", "at": 48_000, "end": 48_960},
        {"type": "gap", "at": 50_000, "end": 50_960},  # near the one before: one hole to whoever listens
        {"type": "state", "at": 100_000, "state": "reconnecting"},
        {"type": "gap", "at": 100_000, "end": 199_000},
        {"type": "state", "at": 200_000, "state": "live"},
        {"type": "off_record", "at": 300_000, "on": True},
        {"type": "gap", "at": 300_000, "end": 400_000, "kind": "off the record"},
        {"type": "recording_off", "at": 500_000},
        {"type": "recording_on", "at": 600_000},
        {"type": "recording_failed", "at": 900_000},
    )
    assert found.gaps == [
        Gap(48_000, 50_960, "lost"),
        Gap(100_000, 199_000, "away"),
        Gap(300_000, 400_000, "off the record"),
        Gap(500_000, 600_000, "not recorded"),
        Gap(900_000, LENGTH, "not recorded"),
    ]


def test_a_recording_that_began_late_lacks_its_beginning(tmp_path: Path) -> None:
    assert log(tmp_path, {"type": "recording_on", "at": 96_000}).gaps == [Gap(0, 96_000, "not recorded")]


def test_how_the_noise_was_treated_over_time(tmp_path: Path) -> None:
    found = log(
        tmp_path,
        ON,
        {"type": "stream", "at": 0, "denoise": "active", "strength": 0.8},
        {"type": "denoise", "at": 100_000, "strength": 0.5, "post_filter": True},
        {"type": "denoise_degraded", "at": 200_000},
        {"type": "denoise_recovered", "at": 300_000},
        {"type": "denoise", "at": 400_000, "mode": "bypassed"},
    )
    assert found.denoise == [
        DenoiseSpan(0, 100_000, "active", 0.8),
        DenoiseSpan(100_000, 200_000, "active", 0.5),
        DenoiseSpan(200_000, 300_000, "degraded", 0.0),
        DenoiseSpan(300_000, 400_000, "active", 0.5),
        DenoiseSpan(400_000, LENGTH, "bypassed", 0.0),
    ]


def test_models_are_named_once_and_listeners_over_time(tmp_path: Path) -> None:
    denoiser = {"stage": "denoise", "name": "Model", "version": "1"}
    found = log(
        tmp_path,
        ON,
        {"type": "models", "at": 0, "models": [denoiser]},
        {"type": "models", "at": 100, "models": [denoiser, {"stage": "captions", "name": "Ear", "version": "2"}]},
        {"type": "listeners", "at": 0, "count": 1},
        {"type": "listeners", "at": 480_000, "count": 3},
    )
    assert found.models == [ModelUsed("denoise", "Model", "1"), ModelUsed("captions", "Ear", "2")]
    assert found.listeners == [(0, 1), (480_000, 3)]


def test_a_log_that_is_torn_or_means_nothing_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    found = log(
        tmp_path,
        ON,
        "not JSON",
        "[1]",
        '{"type":"gap","at":"x"}',
        '{"type":"gap","at":5}',
        '{"type":"models","at":0,"models":[3]}',
        '{"type":"gap","at":0,"end":960}',
        '{"type":"gap","at":10,"e',
    )
    assert (found.gaps, found.denoise, found.models) == ([Gap(0, 960, "lost")], [], [])
    assert read(tmp_path / "none", LENGTH) == Happened()


def test_there_is_a_bound_to_what_is_told(tmp_path: Path) -> None:
    gaps = [{"type": "gap", "at": 40_000 * n, "end": 40_000 * n + 960 + n} for n in range(MOST_GAPS + 100)]
    counts = [{"type": "listeners", "at": n, "count": n % 7} for n in range(10 * MOST_COUNTS)]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in [ON, *gaps, *counts]))
    found = read(path, 40_000_000)
    assert len(found.gaps) == MOST_GAPS and found.gaps[0].start == 100 * 40_000  # the longest stay
    assert len(found.listeners) <= MOST_COUNTS and max(count for _, count in found.listeners) == 6
