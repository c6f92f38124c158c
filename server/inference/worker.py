"""The denoise worker: a process that takes a hop of every stream, denoises them as one batch and gives them back.

Started by the supervisor as `python -m server.inference.worker`; says what becomes of it as lines of JSON on the
control socket, and ends when that closes.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.clock import HOP
from server.errors import ClearcastError, ModelCorrupt, ModelMissing, Unavailable
from server.inference.denoiser import Denoiser
from server.inference.exchange.area import Area, Control, Descriptors, Words, WorkerState
from server.inference.exchange.worker import Batch, WorkerEnd
from server.inference.headroom import streams_in_real_time
from server.log import configure_logging, get_logger
from server.process import raise_priority

MOVED_AFTER = 2
"""Times that a stream's slot in the engine may break before the stream is moved to another."""

DEAD_BATCHES = 100
"""So many batches in a row of which nothing was finite, a second or so: then it is the engine that is broken."""

SPARE_SLOTS = 8
"""Slots of the engine beyond those of the exchange, for streams that are moved."""

LOADER = "server.inference.denoiser:load_denoiser"
BEAT_MS = 100
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker is told at its start."""

    engine: str
    """"DeepFilterNet3", "DeepFilterNet2" or "RNNoise"."""
    model_dir: str | None
    device: str
    """"auto", "cpu" or "cuda"."""
    threads: int
    capacity: int
    delay: int
    """Lookahead that the answers are labelled with, samples; at least the engine's own."""
    levelling: bool = True
    streams_realtime: int | None = None
    """What was measured before with this engine on this device; None to measure."""
    max_age_ms: int = 100
    """A hop that has waited longer is thrown away."""
    loader: str = LOADER
    """`module:function` that makes the denoiser."""
    log_level: str = "info"
    log_format: str = "console"

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Lanes:
    """Keeps the denoiser's slots in step with the exchange's, and labels the answers.

    An answer is worth giving only when the denoiser has heard the whole of its content without a break, so the first
    ones of each piece of audio, and those after a hop was lost, are held back.
    """

    def __init__(self, end: WorkerEnd, denoiser: Denoiser, delay: int) -> None:
        if denoiser.delay > delay or delay % HOP or denoiser.delay % HOP:
            raise ValueError(f"a lookahead of {denoiser.delay} samples does not fit into {delay}")
        capacity = end.area.capacity
        self._end = end
        self._denoiser = denoiser
        self._lookahead = denoiser.delay // HOP
        self._ahead = (delay - denoiser.delay) // HOP
        self._held = np.full(capacity, -1, np.int64)
        self._generation = np.zeros(capacity, np.int64)
        self._next = np.zeros(capacity, np.int64)
        self._began = np.zeros(capacity, np.int64)
        self._post_filter = np.zeros(capacity, np.bool_)
        self._failures = np.zeros(capacity, np.int64)
        self._dead_batches = 0

    def run(self, batch: Batch) -> None:
        """Denoise one hop of each slot and hand the answers over.

        Raises RuntimeError when for long nothing came out of the engine that is audio.
        """
        slots = batch.slots
        changed = (self._generation[slots] != batch.generations) | (self._held[slots] < 0)
        broken = changed | (self._next[slots] != batch.indices)
        for slot in slots[changed].tolist():
            if self._held[slot] < 0:
                self._held[slot] = self._denoiser.add()
            else:
                self._denoiser.reset(int(self._held[slot]))
        self._generation[slots] = batch.generations
        self._began[slots[broken]] = batch.indices[broken]
        self._next[slots] = batch.indices + 1
        self._set_post_filter(slots, changed)
        held = self._held[slots].tolist()
        clean = self._denoiser.step(held, batch.hops)
        dead = len(self._denoiser.broken) == len(held)
        self._dead_batches = self._dead_batches + 1 if dead else 0
        if self._dead_batches >= DEAD_BATCHES:
            raise RuntimeError("nothing that the denoiser gives is finite")
        if self._denoiser.broken:
            self._mend(slots, batch.indices, np.isin(held, self._denoiser.broken))
        whole = batch.indices - self._began[slots] >= self._lookahead
        self._end.answer(batch, batch.indices + self._ahead, clean, whole)

    def _set_post_filter(self, slots: Words, changed: NDArray[np.bool_]) -> None:
        wanted = self._end.post_filter(slots)
        for row in np.flatnonzero(changed | (wanted != self._post_filter[slots])).tolist():
            self._denoiser.post_filter(int(self._held[slots[row]]), bool(wanted[row]))
        self._post_filter[slots] = wanted

    def _mend(self, slots: Words, indices: Words, broken: NDArray[np.bool_]) -> None:
        """The engine has reset these: their answers are held back as at the start of a piece of audio.

        A stream to which it happens again gets another of the engine's slots; the old one is used by nobody any more.
        """
        self._began[slots[broken]] = indices[broken] + 1
        self._failures[slots[broken]] += 1
        for slot in slots[broken].tolist():
            log = get_logger(__name__)
            log.warning("the denoiser's output was not finite", slot=slot, times=int(self._failures[slot]))
            if self._failures[slot] >= MOVED_AFTER:
                try:
                    self._held[slot] = self._denoiser.add()
                except Unavailable:
                    continue  # reset as it is, the old one is better than none
                self._failures[slot] = 0
                self._denoiser.post_filter(int(self._held[slot]), bool(self._post_filter[slot]))

    def drop_closed(self) -> None:
        """Give back the denoiser's slots of streams that are gone."""
        for slot in np.flatnonzero(self._end.closed() & (self._held >= 0)).tolist():
            self._denoiser.remove(int(self._held[slot]))
            self._held[slot] = -1
            self._failures[slot] = 0


