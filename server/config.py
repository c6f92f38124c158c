"""Settings: environment variables with the prefix CLEARCAST_, checked once at start.

Every field's description is the text of its row in the README's table.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server.errors import SettingsError
from server.rates import DEFAULTS, Rate, parse_rates

PREFIX = "CLEARCAST_"
WORDS = {
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "missing": "is missing",
    "extra_forbidden": "means nothing here",
}
"""How mistakes are told, by pydantic's name of them."""
ICE_ADDRESS = re.compile(r"stuns?:[\w.-]+(:\d{1,5})?|turns?:[\w.-]+(:\d{1,5})?(\?transport=(udp|tcp))?", re.ASCII)
"""RFC 7064, RFC 7065; by name or IPv4 address, which is what the WebRTC library takes."""
SECRET = {"database_url", "ice_servers", "tls_key"}
"""Settings whose value may hold a password and is never repeated."""


class IceServer(BaseModel):
    """A STUN or TURN server, as browsers take it (RFC 8445, RFC 8656)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: str
    username: str | None = None
    credential: str | None = None

    @model_validator(mode="after")
    def _usable(self) -> IceServer:
        # A browser refuses to open any connection at all when one of its servers is written wrongly.
        if not ICE_ADDRESS.fullmatch(self.urls):
            raise ValueError("an address looks like stun:host:3478 or turn:host:3478?transport=udp")
        if self.urls.startswith("turn") and not (self.username and self.credential):
            raise ValueError("a TURN server needs username and credential: write it as JSON")
        return self


class AdvertisedAddress(BaseModel):
    """An address at which peers reach the media port from outside: of a router, a host of containers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int | None = Field(None, ge=1, le=65535)

    @classmethod
    def parse(cls, text: str) -> AdvertisedAddress:
        """Read `192.0.2.1`, `192.0.2.1:8189`, `2001:db8::1` or `[2001:db8::1]:8189`. Raises ValueError."""
        host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
            number = int(port) if colon else None
        except ValueError:
            raise ValueError(f"{text!r} is not an IP address, nor one with a port like 192.0.2.1:8189") from None
        if address.is_unspecified or address.is_multicast or (number is not None and not 0 < number < 65536):
            raise ValueError(f"{text!r} is nothing that a peer could send to")
        return cls(host=str(address), port=number)


