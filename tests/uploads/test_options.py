"""What somebody wants done with a file."""

from __future__ import annotations

import pytest

from server.uploads.options import UploadOptions, clean_name, title_of


def test_nobody_is_told_apart_where_that_is_not_wanted() -> None:
    assert UploadOptions.of({"speakers": 3}).people == 3
    assert UploadOptions.of({}).people is None
    assert UploadOptions.of({"speakers": 3, "diarize": False}).people == 1


@pytest.mark.parametrize(
    ("name", "clean", "title"),
    [
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\music\\talk_two.flac", "talk_two.flac", "talk two"),
        ("<b>会議</b> 3.mp3", "b> 3.mp3", "b> 3"),
        ("\u202egnp.mp3\x00", "gnp.mp3", "gnp"),
        ("...", "file", "file"),
    ],
)
def test_names_of_files_are_names_and_no_paths(name: str, clean: str, title: str) -> None:
    assert (clean_name(name), title_of(clean_name(name))) == (clean, title)
