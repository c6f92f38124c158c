"""What runs the models, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from server.config.network import NetworkSettings


class ModelSettings(NetworkSettings):
    """The denoiser, captions, diarization."""

    denoise: Literal["DeepFilterNet3", "DeepFilterNet2", "RNNoise", "off"] = Field(
        "DeepFilterNet3", description="Which model takes the noise out; `off` never delays the audio for it."
    )
    denoise_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the denoiser runs.")
    denoise_threads: int = Field(
        1, ge=1, le=64, description="Processor threads of the denoiser; more than two seldom help."
    )
    denoise_streams: int | None = Field(
        None,
        ge=1,
        le=8192,
        description="Most streams denoised at once; what the machine was measured to carry when unset.",
    )
    denoise_memory_mb: int = Field(
        4096, ge=256, description="Memory of the denoiser's process from which on it is started again, MB."
    )
    denoise_levelling: bool = Field(
        True, description="Whether quiet and loud talkers are heard by DeepFilterNet at a level that it knows."
    )
    denoise_strength: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="How much of the noise is taken out at first: `1` all, less keeps some of the room; 40 dB at most.",
    )
    denoise_post_filter: bool = Field(
        False, description="Whether what is left of the noise is attenuated a little more at first."
    )
    denoise_deadline_ms: int = Field(
        20,
        ge=10,
        le=100,
        multiple_of=10,
        description="How long a hop waits for the denoiser before the original goes out.",
    )

    captions: bool = Field(True, description="Whether what is said is written down live, and by whom.")
    captions_model: str = Field(
        "auto",
        description="Whisper model: a name like `base`, `small` or `large-v3-turbo`, or the folder of one for "
        "CTranslate2; `auto` suits the hardware.",
    )
    captions_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where captions are made.")
    captions_compute_type: Literal[
        "auto", "default", "int8", "int8_float16", "int8_float32", "int8_bfloat16", "float16", "bfloat16", "float32"
    ] = Field("auto", description="How the Whisper model calculates; `auto` suits the device.")
    captions_threads: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Processor threads of the Whisper model; half of the cores, at most 4, when unset.",
    )
    captions_batch: int | None = Field(
        None, ge=1, le=64, description="Windows that the model hears at once; by the device when unset."
    )
    captions_beam: int | None = Field(
        None, ge=1, le=10, description="Hypotheses followed at once; 1 while words may change and 5 after, when unset."
    )
    captions_step_ms: int | None = Field(
        None, ge=500, le=3000, description="New audio between two decodings of a stream, ms; it grows with the load."
    )
    captions_window_s: int | None = Field(
        None, ge=10, le=28, description="Audio that is decoded at once at most, seconds; by the model when unset."
    )
    captions_prompt: int | None = Field(
        None, ge=0, le=1000, description="Characters of earlier text that the model is shown; by the model when unset."
    )
    captions_no_speech: float | None = Field(
        None, gt=0.0, le=1.0, description="Probability of silence from which on words need the voice detector's word."
    )
    captions_logprob: float | None = Field(
        None, ge=-10.0, le=0.0, description="Average log-probability below which words need the voice detector's word."
    )
    captions_compression: float | None = Field(
        None, ge=1.0, le=10.0, description="Compression ratio above which text is taken for a loop."
    )
    captions_language: str | None = Field(
        None, pattern="^[a-z]{2,3}$", description="Language of streams that name none, like `en`; heard when unset."
    )
    captions_vocabulary: str = Field(
        "",
        max_length=1000,
        description="Names and jargon that are likely in every stream, with commas between; a stream may add its own.",
    )
    captions_memory_mb: int = Field(
        8192, ge=256, description="Memory of the captions' process from which on it is started again, MB."
    )
    captions_ear: Literal["raw", "clean"] = Field(
        "clean", description="Which audio words are heard in: before or after the noise is taken out."
    )
    diarization: bool = Field(True, description="Whether captions say who speaks.")
    diarization_segmentation: str = Field(
        "auto", description="Model that tells who talks at once: a file (ONNX, pyannote), or pyannote's name of one."
    )
    diarization_embedding: str = Field(
        "auto", description="Model that tells voices apart: a file (ONNX, pyannote), or pyannote's name of one."
    )
    diarization_active: float | None = Field(
        None, gt=0.0, lt=1.0, description="Probability from which on somebody speaks; by the model when unset."
    )
    diarization_update: float | None = Field(
        None, gt=0.0, le=1.0, description="Share of a window that somebody has to speak in to be heard as a new voice."
    )
    diarization_new: float | None = Field(
        None, gt=0.0, le=2.0, description="Distance from every known voice from which on it is a new one."
    )
    diarization_ear: Literal["raw", "clean"] = Field(
        "raw", description="Which audio speakers are told apart in: before or after the noise is taken out."
    )
    diarization_latency_s: float = Field(
        0.5, ge=0.5, le=5.0, description="How long the diarizer waits before it says who speaks, seconds."
    )
