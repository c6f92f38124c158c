"""Talks on the simulated clock, with scripted models and with the small recogniser."""

from __future__ import annotations

from collections.abc import Sequence

from server.audio.frame import Samples
from server.bench.simulated import Cost, Hearing, SimulatedStream, Simulation, free
from server.speech.processor import Request
from tests.speech.scripted import Line, ScriptedTalk, scripted_vad, sound


class Talks:
    """Streams in which each says its own lines; the model knows by the stream's loudness which is which."""

    def __init__(self, lines: Sequence[Line], length: float, count: int = 1, hearing: Hearing | None = None) -> None:
        self.lines = lines
        self.talk = ScriptedTalk(lines)
        samples: Samples = sound(lines, length)
        self.streams = [SimulatedStream(samples, hearing, starts=number * 6_000) for number in range(count)]

    def run(self, cost: Cost = free, *, one_processor: bool = False) -> Simulation:
        simulation = Simulation(
            {"vad": scripted_vad, "transcribe": self.talk}, _only_recogniser(cost), one_processor=one_processor
        )
        simulation.run(self.streams)
        return simulation

    @property
    def said(self) -> list[str]:
        return [text.strip() for _, _, text in self.lines]


def heard(stream: SimulatedStream) -> list[str]:
    """The words of the final captions in the end."""
    finals = {event.caption.id: event.caption for event in stream.told if event.caption.final}
    return [word.text.strip() for _, caption in sorted(finals.items()) for word in caption.words]


def _only_recogniser(cost: Cost) -> Cost:
    return lambda request, measured: cost(request, measured) if request.model == "transcribe" else 0.0


def seconds(value: float) -> Cost:
    """A recogniser that takes so long for every window."""

    def cost(_request: Request, _measured: float) -> float:
        return value

    return cost
