"""Whisper as the policy in `server.speech` asks for it: one window in, words with times and evidence out.

faster-whisper loads the model, its mel filters, tokens and alignment heads; the audio is encoded once, and both text
and word times come from those features. Everything about a model is read from its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from server.audio.frame import Samples
from server.errors import InvalidRequest, ModelCorrupt, ModelMissing
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.heard import HEARD_RATE
from server.speech.processor import Request

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

_TIME_STAMP = 0.02
"""Seconds between two of Whisper's time stamps."""
_TOKENS_A_SECOND = 12
_SPARE_TOKENS = 16
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


class Recogniser:
    """One Whisper model. Not safe for several threads at once."""

    def __init__(self, model: WhisperModel, settings: RecogniserSettings | None = None) -> None:
        self.settings = settings or RecogniserSettings()
        self._model = model
        self._tokenizers: dict[tuple[str, str], Tokenizer] = {}

    @classmethod
    def load(cls, folder: Path, settings: RecogniserSettings | None = None) -> Recogniser:
        """The CTranslate2 model in `folder`. Raises `ModelMissing` or `ModelCorrupt`."""
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
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelCorrupt(f"The Whisper model in {folder} cannot be used: {error}") from error
        return cls(model, settings)

    @property
    def multilingual(self) -> bool:
        """Whether the model knows languages, and may translate."""
        return bool(self._model.model.is_multilingual)

    def answer(self, request: Request) -> Decoded:
        """Answer a request to "transcribe"."""
        options = request.options
        return self.transcribe(
            request.arrays[0],
            prompt=str(options.get("prompt") or ""),
            vocabulary=str(options.get("vocabulary") or ""),
            language=str(options["language"]) if options.get("language") else None,
            task=str(options.get("task") or "transcribe"),
            thorough=bool(options.get("thorough")),
            temperature=float(options.get("temperature") or 0.0),
        )

    def transcribe(
        self,
        audio: Samples,
        *,
        prompt: str = "",
        vocabulary: str = "",
        language: str | None = None,
        task: str = "transcribe",
        thorough: bool = False,
        temperature: float = 0.0,
    ) -> Decoded:
        """What is said in `audio`, 16 kHz, shape (n,), at most 30 s.

        `temperature` above 0 draws the best of a few answers by chance instead of searching for the likeliest.
        Raises `InvalidRequest` for a translation that the model cannot do, RuntimeError for what goes wrong inside.
        """
        if task == "translate" and not self._translates():
            raise InvalidRequest("This model cannot translate; choose a multilingual one that is not distilled.")
        encoded, frames = self._encode(audio)
        probability = 1.0
        if language is None and self.multilingual:
            token, probability = self._model.model.detect_language(encoded)[0][0]
            language = token[2:-2]
        tokenizer = self._tokenizer(language or "en", task)
        start = self._prompt(tokenizer, vocabulary, prompt)
        seconds = len(audio) / HEARD_RATE
        limit = min(self._model.max_length, len(start) + _SPARE_TOKENS + round(_TOKENS_A_SECOND * seconds))
        (generated,) = self._model.model.generate(
            encoded,
            [start],
            max_length=limit,
            **self._search(thorough, temperature),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=_suppressed(tokenizer),
            max_initial_timestamp_index=round(1.0 / _TIME_STAMP),
        )
        tokens = generated.sequences_ids[0]
        logprob = generated.scores[0] * len(tokens) / (len(tokens) + 1)
        pieces = list(_pieces(tokens, tokenizer.timestamp_begin, tokenizer.eot, seconds))
        words = self._words(tokenizer, encoded, frames, [text for _, _, text in pieces])
        segments = tuple(
            DecodedSegment(begin, end, tuple(own), logprob, generated.no_speech_prob)
            for (begin, end, _), own in zip(pieces, words, strict=True)
        )
        return Decoded(segments, language or tokenizer.language_code, probability)

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

    def _encode(self, audio: Samples) -> tuple[Any, int]:
        """Features of the window on the device, and how many mel frames of it are sound."""
        from faster_whisper.audio import pad_or_trim

        features = self._model.feature_extractor(np.ascontiguousarray(audio, np.float32))
        frames = min(len(audio) // self._model.feature_extractor.hop_length, features.shape[-1])
        return self._model.encode(pad_or_trim(features[:, :frames])), frames

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

    def _prompt(self, tokenizer: Tokenizer, vocabulary: str, text: str) -> list[int]:
        """Tokens before the answer: what may come up, what was said, and the task."""
        room = self.settings.prompt_tokens
        known = tokenizer.encode(f" {vocabulary.strip()}")[: room // 2] if vocabulary.strip() else []
        said = tokenizer.encode(f" {text.strip()}")[-(room - len(known)) :] if text.strip() else []
        before = [*known, *said] if room else []
        return [*([tokenizer.sot_prev, *before] if before else []), *tokenizer.sot_sequence]

    def _words(
        self, tokenizer: Tokenizer, encoded: Any, frames: int, texts: Sequence[list[int]]
    ) -> list[list[DecodedWord]]:
        """The words of each piece of text, aligned in one go."""
        from faster_whisper.transcribe import merge_punctuations

        everything = [token for text in texts for token in text]
        if not everything:
            return [[] for _ in texts]
        (aligned,) = self._model.find_alignment(tokenizer, [everything], encoded, frames)
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
