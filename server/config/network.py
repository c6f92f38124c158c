"""Where the server is reached, and by whom."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server.rates import DEFAULTS, Rate, parse_rates

PREFIX = "CLEARCAST_"
ICE_ADDRESS = re.compile(r"stuns?:[\w.-]+(:\d{1,5})?|turns?:[\w.-]+(:\d{1,5})?(\?transport=(udp|tcp))?", re.ASCII)
"""RFC 7064, RFC 7065; by name or IPv4 address, which is what the WebRTC library takes."""


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


class NetworkSettings(BaseSettings):
    """Addresses, ports, proxies, accounts."""

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
    max_connections_per_address: int = Field(
        256,
        ge=0,
        description="Connections of one address (with IPv6, of one network of 64 bits) at the same time, those of "
        "trusted proxies excepted; 0 is without limit.",
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
    def _tls_pair(self) -> NetworkSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("CLEARCAST_TLS_CERTIFICATE and CLEARCAST_TLS_KEY must be set together")
        return self
