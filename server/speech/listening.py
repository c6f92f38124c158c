"""A stream's or a recording's audio to its words: ear, voice gate and transcriber as one processor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from server.audio.frame import AudioFrame
from server.speech.heard import Ear, Heard
from server.speech.offline import OfflineSettings, OfflineTranscriber
from server.speech.processor import Failure, Request, request_ids
from server.speech.transcriber import Gap, Resume, Transcribed, Transcriber, TranscriberSettings
from server.speech.vad import SpeechEnd, SpeechStart, VadEvent, VadGate, VadSettings

Said = Transcribed | SpeechStart | SpeechEnd


class Transcribing(Protocol):
    """What `Transcriber` and `OfflineTranscriber` have in common."""

    @property
    def reached(self) -> int: ...

    def begin(self, sample: int) -> Sequence[Transcribed | Request]: ...

    def push(self, item: Heard | VadEvent) -> Sequence[Transcribed | Request]: ...

    def result(self, request_id: int, value: Any | Failure) -> Sequence[Transcribed | Request]: ...

    def flush(self) -> Sequence[Transcribed | Request]: ...


Words = TypeVar("Words", bound=Transcribing)


class _Hearing(Generic[Words]):
    """`AudioFrame`s of the 48 kHz timeline in; words, interims, gaps, watermarks and who-speaks-now edges out.

    Requests go to "vad" (see `VadGate`) and "transcribe" (see `Transcriber`). Everything that was pushed since the
    last watermark is kept; `backlog` says how much that is.
    """

    def __init__(self, vad: VadSettings | None, transcriber: Words, ids: Iterator[int]) -> None:
        self._vad_settings = vad
        self._ids = ids
        self._ear = Ear()
        self._gate = VadGate(ids, vad)
        self.transcriber = transcriber
        self._owners: dict[int, VadGate | Words | None] = {}
        self._end = 0
        self._begun = False
        self._ended = False
        self._closed = False

    @property
    def backlog(self) -> int:
        """Samples (48 kHz) between the end of what was pushed and what was decided."""
        return self._end - self.transcriber.reached if self._begun else 0

    @property
    def done(self) -> bool:
        """Whether the end was reached and everything said."""
        return self._closed and not self._owners

    def push(self, item: AudioFrame) -> list[Said | Request]:
        heard = self._ear.push(item)
        if not self._begun:
            self._begun = True
            self.transcriber.begin(item.start)
        self._end = item.end
        return self._hear(heard)

    def result(self, request_id: int, value: Any | Failure) -> list[Said | Request]:
        owner = self._owners.pop(request_id)
        if owner is None:
            return []  # asked before audio was skipped
        return [*self._route(owner, owner.result(request_id, value)), *self._close()]

    def flush(self) -> list[Said | Request]:
        self._ended = True
        out = self._hear(self._ear.flush()) if self._begun else []
        return [*out, *self._route(self._gate, self._gate.flush()), *self._close()]

    def _hear(self, heard: Heard) -> list[Said | Request]:
        if not len(heard.samples):
            return []
        self.transcriber.push(heard)
        return self._route(self._gate, self._gate.push(heard))

    def _close(self) -> list[Said | Request]:
        """Once the gate has judged the end, the transcriber's end has come."""
        if not self._ended or self._closed or not (self._gate.done or not self._begun):
            return []
        self._closed = True
        return self._route(self.transcriber, self.transcriber.flush())

    def _route(
        self, source: VadGate | Words, items: Iterable[VadEvent | Transcribed | Request]
    ) -> list[Said | Request]:
        out: list[Said | Request] = []
        for item in items:
            if isinstance(item, Request):
                self._owners[item.id] = source
                out.append(item)
            elif source is self._gate:
                if isinstance(item, SpeechStart | SpeechEnd):
                    out.append(item)
                out += self._route(self.transcriber, self.transcriber.push(item))  # type: ignore[arg-type]
            else:
                out.append(item)  # type: ignore[arg-type]
        return out


class Listening(_Hearing[Transcriber]):
    """A live stream. The host calls `skip` when its backlog is too large."""

    def __init__(
        self,
        vad: VadSettings | None = None,
        transcriber: TranscriberSettings | None = None,
        resume: Resume | None = None,
        ids: Iterator[int] | None = None,
    ) -> None:
        ids = ids or request_ids()
        super().__init__(vad, Transcriber(ids, transcriber, resume), ids)

    @property
    def needed(self) -> int:
        """Audio from this sample (48 kHz) on, and the words that were committed, are what a successor begins with."""
        return self.transcriber.needed

    def skip(self, reason: str) -> list[Said | Request]:
        """Give up everything that is not decided yet, and go on with what comes: the rest is a gap."""
        state, settings, reached = self.transcriber.state, self.transcriber.settings, self.transcriber.reached
        step = self.transcriber.step
        self._owners = dict.fromkeys(self._owners)
        self._gate = VadGate(self._ids, self._vad_settings)
        self.transcriber = Transcriber(self._ids, settings, state)
        self.transcriber.step = step
        heard_to = self._ear.reached
        out: list[Said | Request] = [Gap(reached, heard_to, reason)] if reached < heard_to else []
        return [*out, *self.transcriber.begin(heard_to)]


class FileListening(_Hearing[OfflineTranscriber]):
    """A whole recording, heard with hindsight. The host feeds it no faster than `backlog` is worked off."""

    def __init__(
        self,
        vad: VadSettings | None = None,
        transcriber: OfflineSettings | None = None,
        ids: Iterator[int] | None = None,
    ) -> None:
        ids = ids or request_ids()
        vad = vad or VadSettings()
        # Nobody waits for the gate: as many frames to a request as it takes.
        super().__init__(replace(vad, frames=vad.most_frames), OfflineTranscriber(ids, transcriber), ids)

    @property
    def needed(self) -> int:
        """Audio before this sample (48 kHz) is decided."""
        return self.transcriber.reached
