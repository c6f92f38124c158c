"""Access tokens: short-lived JWTs (RFC 9068), signed by this installation and good for nothing anywhere else.

They are signed with Ed25519, and nothing else is ever accepted: a token that names another algorithm, or none, is
refused before its signature is looked at (RFC 8725, section 3.1). Keys are kept in one file of the data folder; the
newest signs, earlier ones verify until what they signed has expired, so that nobody notices when they change.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.accounts.actions import Scope
from server.errors import NotAuthenticated, Unavailable
from server.store.ids import new_id

ALGORITHM = "EdDSA"
AUDIENCE = "clearcast"
TYPE = "at+jwt"
LIFETIME = timedelta(minutes=15)
LEEWAY = timedelta(seconds=60)
"""How far two clocks may be apart."""
ROTATE_AFTER = timedelta(days=30)
LONGEST = 2000
"""Characters of an access token; ours have a quarter of that."""
CLAIMS = ["iss", "aud", "sub", "sid", "scope", "iat", "exp", "jti"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, once it is known to be ours."""

    user_id: str
    family: str
    """The refresh tokens that it came with; it dies with them."""
    scopes: frozenset[Scope]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    private: Ed25519PrivateKey
    created_at: datetime

    @classmethod
    def new(cls, now: datetime) -> _Key:
        return cls(new_id(), Ed25519PrivateKey.generate(), now)

    @classmethod
    def load(cls, values: Any) -> _Key:
        raw = base64.b64decode(values["private"], validate=True)
        created_at = datetime.fromisoformat(values["created_at"]).astimezone(UTC)
        return cls(str(values["id"]), Ed25519PrivateKey.from_private_bytes(raw), created_at)

    def dump(self) -> dict[str, str]:
        private = base64.b64encode(self.private.private_bytes_raw()).decode()
        return {"id": self.id, "private": private, "created_at": self.created_at.isoformat()}


class SigningKeys:
    """The keys of one installation. `load` and `rotate` read and write the disk: call them in a thread."""

    def __init__(self, path: Path, installation: str, keys: list[_Key]) -> None:
        self._path = path
        self._installation = installation
        self._keys = keys
        """The newest last."""

    @classmethod
    def load(cls, path: Path, now: datetime) -> SigningKeys:
        """What the file holds; it is made where there is none. Raises Unavailable where it is no such file."""
        try:
            values = json.loads(path.read_text())
            keys = cls(path, str(values["installation"]), [_Key.load(item) for item in values["keys"]])
            due = keys.due(now)
        except FileNotFoundError:
            keys, due = cls(path, new_id(), []), True
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            raise Unavailable(
                f"{path} cannot be read: it holds the keys that sign access tokens. Restore it, or delete it: a new "
                "one is made, and programs that are signed in fetch new tokens by themselves.",
                code="signing-keys",
            ) from None
        if due:
            keys.rotate(now)
        return keys

    def rotate(self, now: datetime) -> None:
        """Sign with a new key from now on; the ones before verify as long as tokens of theirs may be in use."""
        self._keys = [*self._kept(now), _Key.new(now)]
        self._write()

    def due(self, now: datetime) -> bool:
        """Whether it is time to rotate."""
        return now - self._keys[-1].created_at > ROTATE_AFTER

    def sign(self, user_id: str, family: str, scopes: frozenset[Scope], now: datetime) -> str:
        """An access token."""
        claims = {
            "iss": self._installation,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": family,
            "scope": " ".join(sorted(scopes)),
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "jti": secrets.token_hex(8),
        }
        key = self._keys[-1]
        return jwt.encode(claims, key.private, ALGORITHM, headers={"kid": key.id, "typ": TYPE})

    def verify(self, token: str, now: datetime) -> Claims:
        """What a token says. Raises NotAuthenticated where it is not ours, or not any more."""
        refused = NotAuthenticated("The access token is not one of this server's, or was changed.")
        if len(token) > LONGEST:
            raise refused
        try:
            header = jwt.get_unverified_header(token)
            key = next(key for key in self._keys if key.id == header.get("kid"))
            if header.get("typ") != TYPE:
                raise refused
            # Times are compared below, with a clock that is passed in.
            claims = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._installation,
                options={"require": CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            issued_at, expires_at = (datetime.fromtimestamp(int(claims[name]), UTC) for name in ("iat", "exp"))
            scopes = frozenset(Scope(name) for name in str(claims["scope"]).split())
        except (jwt.PyJWTError, StopIteration, ValueError, TypeError, OverflowError, OSError):
            raise refused from None
        if not issued_at - LEEWAY <= now < expires_at + LEEWAY:
            raise NotAuthenticated("The access token has expired: fetch a new one with the refresh token.")
        return Claims(str(claims["sub"]), str(claims["sid"]), scopes, expires_at)

    def _kept(self, now: datetime) -> list[_Key]:
        """Keys whose last token may still be good: those that have signed lately. A key signs until the next comes."""
        ends = [*(key.created_at for key in self._keys[1:]), now]
        return [key for key, end in zip(self._keys, ends, strict=False) if now < end + LIFETIME + 2 * LEEWAY]

    def _write(self) -> None:
        """Whole or not at all, for this account's eyes only."""
        values = {"installation": self._installation, "keys": [key.dump() for key in self._keys]}
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(values, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}.", code="signing-keys") from None
