"""Access tokens: only what this installation signed counts, and only for a quarter of an hour."""

from __future__ import annotations

import base64
import hmac
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from server.accounts import Scope
from server.accounts.signing import LEEWAY, LIFETIME, ROTATE_AFTER, SigningKeys
from server.errors import NotAuthenticated, Unavailable

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
READ = frozenset({Scope.READ, Scope.LISTEN})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def keys(path: Path) -> SigningKeys:
    return SigningKeys.load(path, NOW)


def ours(keys: SigningKeys) -> str:
    return keys.sign("anna", "family-1", READ, NOW)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def refused(keys: SigningKeys, token: str, now: datetime = NOW) -> bool:
    try:
        keys.verify(token, now)
    except NotAuthenticated:
        return True
    return False


def segment(values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_what_was_signed_is_known_again(keys: SigningKeys) -> None:
    claims = keys.verify(ours(keys), NOW + timedelta(minutes=14))
    assert (claims.user_id, claims.family, claims.scopes) == ("anna", "family-1", READ)
    assert claims.expires_at == NOW + LIFETIME


def test_a_token_ends_by_itself_and_clocks_may_be_a_minute_apart(keys: SigningKeys) -> None:
    token = ours(keys)
    assert not refused(keys, token, NOW - LEEWAY)
    assert not refused(keys, token, NOW + LIFETIME + LEEWAY - timedelta(seconds=1))
    assert refused(keys, token, NOW - LEEWAY - timedelta(seconds=1))
    assert refused(keys, token, NOW + LIFETIME + LEEWAY)


def test_the_file_is_nobody_elses(path: Path, keys: SigningKeys) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys.rotate(NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(path.parent.glob("*.new"))


def test_tokens_outlive_a_restart_and_a_change_of_keys(path: Path, keys: SigningKeys) -> None:
    token = ours(keys)
    again = SigningKeys.load(path, NOW)
    again.rotate(NOW + timedelta(minutes=1))
    assert not refused(again, token)
    assert parts(again.sign("anna", "f", READ, NOW))[0]["kid"] != parts(token)[0]["kid"]
    assert not refused(SigningKeys.load(path, NOW), token)


def test_keys_change_by_themselves_and_old_ones_are_forgotten(path: Path, keys: SigningKeys) -> None:
    kinds = {parts(ours(keys))[0]["kid"]}
    now = NOW
    for _ in range(5):
        now += ROTATE_AFTER + timedelta(hours=1)
        assert keys.due(now)
        keys.rotate(now)
        kinds.add(parts(keys.sign("anna", "f", READ, now))[0]["kid"])
    assert len(kinds) == 6
    assert len(json.loads(path.read_text())["keys"]) == 2, "the one that signs, and the one before"
    later = SigningKeys.load(path, now + ROTATE_AFTER + timedelta(days=1))
    assert parts(later.sign("anna", "f", READ, now))[0]["kid"] not in kinds, "a start changes them when it is time"


def test_keys_that_changed_twice_in_a_minute_still_verify(keys: SigningKeys) -> None:
    token = ours(keys)
    keys.rotate(NOW + timedelta(seconds=10))
    keys.rotate(NOW + timedelta(seconds=20))
    assert not refused(keys, token, NOW + timedelta(seconds=30))


@pytest.mark.parametrize(
    "text", ["", "{}", '{"installation": "x", "keys": []}', '{"installation":"x","keys":[{"id":1}]}']
)
def test_a_broken_file_is_named_and_left_alone(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(Unavailable, match=r"keys\.json"):
        SigningKeys.load(path, NOW)
    assert path.read_text() == text


# ---- attacks


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
def test_attack_no_algorithm(keys: SigningKeys, algorithm: str) -> None:
    header, claims = parts(ours(keys))
    unsigned = f"{segment(header | {'alg': algorithm})}.{segment(claims)}."
    assert refused(keys, unsigned)
    assert refused(keys, unsigned + ours(keys).rsplit(".", 1)[1])


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_attack_key_confusion_signed_with_the_public_key_as_a_password(keys: SigningKeys, algorithm: str) -> None:
    header, claims = parts(ours(keys))
    public = keys._keys[-1].private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{segment(header | {'alg': algorithm})}.{segment(claims)}"  # by hand: libraries refuse such keys
    for secret in (pem, pem.strip(), public.public_bytes_raw(), public.public_bytes_raw().hex().encode()):
        digest = hmac.new(secret, signed.encode(), algorithm.replace("HS", "sha")).digest()
        assert refused(keys, f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}")


def test_attack_another_kind_of_key(keys: SigningKeys) -> None:
    header, claims = parts(ours(keys))
    own = {"kid": header["kid"], "typ": "at+jwt"}
    assert refused(keys, jwt.encode(claims, rsa.generate_private_key(65537, 2048), "RS256", headers=own))
    assert refused(keys, jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", headers=own))
    assert refused(keys, jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=own))


def test_attack_a_key_that_the_token_brings_along(keys: SigningKeys) -> None:
    header, claims = parts(ours(keys))
    mine = Ed25519PrivateKey.generate()
    raw = base64.urlsafe_b64encode(mine.public_key().public_bytes_raw()).decode().rstrip("=")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": raw}
    for more in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}):
        assert refused(keys, jwt.encode(claims, mine, "EdDSA", headers={"kid": header["kid"], "typ": "at+jwt", **more}))
    for kid in ("../../keys.json", "' OR 1=1 --", "", None, 7, ["x"]):
        forged = f"{segment({'alg': 'EdDSA', 'typ': 'at+jwt', 'kid': kid})}.{segment(claims)}"
        signature = base64.urlsafe_b64encode(mine.sign(forged.encode())).decode().rstrip("=")
        assert refused(keys, f"{forged}.{signature}")


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "ben"},
        {"scope": "read listen administer"},
        {"exp": 9_999_999_999},
        {"aud": "somebody-else"},
        {"iss": "somebody-else"},
    ],
)
def test_attack_a_claim_that_was_changed(keys: SigningKeys, change: dict[str, Any]) -> None:
    token = ours(keys)
    _, claims = parts(token)
    head, _, signature = token.split(".")
    assert refused(keys, f"{head}.{segment(claims | change)}.{signature}")


@pytest.mark.parametrize(
    "change", [{"aud": "x"}, {"iss": "x"}, {"scope": "everything"}, {"exp": "soon"}, {"iat": 1e300}]
)
def test_what_our_own_key_signed_for_something_else_is_no_access_token(
    keys: SigningKeys, change: dict[str, Any]
) -> None:
    header, claims = parts(ours(keys))
    private = keys._keys[-1].private
    assert refused(keys, jwt.encode(claims | change, private, "EdDSA", headers=header))
    assert refused(keys, jwt.encode(claims, private, "EdDSA", headers=header | {"typ": "JWT"}))
    for name in claims:
        less = {key: value for key, value in claims.items() if key != name}
        assert refused(keys, jwt.encode(less, private, "EdDSA", headers=header)), name


def test_attack_a_token_of_another_installation(keys: SigningKeys, tmp_path: Path) -> None:
    other = SigningKeys.load(tmp_path / "other.json", NOW)
    assert refused(keys, ours(other))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "eyJ.eyJ.eyJ", "\0.\0.\0", "é.é.é", "x" * 100_000, "." * 5000]
)
def test_texts_that_are_no_token(keys: SigningKeys, text: str) -> None:
    assert refused(keys, text)
