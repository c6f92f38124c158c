"""Whispers of any shape with random weights: what a model costs on a machine, before anybody has fetched it.

They answer nonsense of the length that an answer would have.

The folder is one that faster-whisper loads: CTranslate2's file, mel filters, and a tokenizer with Whisper's special
tokens whose words mean nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from server.inference.recogniser import MOST_TOKENS_A_SECOND, SPARE_TOKENS, Recogniser, RecogniserSettings

LANGUAGES = 99
TOKENS_A_SECOND = 3
"""Of speech, about as many as people's has."""
_WORDS = 50_257
"""Text tokens of a multilingual Whisper, and of an English one within one."""
_STAMPS = 1_501


@dataclass(frozen=True, slots=True)
class Shape:
    """As OpenAI's `ModelDimensions`."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80
    languages: int = LANGUAGES


SHAPES = {
    "tiny": Shape(384, 6, 4, 4),
    "tiny.en": Shape(384, 6, 4, 4),
    "base": Shape(512, 8, 6, 6),
    "small": Shape(768, 12, 12, 12),
    "large-v3": Shape(1280, 20, 32, 32, mels=128, languages=LANGUAGES + 1),
    "large-v3-turbo": Shape(1280, 20, 32, 4, mels=128, languages=LANGUAGES + 1),
}


def write(folder: Path, shape: Shape, *, seed: int = 0, quantization: str = "int8") -> Path:
    """Write a model into `folder` and return it. Blocks, for a large shape for long."""
    from ctranslate2.specs import WhisperSpec

    tokens = _tokens(shape)
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    _fill(spec, shape, len(tokens), np.random.default_rng(seed))
    spec.register_vocabulary(tokens)
    first_language = tokens.index("<|startoftranscript|>") + 1
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokens.index("<|endoftext|>")]
    spec.config.lang_ids = list(range(first_language, first_language + shape.languages))
    spec.config.alignment_heads = [[shape.decoder_layers - 1, head] for head in range(shape.heads)]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(_tokenizer(tokens))
    preprocessor = {"feature_size": shape.mels, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor | {"chunk_length": 30}))
    return folder


class Measured:
    """A Whisper of CTranslate2 that answers so many tokens for each second of audio, whatever it thinks."""

    is_multilingual = False

    def __init__(self, model: Any, end_of_text: int) -> None:
        self._model = model
        self._end_of_text = end_of_text
        self.device = model.device

    def encode(self, features: Any, to_cpu: bool = False) -> Any:
        return self._model.encode(features, to_cpu=to_cpu)

    def align(self, *arguments: Any, **options: Any) -> Any:
        return self._model.align(*arguments, **options)

    def generate(
        self, encoded: Any, prompts: list[list[int]], *, max_length: int, suppress_tokens: list[int], **options: Any
    ) -> Any:
        longest = max(map(len, prompts))
        seconds = (max_length - longest - SPARE_TOKENS) / MOST_TOKENS_A_SECOND
        return self._model.generate(
            encoded,
            prompts,
            max_length=longest + max(1, round(TOKENS_A_SECOND * seconds)),
            suppress_tokens=[*suppress_tokens, self._end_of_text],
            **options,
        )


def load(folder: Path, settings: RecogniserSettings | None = None) -> Recogniser:
    """A recogniser whose answers are as long as real ones. Raises ModelMissing, ModelCorrupt."""
    recogniser = Recogniser.load(folder, settings)
    recogniser.replace_model(lambda model: Measured(model, _tokens(SHAPES["tiny"]).index("<|endoftext|>")))
    return recogniser


def _tokens(shape: Shape) -> list[str]:
    from faster_whisper.tokenizer import _LANGUAGE_CODES
    from tokenizers import pre_tokenizers

    codes = [f"<|{code}|>" for code in _LANGUAGE_CODES[: shape.languages]]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    stamps = [f"<|{0.02 * step:.2f}|>" for step in range(_STAMPS)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [f"Ġ{_name(number)}" if number % 3 else _name(number) for number in range(26, 26 + _WORDS - len(alphabet))]
    return [
        *alphabet,
        *words,
        "<|endoftext|>",
        "<|startoftranscript|>",
        *codes,
        *(f"<|{task}|>" for task in tasks),
        *stamps,
    ]


def _name(number: int) -> str:
    """A word of letters for each number, no two the same."""
    letters = ""
    while True:
        number, rest = divmod(number, 26)
        letters += chr(ord("a") + rest)
        if not number:
            return letters


def _tokenizer(tokens: list[str]) -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token in tokens if token.startswith("<|")]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return str(tokenizer.to_str())


def _fill(spec: Any, shape: Shape, vocabulary: int, random: np.random.Generator) -> None:
    """Small random numbers wherever the model wants some; sizes as Whisper has them."""
    width = shape.width

    def matrix(*size: int) -> Any:
        return random.normal(0.0, 0.02, size).astype(np.float32)

    def linear(layer: Any, inside: int, outside: int) -> None:
        layer.weight, layer.bias = matrix(outside, inside), np.zeros(outside, np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def attention(layer: Any, crossed: bool = False) -> None:
        norm(layer.layer_norm)
        for part, times in zip(layer.linear, (1, 2, 1) if crossed else (3, 1), strict=True):
            linear(part, width, times * width)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, width, 4 * width)
        linear(layer.linear_1, 4 * width, width)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = matrix(width, shape.mels, 3), matrix(width)
    encoder.conv2.weight, encoder.conv2.bias = matrix(width, width, 3), matrix(width)
    encoder.position_encodings.encodings = matrix(1500, width)
    decoder.embeddings.weight = matrix(vocabulary, width)
    decoder.position_encodings.encodings = matrix(448, width)
    decoder.projection.weight = decoder.embeddings.weight
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in encoder.layer:
        attention(layer.self_attention)
        feed_forward(layer.ffn)
    for layer in decoder.layer:
        attention(layer.self_attention)
        attention(layer.attention, crossed=True)
        feed_forward(layer.ffn)
