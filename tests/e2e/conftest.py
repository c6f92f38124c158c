"""A whole server, real browsers, and somebody who watches that pages do not complain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.bench.local import LocalServer, local_server
from tests.e2e.album import FOLDER, Album
from tests.e2e.house import HOST, PATIENT, House, browse, write_talk


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalServer]:
    """`clearcast serve` in a process of its own, with the models that there are."""
    monkeypatch.setenv("LOGNAME", HOST)
    async with local_server(tmp_path / "data", **PATIENT) as running:
        await running.wait_for_denoiser()
        yield running


@pytest.fixture(scope="session")
def talk_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of speech in a noisy room, for a fake microphone."""
    return write_talk(tmp_path_factory.mktemp("talk") / "talk.wav")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_house(
    chromium_path: str, talk_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """A server with the small denoiser, and a browser; for all tests of a file."""
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", HOST)
        async with (
            local_server(folder / "data", denoise="RNNoise", **PATIENT) as running,
            browse(chromium_path, talk_file) as browser,
        ):
            await running.wait_for_denoiser()
            yield House(running, browser)


@pytest_asyncio.fixture(loop_scope="module")
async def house(shared_house: House) -> AsyncIterator[House]:
    """The house, empty before and after each test; a test in which a page complained on its console fails."""
    yield shared_house
    complaints = await shared_house.leave()
    if complaints:
        pytest.fail("pages complained: " + "; ".join(complaints), pytrace=False)


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return Album(Path(FOLDER) if FOLDER else tmp_path / "pictures")
