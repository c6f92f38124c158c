"""What the media host is told about captions and what it tells, as plain values; `messages` passes all of it on.

Captions are what somebody said, with labels of speakers; names are a mapping beside them. Times are samples at 48 kHz
on the stream's timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from server.speech.captions import Caption
from server.speech.processor import Word
from server.speech.speakers import SpeakerName

UNKNOWN_SPEAKER = "?"
"""Who speaks, while that is not known."""


# ---- what there is


@dataclass(frozen=True, slots=True)
class CaptionWishes:
    """How a publisher wants a stream to be heard. Kept with it, and shown to nobody: a vocabulary has names in it."""

    vocabulary: str = ""
    """Names and jargon that are likely, with commas between."""
    translated: bool = False
    """Whether captions are in English, whatever is spoken."""
    fewest_speakers: int | None = None
    most_speakers: int | None = None


@dataclass(frozen=True, slots=True)
class CaptionsInfo:
    """The captions of one stream as everybody may see them."""

    state: str = "off"
    """"off", "starting", "ok" or "degraded"."""
    detail: str = ""
    """What a person should know; empty while all is well."""
    language: str | None = None
    """As asked for or, once heard, as detected."""
    off_record: bool = False
    """Whether audio goes out just now and nothing is written or kept."""


@dataclass(frozen=True, slots=True)
class CaptionInfo:
    """One caption, as in an event: `asdict` is its JSON.

    The first `committed` words never change. An interim caption (`final` false) without words is withdrawn.
    """

    id: int
    rev: int
    start: int
    end: int
    speakers: list[str]
    """Labels, the main one first."""
    text: str
    """What is to be read: a person's text where there is one, else the words joined."""
    words: list[Word]
    committed: int
    final: bool
    hidden: bool = False
    edited: bool = False
    """Whether a person wrote the text or said who speaks: no machine changes that any more."""

    def public(self) -> CaptionInfo:
        """What others than the stream's owner may see of it: of a hidden one neither text nor words."""
        return replace(self, text="", words=[], committed=0) if self.hidden else self


@dataclass(frozen=True, slots=True)
class SpeakerInfo:
    """A label of the diarization and who that is; labels that were met first come first."""

    label: str
    number: int
    """Order of appearance, from 1 on."""
    name: str | None = None
    source: str | None = None
    """Who gave the name: "person" or "voice"."""
    merged_into: str | None = None
    """The label that this one turned out to be."""
    voice: str | None = None
    """Id of the known voice that it is."""


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """A voice that the owner of a stream has saved: `centroid`, shape (dimensions,), is of the embedding `model`."""

    id: str
    name: str
    model: str
    centroid: list[float]


@dataclass(frozen=True, slots=True)
class CaptionsSnapshot:
    """What whoever joins late is shown: the last captions, the interim ones included, as they were after `cursor`."""

    stream_id: str
    state: CaptionsInfo
    speakers: list[SpeakerInfo]
    captions: list[CaptionInfo]
    position: int
    cursor: int


# ---- commands


@dataclass(frozen=True, slots=True)
class CaptionEdit:
    """A person changes a final caption; None leaves a thing as it is.

    The media host knows the last 200 finals. Of an earlier one `known` says what it was when it was told last.
    """

    number: int
    """The caption's id."""
    text: str | None = None
    speakers: list[str] | None = None
    hidden: bool | None = None
    known: CaptionInfo | None = None
    fixed: bool | None = None
    """Whether no machine changes the speakers any more; None: once a person has."""


@dataclass(frozen=True, slots=True)
class SpeakerRename:
    """A person says who a speaker is; None takes the name away."""

    label: str
    name: str | None


@dataclass(frozen=True, slots=True)
class SpeakerMerge:
    """Two labels are one person, called `into` from now on."""

    label: str
    into: str


@dataclass(frozen=True, slots=True)
class SpeakerUnmerge:
    """Undo the merge of this very label."""

    label: str


