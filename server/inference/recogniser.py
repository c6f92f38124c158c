"""Whisper as the policy in `server.speech` asks for it: one window in, words with times and evidence out.

faster-whisper loads the model, its mel filters, tokens and alignment heads; the audio is encoded once, and both text
and word times come from those features. Everything about a model is read from its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from server.audio.frame import Samples
from server.errors import InvalidRequest, ModelCorrupt, ModelMissing, Unavailable
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.heard import HEARD_RATE
from server.speech.processor import Option, Request

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

_TIME_STAMP = 0.02
"""Seconds between two of Whisper's time stamps."""
MOST_TOKENS_A_SECOND = 12
SPARE_TOKENS = 16
"""How long an answer may get: fast speech in any language, time stamps and some more, so that a loop ends."""


@dataclass(frozen=True, slots=True)
class RecogniserSettings:
    """How a model is loaded and run."""

    device: str = "cpu"
    compute_type: str = "default"
    threads: int = 1
    beam: int = 1
    thorough_beam: int = 5
    """Hypotheses followed at once: while words may still be decided later, and where they may not."""
    translates: bool | None = None
    """Whether the model was trained to translate; None: where it has the token. Turbo and distil models have it and
    were not."""
    prompt_tokens: int = 64
    """Tokens of vocabulary and text before that are shown to the model, at most."""
    batch: int = 1
    """Windows that are heard at once. Their prompts have to be of one length: with more than one they are cut to
    nothing, half or all of `prompt_tokens`."""


class OutOfMemory(Unavailable):
    """The device has no room for the model as it is set."""

    code = "out-of-memory"


class DeviceFailed(Unavailable):
    """The GPU, its driver or its libraries do not work."""

    code = "device-failed"


