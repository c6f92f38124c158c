"""A transcript in the formats that people and programs read. All of them are UTF-8.

- txt: a paragraph for each turn, the speaker's name before it.
- md: the same in CommonMark, under headings; nothing that was said is markup.
- srt: SubRip, as players read it: a name before the text, where there is more than one speaker.
- vtt: WebVTT, see `webvtt`.
- csv: RFC 4180 with a header: number, start, end (seconds), speakers (names, with semicolons between), text; with
  confidence (0 to 1) and kind (speech or chat) where these are asked for.
- json: see `as_json`, and docs/exports.md.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from server.clock import SAMPLE_RATE
from server.speech import webvtt
from server.speech.captions import Caption
from server.speech.transcript import (
    ChatLine,
    Paragraph,
    Remark,
    Summary,
    Transcript,
    caption_end,
    clock,
    confidence,
    duration,
    line,
    one_line,
    paragraphs,
    percent,
    seconds,
)

JSON_VERSION = 1

CHAT_SHOWN = 4 * SAMPLE_RATE
"""Samples for which a subtitle shows a line of the chat: 4 s."""

_MARKUP = re.compile(r"([\\`*_\[\]<>~|$])")
_AT_LINE_START = re.compile(r"^(\d*)([-+=#.)])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a cell begins with that spreadsheets work out: https://owasp.org/www-community/attacks/CSV_Injection"""


def as_text(transcript: Transcript) -> str:
    """A paragraph for each turn, after the summary and before the chat where they are wanted."""
    parts = []
    for title, items in told(transcript.summary) if transcript.summary else ():
        parts.append(f"{title}\n" + "".join(f"- {item}\n" for item in items))
    parts += [_text_paragraph(transcript, paragraph) for paragraph in paragraphs(transcript)]
    if transcript.chat:
        parts.append("Chat\n" + "".join(f"[{clock(said.at)}] {_chat(said)}\n" for said in transcript.chat))
    return "\n".join(parts)


def _text_paragraph(transcript: Transcript, paragraph: Paragraph) -> str:
    time = f"[{clock(paragraph.start)}] " if transcript.options.times else ""
    name = f"{paragraph.name}: " if paragraph.name else ""
    return f"{time}{name}{paragraph.text}{sureness(transcript, paragraph.confidence)}\n"


def sureness(transcript: Transcript, known: float | None) -> str:
    """How sure the recogniser was, where that is wanted and known."""
    return f" ({percent(known)})" if transcript.options.confidence and known is not None else ""


def _chat(said: ChatLine) -> str:
    return f"{one_line(said.name)}: {one_line(said.text)}"