@dataclass(frozen=True, slots=True)
class SpeakerVoice:
    """The speaker was saved as this voice; None: it is none any more."""

    label: str
    voice: str | None


@dataclass(frozen=True, slots=True)
class VoicesKnown:
    """All voices that the stream's owner has saved, now that they have changed.

    Speakers who were named by one that is no longer there lose that name.
    """

    voices: list[KnownVoice]


CaptionCommand = CaptionEdit | SpeakerRename | SpeakerMerge | SpeakerUnmerge | SpeakerVoice | VoicesKnown


@dataclass(frozen=True, slots=True)
class CaptionAnswer:
    """How it is after a command: the caption that was edited, and all speakers."""

    speakers: list[SpeakerInfo]
    caption: CaptionInfo | None = None


# ---- what is told


@dataclass(frozen=True, slots=True)
class CaptionTold:
    """A caption came or changed. `kind` is "interim", "final" or "revision"; `seq` counts a stream's caption events."""

    stream_id: str
    kind: str
    seq: int
    caption: CaptionInfo


@dataclass(frozen=True, slots=True)
class SpeakersTold:
    """A speaker was met, named, merged: all of them as they are now."""

    stream_id: str
    speakers: list[SpeakerInfo]


@dataclass(frozen=True, slots=True)
class SpeakingTold:
    """Labels of who speaks now, before there is text; `UNKNOWN_SPEAKER` while that is not known, none in silence."""

    stream_id: str
    speakers: list[str]
    at: int


@dataclass(frozen=True, slots=True)
class OffRecordTold:
    """From `at` on nothing is written or kept, or everything is again."""

    stream_id: str
    on: bool
    at: int


@dataclass(frozen=True, slots=True)
class CaptionsStateTold:
    """Captions work, do not work, or work worse than they should."""

    stream_id: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class VoicesHeard:
    """What the speakers of a stream sound like so far: centroids by label, and how long each was heard, seconds.

    It is kept beside the stream's captions and deleted with them; only what the owner saves with consent is compared
    with whoever speaks in other streams.
    """

    stream_id: str
    model: str
    """The embedding model's id: centroids of two models cannot be compared."""
    centroids: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


CaptionOutput = CaptionTold | SpeakersTold | SpeakingTold | OffRecordTold | CaptionsStateTold | VoicesHeard


# ---- as they are told and as they are kept


def caption_info(caption: Caption) -> CaptionInfo:
    """A caption as it is told."""
    return CaptionInfo(
        id=caption.id,
        rev=caption.rev,
        start=caption.start,
        end=caption.end,
        speakers=list(caption.speakers),
        text=caption.shown,
        words=list(caption.words),
        committed=caption.committed,
        final=caption.final,
        hidden=caption.hidden,
        edited=caption.text is not None or caption.speakers_fixed,
    )


def known_caption(info: CaptionInfo) -> Caption:
    """A caption that was told, as it was; of one that a person edited nothing is left to machines."""
    caption = Caption(
        id=info.id,
        rev=info.rev,
        start=info.start,
        end=info.end,
        speakers=tuple(info.speakers),
        words=tuple(info.words),
        committed=info.committed,
        final=info.final,
        hidden=info.hidden,
        speakers_fixed=info.edited,
    )
    return caption.edited(info.text)


def speaker_infos(speakers: Sequence[SpeakerName]) -> list[SpeakerInfo]:
    """Speakers as they are told, in the order in which they first spoke."""
    return [
        SpeakerInfo(entry.label, number, entry.name, entry.source, entry.merged_into, entry.voice)
        for number, entry in enumerate(speakers, 1)
    ]


def known_speakers(infos: Sequence[SpeakerInfo]) -> list[SpeakerName]:
    """Speakers that were told, as they were."""
    ordered = sorted(infos, key=lambda info: info.number)
    return [SpeakerName(info.label, info.name, info.source, info.merged_into, info.voice) for info in ordered]
