"""Media hosts that are closed after a test, however it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rooms.hearing import TALK, ScriptedCaptions
from tests.rooms.runs import Runs
from tests.rooms.station import Station
from tests.rooms.studio import Studio


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    """On a simulated clock; it waits five seconds for a publisher to come back."""
    studio = Studio(tmp_path, reconnect_s=5)
    yield studio
    await studio.host.close()


@pytest.fixture
def service() -> ScriptedCaptions:
    return ScriptedCaptions(list(TALK))


@pytest.fixture
async def captioned(tmp_path: Path, service: ScriptedCaptions) -> AsyncIterator[Studio]:
    """Whose streams are heard by `service`."""
    studio = Studio(tmp_path, captions=service)
    await studio.host.start()
    yield studio
    await studio.host.close()


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    """Over real WebRTC, without a denoiser."""
    station = Station(tmp_path, denoise="off")
    await station.host.start()
    yield station
    await station.close()


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Runs]:
    """One run after another on a simulated clock."""
    runs = Runs(tmp_path)
    yield runs
    await runs.close()
