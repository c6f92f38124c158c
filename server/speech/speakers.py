"""What the speakers of a stream are called: a mapping beside the captions, which never rewrites them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from server.errors import Conflict, InvalidRequest, NotFound, SpeakerNameTaken

LONGEST_NAME = 80
"""Characters."""


@dataclass(frozen=True, slots=True)
class SpeakerName:
    """`label` is the diarization's; `name` None: nobody knows, the page says “Speaker 2”.

    `source` is "person" or "voice"; of a speaker whose name a person took away it is "person" without a name: no voice
    gives another. `merged_into` names the label that this one turned out to be. `voice` is the id of
    the known voice that it was recognised by, or saved as.
    """

    label: str
    name: str | None = None
    source: str | None = None
    merged_into: str | None = None
    voice: str | None = None


def clean_name(name: str) -> str:
    """A name as it is kept: one line of whatever script and direction. Raises `InvalidRequest`."""
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    kinds = {unicodedata.category(letter) for letter in clean}
    if not kinds - {"Cf", "Zs"} or len(clean) > LONGEST_NAME or kinds & {"Cc", "Cs"}:
        raise InvalidRequest(f"A name has between 1 and {LONGEST_NAME} characters, without control characters.")
    return clean


class SpeakerNames:
    """Names and merges of one stream. A name by a person beats one by a recognised voice, for good."""

    def __init__(self, known: Iterable[SpeakerName] = ()) -> None:
        """`known`: what `all` said when they were written down."""
        self._names = {entry.label: entry for entry in known}

    def meet(self, label: str) -> None:
        """Somebody new speaks."""
        self._names.setdefault(label, SpeakerName(label))

    def all(self) -> list[SpeakerName]:
        """In the order in which they first spoke."""
        return list(self._names.values())

    def resolve(self, label: str) -> SpeakerName:
        """Who a label in a caption is, merges followed. Raises `NotFound`."""
        entry = self._entry(label)
        while entry.merged_into is not None:
            entry = self._names[entry.merged_into]
        return entry

    def rename(self, label: str, name: str) -> SpeakerName:
        """A person says who it is.

        Raises `InvalidRequest` for a name that is empty or too long, `SpeakerNameTaken` for one that somebody else has:
        the page offers to merge the two.
        """
        clean = clean_name(name)
        entry = self.resolve(label)
        self._must_be_free(clean, entry)
        return self._set(SpeakerName(entry.label, clean, "person", voice=entry.voice if entry.name == clean else None))

    def recognise(self, label: str, name: str, voice: str | None = None) -> SpeakerName | None:
        """A known voice was heard. None where that changes nothing: a person knows better, or the name is taken."""
        entry = self.resolve(label)
        if entry.source == "person" or (entry.name, entry.voice) == (name, voice):
            return None
        try:
            self._must_be_free(name, entry)
        except Conflict:
            return None
        return self._set(SpeakerName(entry.label, name, "voice", voice=voice))

    def saved_as(self, label: str, voice: str) -> SpeakerName:
        """The speaker was saved as a known voice. Raises `NotFound`."""
        return self._set(replace(self.resolve(label), voice=voice))

    def forget_voice(self, voice: str) -> bool:
        """A known voice was deleted: names that it gave go, names by people stay. Whether that changes anything."""
        linked = [entry for entry in self._names.values() if entry.voice == voice]
        for entry in linked:
            kept = entry if entry.source == "person" else replace(entry, name=None, source=None)
            self._set(replace(kept, voice=None))
        return bool(linked)

    def forget(self, label: str) -> SpeakerName:
        """A person takes the name away: whoever it is, no voice names them."""
        return self._set(SpeakerName(self.resolve(label).label, source="person"))

    def unrecognise(self, label: str) -> SpeakerName:
        """A known voice turned out not to be theirs."""
        return self._set(SpeakerName(self.resolve(label).label))

    def merge(self, label: str, into: str) -> SpeakerName:
        """Two labels are the same person. Raises `Conflict` where they already are, `NotFound`."""
        gone, kept = self.resolve(label), self.resolve(into)
        if gone.label == kept.label:
            raise Conflict("These are one speaker already.")
        if kept.name is None and gone.name is not None:
            self._set(replace(kept, name=gone.name, source=gone.source, voice=gone.voice))
        return self._set(replace(gone, merged_into=kept.label))

    def unmerge(self, label: str) -> SpeakerName:
        """Undo the merge of this very label. Its name comes back unless somebody has it. Raises `Conflict`."""
        entry = self._entry(label)
        if entry.merged_into is None:
            raise Conflict("This speaker is not merged with another.")
        taken = any(
            other.name == entry.name
            for other in self._names.values()
            if other.label != label and other.merged_into is None
        )
        return self._set(SpeakerName(label) if taken else replace(entry, merged_into=None))

    def _must_be_free(self, name: str, entry: SpeakerName) -> None:
        for other in self._names.values():
            same = other.name is not None and other.name.casefold() == name.casefold()
            if same and other.merged_into is None and other.label != entry.label:
                raise SpeakerNameTaken(f"Somebody else is already called {name}.", label=other.label)

    def _entry(self, label: str) -> SpeakerName:
        if label not in self._names:
            raise NotFound("There is no such speaker.", code="unknown-speaker")
        return self._names[label]

    def _set(self, entry: SpeakerName) -> SpeakerName:
        self._names[entry.label] = entry
        return entry
