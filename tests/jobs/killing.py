"""Kills the job that finishes a recording at every point of every step, then does what the next process does.

A program, so that it can fork before it has any thread: `python -m tests.jobs.killing FOLDER` prints, for each point
that there is, what was left behind by whoever was killed and what there is in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from server.jobs.finish import Finish, Step, Task
from server.jobs.runner import left_over
from server.store.captions import CaptionTable
from server.store.records import CaptionVersion
from tests.jobs.finishing import closed, do, finish_in, folder_in, store_in

HALF, UNNAMED, REPLACED = "half a file", "before it is named", "before captions are replaced"
REAL_WRITE, REAL_NAME, REAL_REPLACE = os.write, Path.replace, CaptionTable.replace


def die(*_arguments: Any, **_named: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def hook(reached: Callable[[str], None]) -> None:
    """Have it told when a file is half written, before it gets its name, and before captions are replaced."""

    def half(descriptor: int, data: Any) -> int:
        count = REAL_WRITE(descriptor, bytes(data)[: max(1, len(data) // 2)])
        reached(HALF)
        return count

    def name(path: Path, target: Path) -> Path:
        reached(UNNAMED)
        return REAL_NAME(path, target)

    async def replace(table: CaptionTable, *arguments: Any, **named: Any) -> None:
        reached(REPLACED)
        await REAL_REPLACE(table, *arguments, **named)

    os.write, Path.replace, CaptionTable.replace = half, name, replace  # type: ignore[assignment,method-assign]


def watched(begun: Callable[[str], None], done: Callable[[str], None]) -> None:
    """Have it told which step begins and which is done."""
    steps = Finish.steps

    def wrapped(self: Finish, hear: bool) -> dict[str, tuple[float, Step]]:
        return {name: (share, around(name, step)) for name, (share, step) in steps(self, hear).items()}

    def around(name: str, step: Step) -> Step:
        async def work(task: Task) -> Mapping[str, Any]:
            begun(name)
            result = await step(task)
            done(name)
            return result

        return work

    Finish.steps = wrapped  # type: ignore[method-assign]


async def probe(root: Path) -> None:
    """Say which points there are, from what the job really does."""
    points: dict[str, dict[str, None]] = {}
    watched(lambda name: points.update({name: {"begun": None}}), lambda name: points[name].update({"done": None}))
    hook(lambda point: points[next(reversed(points))].update({point: None}))
    await run(root)
    (root / "points.json").write_bytes(json.dumps({name: list(found) for name, found in points.items()}).encode())


async def doomed(root: Path, name: str, point: str) -> None:
    """Do the job up to a point."""
    now = ""

    def at(step: str, reached: str) -> None:
        if (step, reached) == (name, point):
            die()

    def begun(step: str) -> None:
        nonlocal now
        now = step
        at(step, "begun")

    watched(begun, lambda step: at(step, "done"))
    hook(lambda reached: at(now, reached))
    await run(root)


def forked(work: Coroutine[Any, Any, None]) -> int:
    """How a process ended that did the work: 0 for well, less for the signal that killed it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(work)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    work.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def prepare(root: Path) -> None:
    store = store_in(root)
    await store.open()
    await closed(root, store)
    await store.close()


async def run(root: Path) -> None:
    store = store_in(root)
    job = (await store.jobs.unfinished())[0]
    await do(store, finish_in(root, store), job)
    await store.close()


def files(root: Path) -> list[str]:
    return sorted(path.name for path in folder_in(root).glob("*/*"))


async def restart(root: Path, name: str, point: str) -> None:
    store, found = store_in(root), files(root)
    [job] = await left_over(store, set())
    finish = finish_in(root, store)
    await do(store, finish, job)
    over, captions = await store.jobs.get(job.id), CaptionVersion.FINAL
    said = {
        "step": name,
        "point": point,
        "left": found,
        "reached": job.reached,
        "state": over.state,
        "attempts": over.attempts,
        "error": over.error,
        "files": files(root),
        "facts": (await store.recording(job.subject)).facts,
        "captions": [caption.shown for caption in (await store.captions.page(job.subject, captions)).items],
        "jobs": (await store.jobs.page(None)).total,
    }
    print(json.dumps(said))
    await store.close()


def main(folder: Path) -> None:
    template, tried = folder / "template", folder / "tried"
    template.mkdir()
    forked(prepare(template))
    shutil.copytree(template, tried)
    forked(probe(tried))
    points = json.loads((tried / "points.json").read_text())
    every = [(step, point) for step, found in points.items() for point in found]
    for number, (name, point) in enumerate(every):
        root = folder / str(number)
        shutil.copytree(template, root)
        assert forked(doomed(root, name, point)) == -signal.SIGKILL
        assert forked(restart(root, name, point)) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