def told(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    """Headings of a summary, each with its lines; what there is nothing of is left out."""
    if summary.written:
        lines = [one_line(part.lstrip("#-*• ")) for part in summary.written.splitlines()]
        yield f"Summary, written by {summary.model}", [part for part in lines if part]
    shares = [
        f"{one_line(who.name)}: {duration(who.seconds)} ({percent(who.share)}), {who.words} words"
        for who in summary.speakers
    ]
    terms = ", ".join(f"{one_line(term)} ({count})" for term, count in summary.terms)
    sections = (
        ("Speakers", shares),
        ("Most frequent terms", [terms] if terms else []),
        ("Questions", [_remark(found) for found in summary.questions]),
        ("Action items (found by rules)", [_remark(found) for found in summary.actions]),
    )
    yield from ((title, lines) for title, lines in sections if lines)


def _remark(found: Remark) -> str:
    name = f"{one_line(found.speaker)}: " if found.speaker else ""
    rule = f" – {found.rule}" if found.rule else ""
    return f"[{clock(found.at)}] {name}{one_line(found.text)}{rule}"


def as_markdown(transcript: Transcript) -> str:
    """CommonMark."""
    parts = [f"# {markdown(transcript.heading())}\n"]
    facts = [f"{name}: {markdown(value)}" for name, value in described(transcript)]
    parts += ["\n".join(f"- {fact}" for fact in facts) + "\n"] if facts else []
    for title, items in told(transcript.summary) if transcript.summary else ():
        parts.append(f"## {markdown(title)}\n\n" + "".join(f"- {markdown(item)}\n" for item in items))
    if transcript.summary or transcript.chat:
        parts.append("## Transcript\n")
    for paragraph in paragraphs(transcript):
        time = f"`{clock(paragraph.start)}` " if transcript.options.times else ""
        name = f"**{markdown(paragraph.name)}:** " if paragraph.name else ""
        sure = sureness(transcript, paragraph.confidence)
        parts.append(f"{time}{name}{markdown(paragraph.text, first=not (time or name))}{sure}\n")
    if transcript.chat:
        lines = "".join(f"- `{clock(said.at)}` {markdown(_chat(said))}\n" for said in transcript.chat)
        parts.append(f"## Chat\n\n{lines}")
    return "\n".join(parts)


def markdown(text: str, *, first: bool = True) -> str:
    """Text that means itself (CommonMark, section 2.4); `first`: it stands at the beginning of a line."""
    escaped = _MARKUP.sub(r"\\\1", one_line(text).replace("&", "&amp;"))
    if not first:
        return escaped
    return _AT_LINE_START.sub(r"\1\\\2", escaped)


def described(transcript: Transcript) -> list[tuple[str, str]]:
    """What a person is told of the recording, before what was said."""
    about = transcript.about
    found = [(label, str(about[name])) for label, name in (("Host", "host"), ("Date", "date")) if about.get(name)]
    if about.get("duration"):
        found.append(("Duration", duration(float(about["duration"]))))
    said = {name for caption in transcript.shown for name in transcript.said_by(caption)}
    ordered = [name for name in dict.fromkeys(transcript.names.values()) if name in said]
    if ordered:
        found.append(("Speakers", ", ".join(ordered)))
    if about.get("language"):
        translated = " (translated)" if about.get("translated") else ""
        found.append(("Language", f"{about['language']}{translated}"))
    return found


def as_srt(transcript: Transcript) -> str:
    """Blocks of number, times and text, a blank line after each."""
    several = len({name for caption in transcript.shown for name in transcript.said_by(caption)}) > 1
    blocks: list[str] = []
    for start, end, names, text in _cues(transcript):
        said = f"{', '.join(names)}: {text}" if names and (several or names[0] == CHAT) else text
        times = f"{_srt_time(start)} --> {_srt_time(end)}"
        blocks.append(f"{len(blocks) + 1}\n{times}\n{plain_subtitle(said)}\n\n")
    return "".join(blocks)


def plain_subtitle(text: str) -> str:
    """The format knows no escapes: an arrow is spelled, and what players take for markup gets an invisible joiner."""
    return re.sub(r"([<{])(?=[/\\a-zA-Z])", "\\1\u2060", text.replace("-->", "→"))


CHAT = "Chat"
"""Who speaks in subtitles of the chat."""


def _cues(transcript: Transcript) -> Iterator[tuple[int, int, list[str], str]]:
    """Captions and lines of the chat by their times."""
    found = []
    for caption in transcript.shown:
        sure = sureness(transcript, confidence(caption.words) if caption.text is None else None)
        found.append((caption.start, caption_end(caption), transcript.said_by(caption), line(caption) + sure))
    found += [(said.at, said.at + CHAT_SHOWN, [CHAT], _chat(said)) for said in transcript.chat]
    yield from sorted(found, key=lambda cue: cue[0])


def as_vtt(transcript: Transcript) -> str:
    """WebVTT with a voice span for whoever speaks; the summary is a comment."""
    notes = []
    for title, items in told(transcript.summary) if transcript.summary else ():
        body = "\n".join(webvtt.escaped(f"- {item}") for item in items)
        notes.append(f"\nNOTE {webvtt.escaped(title)}\n{body}\n")
    cues = [webvtt.cue(number, *cue) for number, cue in enumerate(_cues(transcript), 1)]
    return webvtt.HEADER + "".join([*notes, *cues])


def as_csv(transcript: Transcript) -> str:
    """A row for each caption; what a spreadsheet would work out begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    sure, kinds = transcript.options.confidence, bool(transcript.chat)
    head = ["number", "start", "end", "speakers", "text"]
    writer.writerow([*head, *(["confidence"] if sure else []), *(["kind"] if kinds else [])])
    rows: list[tuple[int, list[Any]]] = []
    for caption in transcript.shown:
        known = confidence(caption.words) if caption.text is None else None
        names = "; ".join(transcript.said_by(caption))
        row = [seconds(caption.start), seconds(caption_end(caption)), cell(names), cell(line(caption))]
        extra = [*(["" if known is None else round(known, 3)] if sure else []), *(["speech"] if kinds else [])]
        rows.append((caption.start, [*row, *extra]))
    for said in transcript.chat:
        row = [seconds(said.at), seconds(said.at), cell(said.name), cell(said.text)]
        rows.append((said.at, [*row, *([""] if sure else []), "chat"]))
    for number, (_, row) in enumerate(sorted(rows, key=lambda item: item[0]), 1):
        writer.writerow([number, *row])
    return out.getvalue()


def cell(text: str) -> str:
    """Text that a spreadsheet takes for text."""
    plain = one_line(text)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def as_json(transcript: Transcript) -> str:
    """One object: `version` (of this form, 1), whatever is told beside it, `speakers` (`label`, `name`) and `captions`
    (`number`, `start`, `end`, `speakers` by label, the main one first, `text`, and `words` with `start`, `end`, `text`
    and `probability`). Times are seconds. The words' texts keep their own spaces: joined, they are the caption's text
    unless a person has written that. Where they are asked for: `confidence` of each caption, `chat` and `summary`.

    Beside it stand of a file `file`, `duration`, `language`, `model` and `gaps`, of a stream `title`, `account`,
    `duration` and `language`.
    """
    names, speakers = transcript.names, transcript.options.speakers
    said = {label for caption in transcript.shown for label in caption.speakers}
    document = {
        "version": JSON_VERSION,
        **transcript.about,
        "speakers": [{"label": label, "name": name} for label, name in names.items() if label in said and speakers],
        "captions": [_caption(transcript, number, item) for number, item in enumerate(transcript.shown, 1)],
    }
    if transcript.chat:
        document["chat"] = [{"at": seconds(said.at), "name": said.name, "text": said.text} for said in transcript.chat]
    if transcript.summary is not None:
        document["summary"] = _summary(transcript.summary)
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _caption(transcript: Transcript, number: int, caption: Caption) -> dict[str, Any]:
    found = {
        "number": number,
        "start": seconds(caption.start),
        "end": seconds(caption_end(caption)),
        "speakers": list(caption.speakers) if transcript.options.speakers else [],
        "text": caption.shown,
        "words": list(_words(caption)),
    }
    if transcript.options.confidence:
        known = confidence(caption.words) if caption.text is None else None
        found["confidence"] = None if known is None else round(known, 4)
    return found


def _words(caption: Caption) -> Iterator[dict[str, Any]]:
    for word in caption.words:
        times = {"start": seconds(word.start), "end": seconds(word.end)}
        yield {**times, "text": word.text, "probability": round(word.probability, 4)}


def _summary(summary: Summary) -> dict[str, Any]:
    def remark(found: Remark) -> dict[str, Any]:
        return {"at": seconds(found.at), "speaker": found.speaker, "text": found.text}

    return {
        "speakers": [asdict(share) for share in summary.speakers],
        "terms": [{"text": term, "count": count} for term, count in summary.terms],
        "questions": [remark(found) for found in summary.questions],
        "actions": [{**remark(found), "rule": found.rule} for found in summary.actions],
        "written": {"model": summary.model, "markdown": summary.written} if summary.written else None,
    }


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": as_text,
    "md": as_markdown,
    "srt": as_srt,
    "vtt": as_vtt,
    "json": as_json,
    "csv": as_csv,
}
TYPES = {
    "txt": "text/plain",
    "md": "text/markdown",
    "srt": "application/x-subrip",
    "vtt": webvtt.TYPE,
    "json": "application/json",
    "csv": "text/csv",
}
"""Media types of the formats."""


def _srt_time(sample: int) -> str:
    return webvtt.timestamp(sample).replace(".", ",")
