"""Fonts of this machine, chosen by the letters that a text has. Blocks: fonts are files.

Nothing is bundled but what comes with matplotlib, which is always there (DejaVu: Latin, Greek, Cyrillic, Arabic, Hebrew
and more). For everything else the operator installs fonts where fonts lie, such as Debian's fonts-noto.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("~/.fonts").expanduser(),
    Path("~/.local/share/fonts").expanduser(),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
)
PACKAGE = "fonts-noto"
"""What Debian and Ubuntu call fonts for nearly every script."""
_ENDINGS = {".ttf", ".otf", ".ttc", ".otc"}
_MAIN = ("NotoSans-Regular", "DejaVuSans", "LiberationSans-Regular", "FreeSans")
"""What text is set in where it is there, best first."""
_NOT_FOR_TEXT = ("bold", "italic", "oblique", "thin", "light", "black", "mono", "condensed", "medium", "display")
_INVISIBLE = {"Cf", "Cc", "Zs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Choice:
    """`regular` sets what it can, `bold` the names, `others` the rest in this order; no font has what is `missing`."""

    regular: Path
    bold: Path
    others: tuple[Path, ...]
    missing: frozenset[str]

    @property
    def scripts(self) -> list[str]:
        """What the missing letters belong to, in words."""
        return sorted({_script(letter) for letter in self.missing})


def choose(text: str, folders: Iterable[Path] = FOLDERS) -> Choice:
    """Fonts for every letter of a text, as far as there are some."""
    wanted = {letter for letter in set(text) if unicodedata.category(letter) not in _INVISIBLE}
    files = found(tuple(folders))
    regular = files[0]
    wanted = {letter for letter in wanted if not has(regular, letter)}
    others: list[Path] = []
    for path in files[1:]:
        if not wanted:
            break
        left = {letter for letter in wanted if not has(path, letter)}
        if len(left) < len(wanted):
            others.append(path)
            wanted = left
    return Choice(regular, _bold(regular), tuple(others), frozenset(wanted))


@cache
def found(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Font files, those for plain text first; never empty."""
    paths = {path.name: path for path in _bundled()}
    paths |= {path.name: path for folder in folders for path in sorted(folder.rglob("*")) if _is_font(path)}
    return tuple(sorted(paths.values(), key=_rank))


def _bundled() -> Iterator[Path]:
    package = importlib.util.find_spec("matplotlib")
    for location in (package.submodule_search_locations or ()) if package else ():
        yield from sorted((Path(location) / "mpl-data/fonts/ttf").glob("DejaVuSans*.ttf"))


def _is_font(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and path.is_file()


def _rank(path: Path) -> tuple[int, int, int, str]:
    main = _MAIN.index(path.stem) if path.stem in _MAIN else len(_MAIN)
    name = path.stem.lower()
    odd = sum(word in name for word in _NOT_FOR_TEXT)
    return main, odd, "sans" not in name, path.name


def _bold(regular: Path) -> Path:
    """The bold face beside a font, else the font itself."""
    stem = regular.stem.removesuffix("-Regular")
    bold = regular.with_name(f"{stem}-Bold{regular.suffix}")
    return bold if bold.exists() else regular


def has(path: Path, letter: str) -> bool:
    """Whether a font has a letter."""
    return bool(_coverage(path) >> ord(letter) & 1)


@lru_cache(maxsize=2000)
def _coverage(path: Path) -> int:
    """A bit for each code point that a font has; 0 where it cannot be read."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(str(path), fontNumber=0, lazy=True) as font:
            points = bytearray(0x110000 // 8)
            for point in font.getBestCmap() or {}:
                points[point >> 3] |= 1 << (point & 7)
    except (TTLibError, OSError, KeyError, ValueError, AssertionError):
        return 0
    return int.from_bytes(bytes(points).rstrip(b"\0"), "little")


def _script(letter: str) -> str:
    """“Arabic” for an Arabic letter."""
    name = unicodedata.name(letter, "")
    if unicodedata.category(letter) in ("So", "Sk", "Sm", "Mn") or not name:
        return "signs"
    first = name.split()[0]
    return "Chinese characters" if first == "CJK" else first.capitalize()
