"""The architecture, enforced: who may import whom, where heavy and private things live, how large pieces get."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.source import Import, Module, modules

FOUNDATION = [
    *("errors", "clock", "rates", "config", "metrics", "queues", "masking", "log_limit", "log", "process", "running")
]
MEDIA_HOST = ["audio", "speech", "inference", "rtc", "rooms"]
SERVICES = ["store", "backplane", "accounts", "recordings", "uploads", "jobs", "webhooks", "outside", "web"]
WIRING = [
    *("client", "bench", "doctor", "work", "transcribe", "wiring", "app", "demo"),
    *("user_command", "verify_command", "cli", "__main__"),
]
ORDER = FOUNDATION + MEDIA_HOST + SERVICES + WIRING
"""Imports point only towards the beginning."""

THROUGH_THE_WALL = (
    *("server.audio", "server.speech"),
    *("server.rooms.messages", "server.inference.lane", "server.inference.caption_lane"),
    "server.inference.diarization.thresholds",
)
"""What services may know of the media host: commands, events and states, all serialisable, pure code and data."""

MODEL_LIBRARIES = {
    *("torch", "torchaudio", "onnxruntime", "ctranslate2", "faster_whisper", "diart", "pyannote", "df", "libdf"),
}
PURE = {"audio", "speech"}
IMPURE_MODULES = {
    *("asyncio", "threading", "time", "socket", "subprocess", "multiprocessing", "concurrent", "selectors", "signal"),
    *("sched", "ssl", "urllib", "http", "sqlite3", "logging", "datetime"),
}
HOMES = {"sqlalchemy": {"store"}, "alembic": {"store"}, "aiortc": {"rtc", "client", "bench"}}
"""Libraries that only these parts may import."""

MAX_FILE = 400
MAX_FUNCTION = 50

BOUNDARIES: dict[str, int] = {
    "server/doctor/command.py": 1,  # one check among many
    "server/inference/captioning/desk.py": 1,  # whatever a model raises
    "server/inference/worker.py": 1,  # whatever a model raises
    "server/jobs/runner.py": 1,  # one job among many
    "server/recordings/caption_journal.py": 1,  # one batch among many
    "server/recordings/journal.py": 1,  # one event among many
    "server/rooms/captioning.py": 1,  # captions of one stream, whose audio goes on
    "server/rooms/encode.py": 2,  # one track's packet, handed back from a thread
    "server/rooms/fanout.py": 1,  # one listener among many
    "server/rooms/host.py": 3,  # one stream among many, and whoever listens to events and captions
    "server/rooms/publishing.py": 1,  # one stream among many
    "server/rooms/ticker.py": 1,  # the beat goes on
    "server/rtc/aiortc_contract.py": 1,  # a stranger's packets
    "server/web/middleware.py": 1,  # the last word of a request
}
"""Files that may catch every exception, and how often; each place says why."""

ALL = modules()


def part(module: str) -> str | None:
    """Which entry of ORDER a module belongs to; None outside of `server` and for its root."""
    pieces = module.split(".")
    return pieces[1] if pieces[0] == "server" and len(pieces) > 1 and pieces[1] in ORDER else None


def where(module: Module, found: Import) -> str:
    return f"{module}:{found.line} imports {found.module}"


def downward(module: Module) -> list[str]:
    own = part(module.name)
    if own is None:
        return []
    below = set(ORDER[ORDER.index(own) + 1 :])
    return [where(module, found) for found in [*module.imports, *module.type_imports()] if part(found.module) in below]


def past_the_wall(module: Module) -> list[str]:
    if part(module.name) not in SERVICES:
        return []
    return [
        where(module, found)
        for found in [*module.imports, *module.type_imports()]
        if part(found.module) in MEDIA_HOST
        and not f"{found.module}.".startswith(tuple(f"{name}." for name in THROUGH_THE_WALL))
    ]


def misplaced_libraries(module: Module) -> list[str]:
    own = part(module.name)
    wrong = []
    for found in module.imports:
        library = found.module.split(".")[0]
        # Benches compare with the packages' own way of doing things; they load it when they run.
        model_allowed = own == "inference" or (own == "bench" and found.lazy)
        if (library in MODEL_LIBRARIES and not model_allowed) or own not in HOMES.get(library, {own}):
            wrong.append(where(module, found))
    return wrong


def impurities(module: Module) -> list[str]:
    if part(module.name) not in PURE:
        return []
    wrong = []
    for found in module.imports:
        library = found.module.split(".")[0]
        foreign = library not in sys.stdlib_module_names | {"numpy", "server"}
        if (
            foreign
            or library in IMPURE_MODULES
            or found.module in ("server.log.get_logger", "server.clock.SystemClock")
        ):
            wrong.append(where(module, found))
    return wrong


def test_every_module_has_its_place() -> None:
    assert [str(module) for module in ALL if part(module.name) is None] == ["server/__init__.py"]


def test_imports_point_only_upward() -> None:
    assert [line for module in ALL for line in downward(module)] == []


def test_the_media_host_is_walled_in() -> None:
    assert [line for module in ALL for line in past_the_wall(module)] == []


def test_libraries_stay_where_they_belong() -> None:
    assert [line for module in ALL for line in misplaced_libraries(module)] == []


def test_audio_and_speech_are_pure() -> None:
    assert [line for module in ALL for line in impurities(module)] == []


def test_nothing_grows_too_large() -> None:
    long_files = [
        f"{module}: {module.text.count(chr(10))} lines" for module in ALL if module.text.count("\n") > MAX_FILE
    ]
    long_functions = [
        f"{module}:{node.lineno} {node.name}: {length} lines"
        for module in [*ALL, *modules("tools")]
        for node, length in module.functions
        # A migration is a list of tables, however long.
        if length > MAX_FUNCTION and "migrations" not in module.path.parts
    ]
    assert long_files + long_functions == []


def test_exceptions_are_caught_by_name() -> None:
    unexpected = []
    for module in ALL:
        handlers = list(module.broad_handlers)
        if len(handlers) > BOUNDARIES.get(str(module.path), 0):
            unexpected += [f"{module}:{handler.lineno} catches everything" for handler in handlers]
        for handler in handlers:
            opening = module.text.splitlines()[handler.lineno - 1 : handler.body[0].lineno]
            if not any("#" in line for line in opening):
                unexpected.append(f"{module}:{handler.lineno} does not say why")
    assert unexpected == []


def test_every_module_says_what_it_is_for() -> None:
    assert [str(module) for module in ALL if module.text and not ast.get_docstring(module.tree)] == []


@pytest.mark.parametrize(
    ("file", "source", "check"),
    [
        ("audio/x.py", "from server.rooms import stream", downward),
        ("rooms/x.py", "def later():\n    import server.web.app", downward),
        ("rtc/x.py", "if TYPE_CHECKING:\n    from server.rooms.host import MediaHost", downward),
        ("web/x.py", "from server.rooms.stream import LiveStream", past_the_wall),
        ("store/x.py", "from server import rtc", past_the_wall),
        ("rooms/x.py", "import torch.nn", misplaced_libraries),
        ("bench/x.py", "import torch", misplaced_libraries),
        ("web/x.py", "from sqlalchemy import select", misplaced_libraries),
        ("audio/x.py", "import asyncio", impurities),
        ("speech/x.py", "from av import AudioFrame", impurities),
    ],
)
def test_the_rules_find_what_breaks_them(tmp_path: Path, file: str, source: str, check: object) -> None:
    path = tmp_path / "server" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert callable(check)
    assert len(check(Module(path, tmp_path))) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("web/x.py", "from server.rooms.messages import StreamInfo\nfrom server.audio import ogg"),
        ("bench/x.py", "def reference():\n    import df.enhance"),
        ("rooms/x.py", "from server.rtc.publish import PublisherPeer\nimport asyncio"),
        ("audio/x.py", "import ctypes\nimport numpy as np\nfrom server.clock import HOP"),
    ],
)
def test_the_rules_leave_the_rest_alone(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / "server" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    module = Module(path, tmp_path)
    assert [*downward(module), *past_the_wall(module), *misplaced_libraries(module), *impurities(module)] == []