def warm_up(denoiser: Denoiser, capacity: int) -> None:
    """Run every size of batch in powers of two, so that the first stream does not pay for first times."""
    noise = np.random.default_rng(0).normal(0.0, 0.01, (min(capacity, 64), HOP)).astype(np.float32)
    slots = [denoiser.add() for _ in noise]
    size = 1
    while size <= len(slots):
        for _ in range(4):
            denoiser.step(slots[:size], noise[:size])
        size *= 2
    for slot in slots:
        denoiser.remove(slot)


def load(config: WorkerConfig) -> tuple[Denoiser, str]:
    """The denoiser, warm, and what a person should know about it.

    A device that fails for want of memory or of a working driver is given up for the processor.
    """
    module, _, function = config.loader.partition(":")
    make: Callable[..., Denoiser] = getattr(importlib.import_module(module), function)
    folder = Path(config.model_dir) if config.model_dir else None

    def prepared(device: str) -> Denoiser:
        options = {"levelling": config.levelling} if config.loader == LOADER else {}
        denoiser = make(config.engine, folder, device, config.threads, config.capacity + SPARE_SLOTS, **options)
        warm_up(denoiser, config.capacity)
        return denoiser

    if config.device == "cpu":
        return prepared("cpu"), ""
    try:
        return prepared(config.device), ""
    except (ModelMissing, ModelCorrupt):
        raise
    except (RuntimeError, Unavailable) as error:  # torch raises the first, or a subclass, for every failure of a device
        get_logger(__name__).warning("the GPU cannot be used, going on with the processor", error=str(error))
        return prepared("cpu"), "The GPU could not be used, so the noise is taken out by the processor."


def die_with_parent(parent: int) -> None:
    """End at once when the server ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def serve(end: WorkerEnd, lanes: Lanes, control: socket.socket, max_age_ms: int) -> None:
    """Denoise until the control socket closes."""
    requests = end.area.descriptors.requests
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    poll.register(control.fileno(), select.POLLIN)
    while True:
        ready = dict(poll.poll(BEAT_MS))
        end.beat()
        if control.fileno() in ready and not control.recv(4096):
            return
        if requests not in ready:
            continue
        end.woken()
        while (batch := end.take(time.monotonic_ns() - max_age_ms * 1_000_000)) is not None:
            lanes.run(batch)
            end.signal()
            end.beat()
        lanes.drop_closed()


def say(control: socket.socket, **message: Any) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def run(work: Callable[[], None], control: socket.socket, what: str) -> int:
    """Do a worker's work; the exit status. Why it ends early is logged and said on the control socket."""
    log = get_logger(__name__)
    try:
        work()
    except ClearcastError as error:
        log.error("a worker cannot do its work", worker=what, reason=error.message)
        say(control, event="failed", code=error.code, message=error.message)
        return 1
    except (BrokenPipeError, ConnectionResetError):
        return 0
    except Exception as error:  # the process's last boundary: whatever a model raised is logged and told
        log.exception("a worker failed", worker=what)
        say(control, event="failed", code="internal", message=f"{type(error).__name__}: {error}")
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the worker; the exit status is 0 after an orderly end and 1 after a failure that was reported."""
    parser = argparse.ArgumentParser(prog="python -m server.inference.worker")
    parser.add_argument("--descriptors", required=True, help="memory,requests,answers,control")
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    parser.add_argument("--config", required=True, help="JSON of WorkerConfig")
    options = parser.parse_args(arguments)
    config = WorkerConfig(**json.loads(options.config))
    memory, requests, answers, channel = (int(part) for part in options.descriptors.split(","))
    die_with_parent(options.parent)
    raise_priority()
    configure_logging(config.log_level, config.log_format)
    control = socket.socket(fileno=channel)

    def work() -> None:
        area = Area(Descriptors(memory, requests, answers), config.capacity)
        for word in Control:
            area.control[word] = 0
        began = time.monotonic()
        denoiser, detail = load(config)
        end = WorkerEnd(area)
        lanes = Lanes(end, denoiser, config.delay)
        streams = config.streams_realtime or streams_in_real_time(denoiser, config.capacity)
        gc.collect()
        gc.freeze()
        end.state(WorkerState.READY, config.delay)
        seconds = round(time.monotonic() - began, 2)
        about: dict[str, Any] = {"engine": denoiser.name, "device": denoiser.device, "runtime": denoiser.runtime}
        about["streams_realtime"] = streams
        get_logger(__name__).info("denoiser ready", **about, seconds=seconds)
        say(control, event="ready", detail=detail, **about)
        serve(end, lanes, control, config.max_age_ms)

    return run(work, control, "denoiser")


if __name__ == "__main__":
    sys.exit(main())
