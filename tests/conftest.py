"""Fixtures and guards of the whole suite.

Weights and clips are never part of the repository. `CLEARCAST_MODELS_DIR` and `CLEARCAST_CLIPS_DIR` say where they
are; without them the tests that need them are skipped. `CLEARCAST_REQUIRE=models,browser,quality` turns such skips
into failures.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy import make_url

from server.audio.opus import library_version
from server.bench.local import free_port
from server.store import database
from tests import guards
from tests.machine import ROOT_ONLY

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytest_plugins = ["pytester", "tests.costs"]

KINDS = {"models_dir": "models", "clips_dir": "models", "chromium_path": "browser", "quality_metrics": "quality"}
"""Which kind of test a fixture makes of the test that asks for it."""

FAILED = pytest.StashKey[bool]()
"""Whether a test has failed already: then nothing more is said of what it left behind."""

REQUIRED = {kind.strip() for kind in os.environ.get("CLEARCAST_REQUIRE", "").split(",") if kind.strip()}

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


# ---- what is there, and what must be


def pytest_configure(config: pytest.Config) -> None:
    unknown = REQUIRED - set(KINDS.values())
    if unknown:
        raise pytest.UsageError(f"CLEARCAST_REQUIRE knows {sorted(set(KINDS.values()))}, not {sorted(unknown)}")
    guards.install()
    library_version()  # libopus is found now, as the server does when it starts, and not on an event loop
    os.environ["LOGNAME"] = "nobody"  # the default channel is named after who is logged in
    # As the server configures it, on whatever pytest captures: no tracebacks with coloured source, which take long.
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, console]
    )


def pytest_collection_finish() -> None:
    """What was imported stays: nothing of it is looked through for garbage after every few tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for kind in {KINDS[name] for name in getattr(item, "fixturenames", ()) if name in KINDS}:
            item.add_marker(kind)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    if report.skipped and not hasattr(report, "wasxfail"):
        missing = [kind for kind in sorted(REQUIRED) if item.get_closest_marker(kind)]
        if missing and ROOT_ONLY not in _reason(report):
            report.outcome = "failed"
            report.longrepr = f"skipped, although CLEARCAST_REQUIRE names {', '.join(missing)}: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.outcome == "skipped" and REQUIRED:
        report.outcome = "failed"
        report.longrepr = f"a whole file was skipped, although CLEARCAST_REQUIRE is set: {_reason(report)}"  # type: ignore[assignment]
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def _folder(variable: str, what: str, example: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: the absolute path of a folder with {what}")
    folder = Path(value)
    if not (folder / example).exists():
        pytest.skip(f"{variable}={value} holds no {example}")
    return folder


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Folder of model weights (DeepFilterNet3/, DeepFilterNet2/, …)."""
    return _folder("CLEARCAST_MODELS_DIR", "models (`clearcast models pull` fetches DeepFilterNet3)", "DeepFilterNet3")


@pytest.fixture(scope="session")
def clips_dir() -> Path:
    """Folder of speech with references (denoise/, captions/, …)."""
    return _folder("CLEARCAST_CLIPS_DIR", "test clips (a folder denoise/ with noisy_snr0.wav in it)", "denoise")


# ---- databases


@pytest.fixture(scope="session", autouse=True)
def _migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where a new SQLite database is wanted, a copy of one that was migrated does: that is half of a server's start."""
    migrate, template = database.migrate, tmp_path_factory.mktemp("migrated") / "clearcast.db"

    def quickly(url: str) -> None:
        path = Path(make_url(url).database or "")
        if make_url(url).get_backend_name() == "sqlite" and path.parent.is_dir() and not path.exists():
            if not template.exists():
                migrate(database.database_url(None, template.parent))
            shutil.copyfile(template, path)
        migrate(url)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(database, "migrate", quickly)
        yield


# ---- processes and ports


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of Chromium's program."""
    found = os.environ.get("CLEARCAST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found or not Path(found).exists():
        pytest.skip("Chromium is not installed: `apt-get install chromium`, or set CLEARCAST_CHROMIUM to its path")
    pytest.importorskip("playwright", reason="playwright is not installed: `make test` installs it")
    from playwright.async_api import expect

    expect.set_options(timeout=PATIENCE_MS)
    return found


async def new_page(browser: Browser, **settings: Any) -> Page:
    """A page of somebody new, who waits as long as it takes."""
    context = await browser.new_context(**settings)
    context.set_default_timeout(PATIENCE_MS)
    return await context.new_page()


PATIENCE_MS = 90_000
"""How long a browser may take for what it does on a machine that many use. What is to be quick says so itself."""

LaunchChromium = Callable[..., Awaitable["Browser"]]


@pytest.fixture
async def launch_chromium(chromium_path: str) -> AsyncIterator[LaunchChromium]:
    """`await launch_chromium(microphone=Path | None, args=[…], without=[…])` starts a headless browser.

    It is closed after the test. `microphone` is a WAV file that its fake microphone plays over and over; without one
    it beeps.
    """
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browsers: list[Browser] = []

        async def launch(
            microphone: Path | None = None, args: list[str] | None = None, without: list[str] | None = None
        ) -> Browser:
            more = [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
            browser = await playwright.chromium.launch(
                executable_path=chromium_path,
                timeout=PATIENCE_MS,
                args=[*(arg for arg in CHROMIUM_ARGS if arg not in (without or [])), *more, *(args or [])],
            )
            browsers.append(browser)
            return browser

        yield launch
        for browser in browsers:
            await browser.close()


@pytest.fixture
async def chromium(launch_chromium: LaunchChromium) -> Browser:
    """A headless browser whose fake microphone beeps."""
    return await launch_chromium()


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def quality_metrics() -> Callable[[Any, Any, int], tuple[float, float]]:
    """`(clean, heard, rate) -> (PESQ-WB, STOI)`; arrays of shape (n,) at `rate` = 16000."""
    pesq = pytest.importorskip(
        "pesq", reason="pesq is not installed: `.venv/bin/pip install -e .[quality]` (needs gcc)"
    )
    stoi = pytest.importorskip("pystoi", reason="pystoi is not installed: `make test` installs it")

    def measure(clean: Any, heard: Any, rate: int) -> tuple[float, float]:
        return float(pesq.pesq(rate, clean, heard, "wb")), float(stoi.stoi(clean, heard, rate))

    return measure


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own CLEARCAST_ settings do not reach the tests; folders of models and clips do."""
    keep = {"CLEARCAST_MODELS_DIR", "CLEARCAST_CLIPS_DIR", "CLEARCAST_CHROMIUM", "CLEARCAST_REQUIRE"}
    for name in list(os.environ):
        if name.startswith("CLEARCAST_") and name not in keep:
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLEARCAST_ICE_UDP_PORT", "0")  # tests, and servers beside them, run at the same time
    monkeypatch.setenv("CLEARCAST_ACCOUNTS", "false")  # whoever tests people says so
    monkeypatch.setenv("CLEARCAST_RATE_LIMITS", "off")  # tests ask as often as they like
    monkeypatch.setenv("CLEARCAST_CAPTIONS", "false")  # a process more, and a download: for those who ask for it


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Whoever configures logging does so for one test."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


# ---- guards


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an asynchronous test that leaves tasks behind, or in which the server's code held the event loop."""
    function = getattr(request, "function", None)
    if not inspect.iscoroutinefunction(function):
        yield
        return
    guards.watch.clear()
    request.getfixturevalue("_tasks")
    yield
    if request.node.get_closest_marker("allow_blocking") or request.node.stash.get(FAILED, False):
        return
    if guards.watch.calls:
        pytest.fail("waited on the event loop: " + "; ".join(sorted(set(guards.watch.calls))), pytrace=False)
    if guards.watch.busy:
        pytest.fail("computed on the event loop for " + "\n".join(guards.watch.busy), pytrace=False)


@pytest.fixture
async def _tasks(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    known = asyncio.all_tasks()
    yield
    failed = request.node.stash.get(FAILED, False)
    left = await guards.leftover_tasks(known, patience=0.1 if failed else 10.0)
    if left and not failed and not request.node.get_closest_marker("allow_tasks"):
        pytest.fail("tasks left behind: " + "; ".join(left), pytrace=False)