class Settings(BaseSettings):
    """What an operator may choose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(Path("data"), description="Where the database, recordings and secrets are kept.")
    models_dir: Path | None = Field(None, description="Where models are looked for first.")
    models_download: bool = Field(True, description="Whether missing models may be fetched from their publishers.")

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for every interface.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port of pages and signalling.")
    tls_certificate: Path | None = Field(None, description="Certificate chain (PEM); read again when it is renewed.")
    tls_key: Path | None = Field(None, description="The certificate's private key (PEM).")
    cors_origins: Annotated[list[str], NoDecode] = Field(
        [], description="Other sites whose pages may call this server, separated by commas."
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        [],
        description="Host names that the server answers to, separated by commas: on loopback besides localhost; "
        "elsewhere it answers to every name unless some are listed here.",
    )
    trusted_proxies: Annotated[list[IPvAnyNetwork], NoDecode] = Field(
        [],
        description="Proxies in front of this server: addresses or networks, separated by commas. Only what they say "
        "of clients' addresses and of TLS is believed (`X-Forwarded-For`, `X-Forwarded-Proto`, `Forwarded`).",
    )
    rate_limits: Annotated[dict[Rate, int], NoDecode] = Field(
        DEFAULTS,
        description="Requests a minute of one person, key or address where they differ from these: "
        + ", ".join(f"`{rate}={count}`" for rate, count in DEFAULTS.items())
        + "; 0 is without limit, `off` none at all.",
    )
    ice_servers: Annotated[list[IceServer], NoDecode] = Field(
        [],
        description="STUN and TURN servers: addresses with commas between, or JSON: `urls`, `username`, `credential`.",
    )
    ice_udp_port: int = Field(
        8189, ge=0, le=65535, description="UDP port of all audio, in and out; 0 for any that is free."
    )
    ice_advertised_address: Annotated[list[AdvertisedAddress], NoDecode] = Field(
        [],
        description="What peers are told to send audio to instead of this machine's own addresses: IP addresses, each "
        "with its port where that differs, separated by commas.",
    )
    accounts: bool = Field(
        True, description="Whether people sign in; otherwise whoever reaches the server is its one user."
    )
    registration: Literal["open", "invite", "closed"] = Field(
        "invite", description="Who may make an account: everybody, who was invited, or nobody."
    )
    session_days: int = Field(90, ge=1, le=3650, description="How long one stays signed in at most, days.")
    session_idle_days: int = Field(
        14, ge=1, le=3650, description="How long one stays signed in without coming back, days."
    )
    audit_days: int = Field(
        180, ge=1, le=3650, description="How long it is kept who did what to accounts, access and keys, days."
    )
    max_pending_peers: int = Field(64, ge=1, description="Most connections that are being set up at the same time.")
    max_body_kb: int = Field(256, ge=16, description="Largest request body, in kB; SDP is limited to 64 kB.")

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

    opus_bitrate: int = Field(
        32_000, ge=6_000, le=256_000, description="Bit rate towards listeners and recordings, bit/s."
    )
    max_streams: int = Field(32, ge=1, description="Most streams at once.")
    max_listeners: int = Field(500, ge=1, description="Most listeners of one stream.")
    reconnect_s: int = Field(
        30, ge=1, le=600, description="How long a stream waits for its publisher to come back, seconds."
    )

    chat: bool = Field(True, description="Whether people may write and react beside a live stream.")
    record: bool = Field(True, description="Whether new streams are recorded unless their publisher says otherwise.")
    record_raw: bool = Field(False, description="Whether the audio before denoising is recorded too.")
    disk_reserve_mb: int = Field(
        500,
        ge=0,
        description="No recording begins with less free disk space than this, MB; below half of it none goes on.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important log line shown."
    )
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for programs.")
    database_url: str | None = Field(
        None, description="SQLAlchemy address of the database; SQLite in the data folder when unset."
    )

    push_contact: str | None = Field(
        None,
        pattern=r"^(mailto:[^@\s]+@[^@\s]+|https://\S+)$",
        max_length=200,
        description="Where the services that pass on messages to browsers may reach you, `mailto:you@example.org`; no "
        "such messages (Web Push) are sent when unset.",
    )
    push_private: bool = Field(
        False, description="Whether services that pass on messages may be in your own network, and without TLS."
    )

    @field_validator("cors_origins", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _sites(cls, value: list[str]) -> list[str]:
        for origin in value:
            parts = urlsplit(origin)
            if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/")):
                raise ValueError(f"{origin!r} is no site; one looks like https://radio.example")
        return value

    @field_validator("rate_limits", mode="before")
    @classmethod
    def _rates(cls, value: Any) -> Any:
        return parse_rates(value) if isinstance(value, str) else value

    @field_validator("ice_servers", mode="before")
    @classmethod
    def _ice_servers(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith(("[", "{")):
            try:
                parsed = json.loads(value)
            except json.JSONDecodeError as error:
                raise ValueError(f"is not valid JSON ({error.msg} at character {error.pos})") from None
            return parsed if isinstance(parsed, list) else [parsed]
        return [{"urls": part.strip()} for part in value.split(",") if part.strip()]

    @field_validator("ice_advertised_address", mode="before")
    @classmethod
    def _advertised(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [AdvertisedAddress.parse(part.strip()) for part in value.split(",") if part.strip()]

    @model_validator(mode="after")
    def _tls_pair(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("CLEARCAST_TLS_CERTIFICATE and CLEARCAST_TLS_KEY must be set together")
        return self

    @property
    def cache_dir(self) -> Path:
        """Where downloaded models are kept."""
        return Path.home() / ".cache" / "clearcast"

    @property
    def streams_dir(self) -> Path:
        """One small file for each live stream."""
        return self.data_dir / "streams"

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"


def load_settings(**overrides: Any) -> Settings:
    """The settings in the environment; `overrides` (by field name) win over it.

    Raises SettingsError with one line per mistake, each naming its variable.
    """
    mistakes = _misspelt()
    settings = None
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        mistakes += [_line(item) for item in error.errors()]
    if settings is not None and settings.models_dir is not None and not settings.models_dir.is_dir():
        mistakes.append(f"{PREFIX}MODELS_DIR: there is no folder {settings.models_dir}")
    if settings is None or mistakes:
        raise SettingsError("\n".join(mistakes)) from None
    return settings


def _misspelt() -> list[str]:
    """A line for each variable that looks like a setting and is close to one, but is none."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    lines = []
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            meant = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.85)
            lines += [f"{name}: there is no such setting; {meant[0]} is near"] if meant else []
    return lines


def _line(item: Any) -> str:
    """One mistake in words. Only plain values are shown: parts of a list may be credentials."""
    location = [str(part) for part in item["loc"]]
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] in WORDS:
        message = WORDS[item["type"]].format(**item.get("ctx", {}))
    if not location:
        return str(message)
    name = PREFIX + location[0].upper()
    plain = len(location) == 1 and isinstance(item["input"], str) and location[0] not in SECRET
    shown = f" ({item['input']!r})" if plain else ""
    # "0.user" of a list is the first entry's: people count from one.
    entry = f" entry {int(location[1]) + 1}" if location[1:] and location[1].isdigit() else ""
    inside = entry + "".join(f", {part}" for part in location[2:])
    return f"{name}{shown}:{inside + ':' if inside else ''} {message[0].lower()}{message[1:]}"
