"""A recogniser that steps down where memory runs out or the GPU fails: fewer windows at once, int8, the processor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from server.inference.recogniser import DeviceFailed, OutOfMemory, RecogniserSettings, out_of_memory
from server.log import get_logger
from server.speech.decoded import Decoded
from server.speech.processor import Request

ON_GPU = "int8_float16"
ON_CPU = "int8"

log = get_logger(__name__)


class Answering(Protocol):
    """As much of a `Recogniser` as is needed."""

    def alike(self, request: Request) -> Hashable: ...

    def answer_all(self, requests: Sequence[Request]) -> list[Decoded]: ...


Load = Callable[[RecogniserSettings], Answering]


def steps_down(settings: RecogniserSettings) -> Iterator[tuple[RecogniserSettings, str]]:
    """Ever more modest settings, each with what a person should know."""
    while settings.batch > 1:
        settings = replace(settings, batch=settings.batch // 2)
        yield settings, f"Memory is short: captions hear {settings.batch} windows at once."
    gpu = settings.device.startswith("cuda")
    smallest = ON_GPU if gpu else ON_CPU
    if settings.compute_type != smallest:
        settings = replace(settings, compute_type=smallest)
        yield settings, "Memory is short: captions calculate in int8."
    if gpu:
        yield _on_processor(settings), "Memory of the GPU is short: captions are made by the processor."


def _on_processor(settings: RecogniserSettings) -> RecogniserSettings:
    return replace(settings, device="cpu", compute_type=ON_CPU, batch=1)


class SteppingRecogniser:
    """For one thread. `device` and `detail` say how it runs and what a person should know of that."""

    def __init__(self, load: Load, settings: RecogniserSettings) -> None:
        """Loads at once. Raises what `load` does, and `OutOfMemory` where nothing more modest is left."""
        self._load = load
        self.settings = settings
        self.detail = ""
        self._steps = steps_down(settings)
        self._recogniser = self._loaded()

    @property
    def device(self) -> str:
        return self.settings.device

    def alike(self, request: Request) -> Hashable:
        """See `Recogniser.alike`."""
        return self._recogniser.alike(request)

    def answer_all(self, requests: Sequence[Request]) -> list[Decoded]:
        """See `Recogniser.answer_all`; where memory runs out the requests are answered again in a smaller way."""
        while True:
            try:
                return self._in_batches(requests)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or not self._step_down():
                    raise
                self._recogniser = self._loaded()

    def _in_batches(self, requests: Sequence[Request]) -> list[Decoded]:
        size = self.settings.batch
        parts = [requests[first : first + size] for first in range(0, len(requests), size)]
        return [answer for part in parts for answer in self._recogniser.answer_all(part)]

    def _loaded(self) -> Answering:
        while True:
            try:
                return self._load(self.settings)
            except OutOfMemory:
                if not self._step_down():
                    raise
            except DeviceFailed as error:
                log.warning("the GPU cannot be used for captions", reason=error.message)
                self.settings = _on_processor(self.settings)
                self.detail = "The GPU could not be used, so captions are made by the processor."
                self._steps = steps_down(self.settings)

    def _step_down(self) -> bool:
        """Whether there was something left to give up."""
        step = next(self._steps, None)
        if step is None:
            return False
        self.settings, self.detail = step
        log.warning("the recogniser steps down", detail=self.detail)
        return True
