"""The captions of one live stream: what is said in it, by whom, and what people change of that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from server.audio.frame import Samples
from server.clock import seconds
from server.errors import InvalidRequest, Unavailable
from server.inference.caption_lane import (
    CaptionLane,
    Ear,
    Finished,
    LaneItem,
    LaneMemory,
    LanguageHeard,
    Refused,
    TurnRevision,
    Turns,
    VoicePrints,
)
from server.log import get_logger
from server.queues import Policy, Queue
from server.rooms.caption_feed import CaptionFeed, Tap
from server.rooms.caption_saved import SavedCaptions, caption_options, caption_wishes
from server.rooms.caption_state import BROKEN, CaptionState
from server.rooms.caption_told import CaptionTeller
from server.rooms.messages import (
    CaptionAnswer,
    CaptionCommand,
    CaptionEdit,
    CaptionsInfo,
    CaptionsSnapshot,
    CaptionWishes,
    DenoiseMode,
    PublishGrant,
    VoicesHeard,
    VoicesKnown,
    caption_info,
    known_caption,
)
from server.rooms.naming import StreamSpeakers
from server.rooms.off_record import OffRecord
from server.rooms.speaking import Speaking
from server.rooms.surroundings import Surroundings
from server.speech.captions import CORRECTED, SNAPSHOT, CaptionEvent, Captions
from server.speech.editing import clean_text
from server.speech.processor import SpeakerTurn, Watermark, Word
from server.speech.transcriber import Gap, Interim
from server.speech.vad import SpeechEnd, SpeechStart

TAIL = 20.0
"""Seconds after the end of a stream that the last words have to be heard; the final pass hears what is missing."""

TAIL_AT_SHUTDOWN = 3.0
"""The same when the server is stopped and the stream goes on in its next run: all must be over in ten seconds."""

SAVE_AFTER = 50
"""Captions after which it is written down how far a stream has counted; see `caption_saved.TOLD_SINCE`."""


KEPT = Queue(
    "captions",
    CORRECTED,
    Policy.FORGET,
    holds="final captions of a stream that later turns correct and people edit; then the database knows them",
    drop="Nothing is lost: who speaks in an older caption changes no more by itself.",
)

log = get_logger(__name__)


class StreamCaptions:
    """All methods belong on the event loop.

    `changed` is called when `info` is another; `keep` when a later run of the server should know more at once.
    """

    def __init__(
        self,
        grant: PublishGrant,
        around: Surroundings,
        teller: CaptionTeller,
        off: OffRecord,
        changed: Callable[[], None],
        keep: Callable[[], None],
    ) -> None:
        self._stream_id = grant.stream_id
        self._around = around
        self._teller = teller
        self._off = off
        self._changed = changed
        self._keep = keep
        music = grant.denoise is DenoiseMode.MUSIC
        self._state = CaptionState(around.captions, wanted=grant.captions, music=music)
        self._options = caption_options(grant)
        self._language = grant.language or around.settings.captions_language
        self._speakers = StreamSpeakers(voices=grant.voices)
        self._captions = KEPT.watch(Captions())
        self._speaking = Speaking()
        self._lane: CaptionLane | None = None
        self._feed: CaptionFeed | None = None
        self._memory: LaneMemory | None = None
        self._enough = asyncio.Event()
        self._heard_all = False
        self._over = False
        self._now = 0
        self._kept_id = 1
        self.voices: VoicesHeard | None = None
        """What the speakers sound like so far; None before anybody was heard."""
        self._told = self._state.words

    # ---- what it is

    @property
    def info(self) -> CaptionsInfo:
        state, detail = self._state.words
        return CaptionsInfo(state, detail, self._language, self._off.on)

    @property
    def wishes(self) -> CaptionWishes:
        """How its publisher wants it heard."""
        return caption_wishes(self._options)

    def snapshot(self, position: int) -> CaptionsSnapshot:
        """What whoever joins late is shown; the stream stands at `position`."""
        known = self._captions.snapshot()
        captions = [caption_info(caption) for caption in known.captions]
        return CaptionsSnapshot(self._stream_id, self.info, self._speakers.infos, captions, position, known.cursor)

    def _tell_state(self) -> None:
        state = self._state.words
        if state != self._told:
            self._told = state
            self._teller.state(*state, self._now)
            self._changed()

    @property
    def answered(self) -> bool:
        """Whether somebody may say what the lane heard last before long."""
        return self._around.captions is not None and self._around.captions.status.state != "starting"

    # ---- the lane

    def open(self, start: int) -> None:
        """Hear the audio from sample `start` on. Raises InvalidRequest for options that the model cannot follow."""
        service = self._around.captions
        self._now = max(self._now, start)
        if service is None or self._state.absent or self._lane is not None:
            return
        self._captions.diarized = service.status.diarizer is not None
        try:
            self._lane = service.open(self._options, start, self._hear, self._memory)
        except Unavailable as error:
            self._state.refused = error.message
        else:
            self._state.refused = ""
            settings = self._around.settings
            hears = {Ear.WORDS: Tap(settings.captions_ear), Ear.SPEAKERS: Tap(settings.diarization_ear)}
            self._feed = CaptionFeed(self._lane, hears, start, self._off)
        self._tell_state()

    def open_again(self, start: int) -> None:
        """The same for a stream that is under way: what cannot be followed any more is told as the state."""
        try:
            self.open(start)
        except InvalidRequest as error:
            self._state.refused = error.message
            self._tell_state()

    def service_changed(self, came: int) -> None:
        """The caption service has another state; the stream's audio has come in up to `came`."""
        service = self._around.captions
        if service is None or self._over:
            return
        self._captions.diarized = service.status.diarizer is not None
        if self._state.refused:
            self.open_again(came)
        self._tell_state()

    def take(self, tap: Tap, start: int, samples: Samples) -> None:
        """The next 960 samples of the stream, whose first is `start`, before or after the denoiser."""
        if self._feed is None or self._over:
            return
        self._now = max(self._now, start + len(samples))
        with self._alone():
            if self._feed.take(tap, start, samples):
                self._pass_time()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """The boundary of one stream's captions: a mistake in them ends neither its audio nor others' captions."""
        try:
            yield
        except Exception:  # whatever went wrong in them
            log.exception("captions failed", stream=self._stream_id)
            self._break()

    def _pass_time(self) -> None:
        self._say(self._captions.pass_time(self._now))
        self._state.pass_time(self._now)
        self._tell_state()

    def _break(self) -> None:
        """A mistake in the server: this stream goes on without captions."""
        self._over, self._state.refused = True, BROKEN
        if self._lane is not None:
            self._lane.close()
        self._tell_state()

    def end(self, *, whole: bool) -> None:
        """No audio comes any more; `settle` must follow. What is not heard yet will be where the audio is `whole`."""
        if not whole:
            self.close()
        elif self._feed is not None and self._lane is not None and not self._over:
            with self._alone():
                self._feed.flush()
                self._lane.finish()

    async def settle(self, patience: float) -> None:
        """Wait for the last words, `patience` seconds at most, and let go of the lane; nothing is said after."""
        if self._lane is not None and not self._over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._enough.wait()
            if not self._heard_all:
                self._miss(self._lane.backlog, "the stream ended before it was heard")
        self.close()

    def hurry(self) -> None:
        """The server is stopped while the last words are awaited: they have no more time than those of live streams."""
        asyncio.get_running_loop().call_later(TAIL_AT_SHUTDOWN, self._enough.set)

    def close(self) -> None:
        """Say what is known and let go of the lane."""
        if self._over:
            return
        self._say(self._captions.finish())
        if self._speaking.stop():
            self._teller.speaking((), self._now)
        self._over = True
        if self._lane is not None:
            self._memory = self._lane.memory
            self._lane.close()

    def _miss(self, backlog: int, why: str) -> None:
        if backlog > 0:
            log.warning("talk was not written down", stream=self._stream_id, seconds=seconds(backlog), reason=why)
            self._teller.gap(self._now - backlog, self._now, why)

    # ---- what is heard

    def _hear(self, items: Sequence[LaneItem]) -> None:
        with self._alone():
            for item in items:
                if not self._over:
                    self._hear_one(item)

    def _hear_one(self, item: LaneItem) -> None:
        match item:
            case Word() | Interim() | Watermark():
                self._hear_words(item)
            case Turns() | TurnRevision():
                self._hear_turns(item)
            case SpeechStart() | SpeechEnd():
                if not self._off.on and self._speaking.gate(item):
                    self._teller.speaking(self._speaking.labels, self._now)
            case VoicePrints():
                self.voices = self._teller.voices(item)
                if self._speakers.hear(item):
                    self._tell_speakers()
            case LanguageHeard(language):
                if language != self._language:
                    self._language = language
                    self._teller.language(language, self._now)
                    self._changed()
            case Gap():
                self._miss_words(item)
            case Finished():
                self._heard_all = True
                self._enough.set()
            case Refused(reason):
                self._lose_lane(reason)

    def _lose_lane(self, reason: str) -> None:
        """Nobody hears the stream any more; it is tried again when the caption service has another state."""
        if self._lane is not None:
            self._miss(self._lane.backlog, reason)
            self._memory = self._lane.memory
        self._lane = self._feed = None
        self._state.refused = reason
        self.pause()
        self._say(self._captions.finish())
        self._enough.set()
        self._tell_state()

    def _hear_words(self, item: Word | Interim | Watermark) -> None:
        """Of what is off the record nothing is written, not even a word that only begins or ends in it."""
        if isinstance(item, Word) and self._off.covers(item.start, item.end):
            return
        if isinstance(item, Interim):
            item = Interim(tuple(word for word in item.words if not self._off.covers(word.start, word.end)))
        self._say(self._captions.hear(item, self._now))

    def _hear_turns(self, item: Turns | TurnRevision) -> None:
        if self._speakers.meet(turn.speaker for turn in item.turns):
            self._tell_speakers()
        if isinstance(item, TurnRevision):
            self._say(self._captions.revise(item.start, item.end, item.turns, self._now))
            return
        if not self._off.on and self._speaking.turns(item):
            self._teller.speaking(self._speaking.labels, self._now)
        said: list[SpeakerTurn | Watermark] = [*item.turns, Watermark(item.watermark)]
        for turn in said:
            self._say(self._captions.turn(turn, self._now))

    def _miss_words(self, gap: Gap) -> None:
        if self._off.holds(gap.start, gap.end):
            return
        self._teller.gap(gap.start, gap.end, gap.reason)
        self._state.miss(gap, self._now)
        self._tell_state()

    def _say(self, events: Sequence[CaptionEvent]) -> None:
        self._teller.captions(events)
        if self._captions.next_id - self._kept_id >= SAVE_AFTER:
            self._keep()

    def _tell_speakers(self) -> None:
        self._teller.speakers(self._speakers.infos, self._now)
        self._keep()

    # ---- what people do

    def change(self, command: CaptionCommand) -> CaptionAnswer:
        """Raises NotFound, InvalidRequest, Conflict, and then nothing was changed."""
        if isinstance(command, CaptionEdit):
            return self._edit(command)
        if self._speakers.change(command):
            self._tell_speakers()
        return CaptionAnswer(self._speakers.infos)

    def _edit(self, edit: CaptionEdit) -> CaptionAnswer:
        speakers = tuple(dict.fromkeys(edit.speakers)) if edit.speakers is not None else None
        self._speakers.check(speakers or ())
        text = clean_text(edit.text) if edit.text is not None else None
        known = known_caption(edit.known) if edit.known is not None else None
        events = self._captions.edit(
            edit.number, text=text, speakers=speakers, hidden=edit.hidden, fixed=edit.fixed, known=known
        )
        self._teller.captions(events)
        if events:
            self._keep()
            return CaptionAnswer(self._speakers.infos, caption_info(events[-1].caption))
        unchanged = next((caption for caption in self._captions.finals if caption.id == edit.number), known)
        return CaptionAnswer(self._speakers.infos, caption_info(unchanged) if unchanged is not None else None)

    def know(self, grant: PublishGrant) -> None:
        """The publisher is back, with the voices that the owner has saved by now."""
        self.change(VoicesKnown(grant.voices))

    def pause(self) -> None:
        """Who speaks is not shown until somebody begins to: the stream went off the record, on it, or is not heard."""
        if self._speaking.stop():
            self._teller.speaking((), self._now)

    # ---- across restarts

    def saved(self) -> SavedCaptions:
        """What a later run of the server needs."""
        memory = self._lane.memory if self._lane is not None and not self._over else self._memory
        self._kept_id = self._captions.next_id
        return SavedCaptions(
            wanted=self._state.wanted,
            options=self._options,
            language=self._language,
            next_id=self._captions.next_id,
            next_seq=self._captions.next_seq,
            names=self._speakers.names,
            tail=self._captions.finals[-SNAPSHOT:],
            lane=memory.values if memory is not None else {},
        )

    def restore(self, saved: SavedCaptions, stopped: bool) -> None:
        """Go on where an earlier run was; `stopped`: it was stopped in good order."""
        self._state.wanted, self._options, self._language = saved.wanted, saved.options, saved.language
        self._speakers = StreamSpeakers(saved.names)
        self._captions = KEPT.watch(Captions(*saved.counted_on(stopped), saved.tail))
        self._kept_id = self._captions.next_id
        self._memory = LaneMemory(saved.lane) if saved.lane else None
        self._told = self._state.words
