"""What somebody wants done with a file."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_NAME = 255
LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """As they are kept beside an upload; what is missing there is as here."""

    title: str | None = None
    language: str | None = None
    """What is spoken; None where it is to be heard."""
    speakers: int | None = None
    denoise: bool = True
    diarize: bool = True
    captions: bool = True
    translate: bool = False
    vocabulary: str = ""
    access: str | None = None
    """Who may hear it; as the channel's streams where nothing is said."""
    start: str = "at-once"
    """"at-once", or "after-check": somebody looks at the diagnosis first."""

    @property
    def people(self) -> int | None:
        """How many are told apart: one where nobody is to be, None where nobody knows how many there are."""
        return self.speakers if self.diarize else 1

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> UploadOptions:
        """From what is kept; names that are not known are left out."""
        known = {name: values[name] for name in cls.__slots__ if name in values}
        return cls(**known)


def clean_name(name: str) -> str:
    """What a person may read as a file's name: without folders, control characters and directions of writing."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(letter for letter in last if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return visible.strip(" .")[:LONGEST_NAME] or "file"


def title_of(name: str) -> str:
    """A recording's title made from a file's name."""
    stem, dot, ending = name.rpartition(".")
    title = stem if dot and 0 < len(ending) <= 5 and ending.isalnum() else name
    return " ".join(title.replace("_", " ").split())[:LONGEST_TITLE] or "Upload"


DIAGNOSE = "diagnose"
"""Kind of the job that looks at a file: what is it, and is it any good?"""
PROCESS = "upload"
"""Kind of the job that makes a recording of it. Both are about the upload by its id."""
