from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message

import pytest

from server.recordings.naming import content_disposition, download_name

WHEN = datetime(2026, 11, 3, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Talk", "Talk.opus"),
        ("你好，世界", "你好，世界.opus"),
        ("Ünïcode: a/b\\c*?", "Ünïcode a b c.opus"),
        ("../../etc/passwd", "etc passwd.opus"),
        ("line\r\nSet-Cookie: x", "line Set-Cookie x.opus"),
        ("مرحبا\u202egpj", "مرحبا gpj.opus"),
        ("🎙️ Radio", "🎙️ Radio.opus"),
        ("", "Recording 2026-11-03 09.05.opus"),
        ("...", "Recording 2026-11-03 09.05.opus"),
        ("CON", "Recording 2026-11-03 09.05.opus"),
    ],
)
def test_titles_in_any_script_become_file_names(title: str, name: str) -> None:
    assert download_name(title, WHEN, "opus") == name


def test_a_long_title_is_cut_between_characters() -> None:
    name = download_name("語" * 5_000, WHEN, "opus")
    assert len(name.encode()) <= 190
    assert name.startswith("語" * 20)


@pytest.mark.parametrize("title", ["Talk", "你好", 'say "hi"', "a;b=c,d", "naïve café", "50% off"])
def test_the_header_reads_back(title: str) -> None:
    name = download_name(title, WHEN, "opus")
    value = content_disposition(name)
    value.encode("latin-1")
    message = Message()
    message["Content-Disposition"] = value
    assert message.get_filename() == name or value.isascii()
    assert "\n" not in value
    # RFC 6266: the whole name is in filename*.
    from urllib.parse import unquote

    assert unquote(value.split("filename*=UTF-8''")[1]) == name
