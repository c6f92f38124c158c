"""`clearcast bench exchange`: every hop comes back as it went."""

from __future__ import annotations

import json
import sys

import pytest

from server.bench import exchange
from server.bench.common import main


def test_prints_one_object_and_every_hop_came_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--json", "--streams", "8", "--seconds", "0.3"])
    assert main("bench", None, exchange.add_arguments, exchange.run) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["streams"], result["rounds"], result["wrong"], result["bar_ms"]) == (8, 30, 0, 1.0)
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert 0 <= result["undisturbed_rounds"] <= 30
    assert result["undisturbed_rounds"] == 0 or 0 < result["undisturbed_p99_ms"] <= result["max_ms"]
    assert 0 < result["floor_p50_ms"] <= result["floor_p99_ms"]
    assert result["ratio_to_floor"] == pytest.approx(result["p50_ms"] / result["floor_p50_ms"], rel=1e-4)
