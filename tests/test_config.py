"""Settings: what the environment may say, and the one line that answers a mistake in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.config import PREFIX, IceServer, Settings, load_settings
from server.errors import SettingsError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARCAST_MODELS_DIR", raising=False)


def _mistake(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return caught.value.message.splitlines()


def test_defaults_are_safe() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.cors_origins == []
    assert settings.ice_servers == []
    assert settings.recordings_dir == Path("data/recordings")


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARCAST_PORT", "9000")
    monkeypatch.setenv("CLEARCAST_RECORD", "false")
    assert load_settings().port == 9000
    assert load_settings().record is False
    assert load_settings(port=0).port == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("DENOISE", "Krisp"),
        ("DENOISE_DEADLINE_MS", "15"),
        ("RECORD", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("ICE_SERVERS", '[{"urls": 5}]'),
        ("ICE_SERVERS", '[{"urls": "stun:a", "name": "x"}]'),
        ("ICE_SERVERS", "[{"),
        ("ICE_SERVERS", "stun.example.org"),
        ("ICE_SERVERS", "turn:turn.example.org"),
        ("CORS_ORIGINS", "radio.example"),
        ("MODELS_DIR", "/there/is/no/such/folder"),
        ("ICE_SERVERS", "http://example.org"),
        ("ICE_ADVERTISED_ADDRESS", "example.org"),
        ("ICE_ADVERTISED_ADDRESS", "192.0.2.1,192.0.2.2:70000"),
        ("ICE_ADVERTISED_ADDRESS", "0.0.0.0"),
        ("ICE_ADVERTISED_ADDRESS", "192.0.2.1:"),
        ("ICE_UDP_PORT", "-1"),
        ("MAX_PENDING_PEERS", "0"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    (line,) = _mistake(monkeypatch, **{name: value})
    assert line.startswith(f"CLEARCAST_{name}")
    assert not re.search(r"pydantic|input_value|validation error", line)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "eighty", "must be a whole number"),
        ("PORT", "70000", "must be at most 65535"),
        ("RECORD", "perhaps", "must be true or false"),
        ("LOG_FORMAT", "xml", "must be 'console' or 'json'"),
        ("DENOISE_DEADLINE_MS", "15", "must be a multiple of 10"),
    ],
)
def test_a_mistake_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    assert _mistake(monkeypatch, **{name: value}) == [f"CLEARCAST_{name} ({value!r}): {words}"]


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "MODELS_DIR", "TLS_CERTIFICATE", "CORS_ORIGINS"):
        monkeypatch.setenv(PREFIX + name, "")
    settings = load_settings()
    assert (settings.port, settings.models_dir, settings.cors_origins) == (8080, None, [])


def test_each_mistake_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _mistake(monkeypatch, PORT="x", OPUS_BITRATE="1", LOG_LEVEL="loud")
    assert [line.split()[0] for line in lines] == ["CLEARCAST_PORT", "CLEARCAST_OPUS_BITRATE", "CLEARCAST_LOG_LEVEL"]
    assert "'loud'" in lines[2]


def test_a_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = _mistake(monkeypatch, TLS_CERTIFICATE="/cert.pem")
    assert "CLEARCAST_TLS_KEY" in line


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARCAST_CORS_ORIGINS", "https://a.example, https://b.example,")
    assert load_settings().cors_origins == ["https://a.example", "https://b.example"]


def test_ice_servers_are_addresses_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARCAST_ICE_SERVERS", "stun:one.example, stun:two.example:3479")
    assert [server.urls for server in load_settings().ice_servers] == ["stun:one.example", "stun:two.example:3479"]
    monkeypatch.setenv("CLEARCAST_ICE_SERVERS", '{"urls": "turn:t.example", "username": "u", "credential": "c"}')
    assert load_settings().ice_servers == [IceServer(urls="turn:t.example", username="u", credential="c")]


def test_advertised_addresses_may_have_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CLEARCAST_ICE_ADVERTISED_ADDRESS", "192.0.2.1, 192.0.2.2:81,2001:DB8::1 ,[2001:db8::2]:82,[::1]"
    )
    found = [(address.host, address.port) for address in load_settings().ice_advertised_address]
    assert found == [("192.0.2.1", None), ("192.0.2.2", 81), ("2001:db8::1", None), ("2001:db8::2", 82), ("::1", None)]


def test_a_credential_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _mistake(monkeypatch, ICE_SERVERS='[{"urls": "turn:a", "credential": "hunter2", "user": "x"}]')
    assert "hunter2" not in "\n".join(lines)
    assert lines == ["CLEARCAST_ICE_SERVERS: entry 1, user: means nothing here"]


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = _mistake(monkeypatch, RECORDRAW="1")
    assert line == "CLEARCAST_RECORDRAW: there is no such setting; CLEARCAST_RECORD_RAW is near"


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIPS_DIR", "REQUIRE", "CHROMIUM", "SERVICE_HOST", "PORT_8080_TCP_ADDR"):
        monkeypatch.setenv(PREFIX + name, "anything")
    assert load_settings().port == 8080


def test_every_setting_is_described() -> None:
    missing = [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")]
    assert missing == []
