"""What the media host says of captions, made up."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from server.rooms.messages import CaptionInfo, CaptionTold, SpeakerInfo, SpeakersTold, VoicesHeard, Word

ADA = SpeakerInfo("S1", 1, "Ada", "person")
SECOND = SpeakerInfo("S2", 2)


def caption(number: int, said: str = "Hello there", rev: int = 1, **values: object) -> CaptionInfo:
    """A final caption, ten seconds for each number."""
    start = number * 480_000
    words = [
        Word(start + i * 24_000, start + i * 24_000 + 20_000, f" {word}", 0.5) for i, word in enumerate(said.split())
    ]
    made = CaptionInfo(number, rev, start, words[-1].end, ["S1"], said, words, len(words), final=True)
    return replace(made, **values)  # type: ignore[arg-type]


def final(number: int, said: str = "Hello there", rev: int = 1, stream: str = "abc", **values: object) -> CaptionTold:
    """It became final, or was revised."""
    return CaptionTold(stream, "final" if rev == 1 else "revision", number, caption(number, said, rev, **values))


def speakers(*infos: SpeakerInfo, stream: str = "abc") -> SpeakersTold:
    return SpeakersTold(stream, list(infos))


def heard(stream: str = "abc", **seconds: float) -> VoicesHeard:
    """Each of them sounds like something else."""
    centroids = {label: [float(place == at) for at in range(3)] for place, label in enumerate(seconds)}
    return VoicesHeard(stream, "model-a", centroids, dict(seconds))


def log_line(told: CaptionTold | SpeakersTold) -> str:
    """As the stream's event log has it."""
    if isinstance(told, SpeakersTold):
        said = {"type": "speakers", "at": 0, "speakers": [asdict(item) for item in told.speakers]}
    else:
        line = asdict(told.caption)
        said = {"type": "caption", "at": told.caption.start, "kind": told.kind, "seq": told.seq, "caption": line}
    return json.dumps(said, ensure_ascii=False) + "\n"


def write_log(root: Path, *lines: str, stream: str = "abc") -> None:
    """The event log of a recording."""
    folder = root / stream
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(lines))