def out_of_memory(error: BaseException) -> bool:
    """Whether memory is what was missing: CTranslate2 and CUDA say so in the text of plain RuntimeErrors."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("out of memory", "bad_alloc", "alloc_failed", "failed to allocate")
    )


class Recogniser:
    """One Whisper model. Not safe for several threads at once."""

    def __init__(self, model: WhisperModel, settings: RecogniserSettings | None = None) -> None:
        self.settings = settings or RecogniserSettings()
        self._model = model
        self._tokenizers: dict[tuple[str, str], Tokenizer] = {}

    @classmethod
    def load(cls, folder: Path, settings: RecogniserSettings | None = None) -> Recogniser:
        """The CTranslate2 model in `folder`.

        Raises `ModelMissing`, `ModelCorrupt`, and `OutOfMemory` or `DeviceFailed` where it may run otherwise.
        """
        from faster_whisper import WhisperModel

        settings = settings or RecogniserSettings()
        if not (folder / "model.bin").is_file():
            raise ModelMissing(f"There is no Whisper model in {folder}.")
        try:
            model = WhisperModel(
                str(folder),
                device=settings.device,
                compute_type=settings.compute_type,
                cpu_threads=settings.threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            if out_of_memory(error):
                raise OutOfMemory(f"There is not enough memory for the Whisper model {folder.name}.") from error
            if settings.device.startswith("cuda"):
                raise DeviceFailed(f"The Whisper model cannot run on the GPU: {error}") from error
            raise ModelCorrupt(f"The Whisper model in {folder} cannot be used: {error}") from error
        return cls(model, settings)

    def replace_model(self, wrap: Callable[[Any], Any]) -> None:
        """Put something around CTranslate2's Whisper: to measure, or to see what would become of its mistakes."""
        self._model.model = wrap(self._model.model)

    @property
    def multilingual(self) -> bool:
        """Whether the model knows languages, and may translate."""
        return bool(self._model.model.is_multilingual)

    def alike(self, request: Request) -> Hashable:
        """Requests with the same answer can be heard in one batch."""
        asked = _Asked.of(request)
        before = self._before(asked)
        return asked.language, asked.task, asked.thorough, asked.temperature, len(before)

    def answer(self, request: Request) -> Decoded:
        """Answer a request to "transcribe". Raises what `answer_all` does."""
        return self.answer_all([request])[0]

    def answer_all(self, requests: Sequence[Request]) -> list[Decoded]:
        """Answer requests that are `alike` together, in their order.

        Raises `InvalidRequest` for a translation that the model cannot do, RuntimeError for what goes wrong inside.
        """
        asked = [_Asked.of(request) for request in requests]
        first = asked[0]
        if first.task == "translate" and not self._translates():
            raise InvalidRequest("This model cannot translate; choose a multilingual one that is not distilled.")
        encoded, frames = self._encode([one.audio for one in asked])
        languages = [(first.language or "en", 1.0)] * len(asked)
        if first.language is None and self.multilingual:
            found = self._model.model.detect_language(encoded)
            languages = [(token[2:-2], probability) for ((token, probability), *_) in found]
            if len({language for language, _ in languages}) > 1:
                return [self.answer(request) for request in requests]
        tokenizer = self._tokenizer(languages[0][0], first.task)
        starts = [[*self._before(one), *tokenizer.sot_sequence] for one in asked]
        seconds = [len(one.audio) / HEARD_RATE for one in asked]
        generated = self._model.model.generate(
            encoded,
            starts,
            max_length=self._limit(starts, seconds),
            **self._search(first.thorough, first.temperature),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=_suppressed(tokenizer),
            max_initial_timestamp_index=round(1.0 / _TIME_STAMP),
        )
        pieces = [
            list(_pieces(result.sequences_ids[0], tokenizer.timestamp_begin, tokenizer.eot, length))
            for result, length in zip(generated, seconds, strict=True)
        ]
        words = self._words(tokenizer, encoded, frames, [[text for _, _, text in own] for own in pieces])
        return [
            Decoded(_segments(result, own, heard), language if self.multilingual else tokenizer.language_code, probable)
            for result, own, heard, (language, probable) in zip(generated, pieces, words, languages, strict=True)
        ]

    def transcribe(self, audio: Samples, **options: Option) -> Decoded:
        """What is said in `audio`, 16 kHz, shape (n,), at most 30 s; `options` as in a request. Raises the same."""
        return self.answer(Request(0, "transcribe", (audio,), 0, droppable=False, options=options))

    def _limit(self, starts: Sequence[list[int]], seconds: Sequence[float]) -> int:
        """Tokens that an answer may have with its prompt: one that goes round in circles holds nobody up for long."""
        longest = len(starts[0]) + SPARE_TOKENS + round(MOST_TOKENS_A_SECOND * max(seconds))
        return min(int(self._model.max_length), longest)

    def _search(self, thorough: bool, temperature: float) -> dict[str, float]:
        """How an answer is looked for, in CTranslate2's words."""
        if temperature > 0:
            draws = self.settings.thorough_beam
            return {"beam_size": 1, "num_hypotheses": draws, "sampling_topk": 0, "sampling_temperature": temperature}
        return {"beam_size": self.settings.thorough_beam if thorough else self.settings.beam}

    def _translates(self) -> bool:
        if self.settings.translates is not None:
            return self.settings.translates and self.multilingual
        return self.multilingual and self._model.hf_tokenizer.token_to_id("<|translate|>") is not None

    def _encode(self, audio: Sequence[Samples]) -> tuple[Any, list[int]]:
        """Features of the windows on the device, and how many mel frames of each are sound."""
        from faster_whisper.audio import pad_or_trim

        extractor = self._model.feature_extractor
        features = [extractor(np.ascontiguousarray(samples, np.float32)) for samples in audio]
        frames = [
            min(len(samples) // extractor.hop_length, mel.shape[-1])
            for samples, mel in zip(audio, features, strict=True)
        ]
        padded = [pad_or_trim(mel[:, :count]) for mel, count in zip(features, frames, strict=True)]
        return self._model.encode(np.stack(padded)), frames

    def _tokenizer(self, language: str, task: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        key = language, task
        if key not in self._tokenizers:
            try:
                made = Tokenizer(self._model.hf_tokenizer, self.multilingual, task=task, language=language)
            except ValueError as error:
                raise InvalidRequest(f"This model does not know the language “{language}”.") from error
            self._tokenizers[key] = made
        return self._tokenizers[key]

    def _before(self, asked: _Asked) -> list[int]:
        """Tokens before the task: what may come up, and what was said."""
        room = self.settings.prompt_tokens
        encode = self._model.hf_tokenizer.encode
        vocabulary, text = asked.vocabulary.strip(), asked.prompt.strip()
        known = encode(f" {vocabulary}", add_special_tokens=False).ids[: room // 2] if vocabulary else []
        said = encode(f" {text}", add_special_tokens=False).ids[-(room - len(known)) :] if text else []
        before = [*known, *said] if room else []
        if self.settings.batch > 1 and before:
            length = next((size for size in (room, room // 2) if size <= len(before)), 0)
            before = [*known, *said][-length:] if length else []
        return [self._model.hf_tokenizer.token_to_id("<|startofprev|>"), *before] if before else []

    def _words(
        self, tokenizer: Tokenizer, encoded: Any, frames: list[int], windows: Sequence[Sequence[list[int]]]
    ) -> list[list[list[DecodedWord]]]:
        """The words of each piece of text of each window, aligned in one go."""
        texts = [[token for text in window for token in text] for window in windows]
        if not any(texts):
            return [[[] for _ in window] for window in windows]
        # A window without text is aligned with whatever, so that the others keep their places.
        filled = [text or next(filter(None, texts))[:1] for text in texts]
        aligned = self._model.find_alignment(tokenizer, filled, encoded, frames)
        return [
            _divided(entries, window) if text else [[] for _ in window]
            for entries, window, text in zip(aligned, windows, texts, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request to "transcribe", read."""

    audio: Samples
    prompt: str
    vocabulary: str
    language: str | None
    task: str
    thorough: bool
    temperature: float

    @classmethod
    def of(cls, request: Request) -> _Asked:
        options = request.options
        return cls(
            audio=request.arrays[0],
            prompt=str(options.get("prompt") or ""),
            vocabulary=str(options.get("vocabulary") or ""),
            language=str(options["language"]) if options.get("language") else None,
            task=str(options.get("task") or "transcribe"),
            thorough=bool(options.get("thorough")),
            temperature=float(options.get("temperature") or 0.0),
        )


def _segments(
    result: Any, pieces: Sequence[tuple[float, float, list[int]]], words: Sequence[list[DecodedWord]]
) -> tuple[DecodedSegment, ...]:
    count = len(result.sequences_ids[0])
    logprob = result.scores[0] * count / (count + 1)
    return tuple(
        DecodedSegment(begin, end, tuple(own), logprob, result.no_speech_prob)
        for (begin, end, _), own in zip(pieces, words, strict=True)
    )


def _divided(aligned: list[dict[str, Any]], texts: Sequence[list[int]]) -> list[list[DecodedWord]]:
    """Aligned words, by the piece of text that their first token lies in."""
    from faster_whisper.transcribe import merge_punctuations

    counts = [len(entry["tokens"]) for entry in aligned]
    ends = np.cumsum([len(text) for text in texts])
    firsts = np.cumsum([0, *counts])[: len(counts)]
    for entry, home in zip(aligned, np.searchsorted(ends, firsts, side="right"), strict=True):
        entry["home"] = int(home)
    merge_punctuations(aligned, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    words: list[list[DecodedWord]] = [[] for _ in texts]
    for entry in aligned:
        if entry["word"]:
            words[entry["home"]].append(
                DecodedWord(float(entry["start"]), float(entry["end"]), entry["word"], float(entry["probability"]))
            )
    return words


def _suppressed(tokenizer: Tokenizer) -> list[int]:
    """Tokens that are no speech: symbols, and what only stands before an answer."""
    special = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *(token for token in special if token is not None)})


def _pieces(
    tokens: Sequence[int], first_stamp: int, end_of_text: int, length: float
) -> Iterator[tuple[float, float, list[int]]]:
    """Start and end in seconds and text tokens of each segment; without stamps it reaches to the window's edges."""
    begin, text = 0.0, list[int]()
    for token in tokens:
        if token >= first_stamp:
            time = (token - first_stamp) * _TIME_STAMP
            if text:
                yield begin, time, text
                text = []
            begin = time
        elif token < end_of_text:
            text.append(token)
    if text:
        yield begin, length, text
