"""`clearcast bench lists`: every list is asked for, and the bar is for short pages."""

from __future__ import annotations

import json
import sys

import pytest

from server.bench import lists
from server.bench.common import main


def test_prints_one_object_about_real_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amounts = ["--recordings", "6", "--channels", "3", "--friends", "3"]
    monkeypatch.setattr(sys, "argv", ["bench", "--json", *amounts, "--requests", "24", "--limit", "30"])
    assert main("bench", None, lists.add_arguments, lists.run) == 0
    result = json.loads(capsys.readouterr().out)
    assert all(result[f"{name}_per_core_second"] > 1 for name in lists.LISTS)
    assert (result["items_of_a_page"], result["bar_per_core_second"], result["holds"]) == (30, None, True)


def test_the_slowest_list_decides() -> None:
    amounts = lists.Amounts(1, 1, 1)
    found = dict.fromkeys(lists.LISTS, lists.BAR)
    assert lists.figures(amounts, lists.PAGE, 8, found)["holds"]
    assert not lists.figures(amounts, lists.PAGE, 8, {**found, "friends": lists.BAR - 1})["holds"]
