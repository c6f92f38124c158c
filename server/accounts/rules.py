"""What names, e-mail addresses and passwords have to be like. Pure; `check_password` loads a list the first time."""

from __future__ import annotations

import functools
import re
import unicodedata

from server.errors import InvalidRequest

NAME_MOST = 40
DISPLAY_MOST = 80
EMAIL_MOST = 254
"""RFC 5321, section 4.5.3.1.3."""
PASSWORD_LEAST = 8
PASSWORD_MOST = 256
"""NIST SP 800-63B, section 5.1.1.2: at least 8 characters, and 64 must be possible."""
PART = 4
"""A name shorter than this is part of too many good passwords to be looked for in them."""

JOINERS = "\u200c\u200d"
"""Persian and Indian words are spelt with them, and families of emoji held together."""
APART = ("LATIN", "GREEK", "CYRILLIC")
"""Scripts whose letters look alike: a sign-in name keeps to one of them."""
ROW = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop")


def folded(text: str) -> str:
    """One spelling for all that look the same: NFKC, small letters, nothing that cannot be seen."""
    visible = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", visible.casefold()).strip()


def sign_in_name(text: str) -> str:
    """The one spelling of a name to sign in with. Raises InvalidRequest "invalid-name"."""
    name = folded(text[: 10 * NAME_MOST]) if _sound(text) else ""
    if not 2 <= len(name) <= NAME_MOST or len(text) > 10 * NAME_MOST:
        raise InvalidRequest("A name to sign in with has 2 to 40 letters or digits.", code="invalid-name")
    if not all(letter in "._-" or unicodedata.category(letter)[0] in "LMN" for letter in name) or not name[0].isalnum():
        raise InvalidRequest(
            "A name to sign in with is made of letters and digits, with . _ or - between them. The name that others "
            "see may be anything.",
            code="invalid-name",
        )
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in name} & set(APART)
    if len(scripts) > 1:
        raise InvalidRequest("A name to sign in with does not mix letters that look alike.", code="invalid-name")
    return name


def display_name(text: str) -> str:
    """A name that others see, without what would turn their text around. Raises InvalidRequest "invalid-name"."""
    shown = "".join(
        letter for letter in unicodedata.normalize("NFC", text[: 10 * DISPLAY_MOST]) if _shown(letter)
    ).strip()
    shown = re.sub(r"\s+", " ", shown)
    if not 1 <= len(shown) <= DISPLAY_MOST or not _sound(text) or len(text) > 10 * DISPLAY_MOST:
        raise InvalidRequest("The name that others see has 1 to 80 characters, on one line.", code="invalid-name")
    if not any(unicodedata.category(letter)[0] not in "CZM" for letter in shown):
        raise InvalidRequest("The name that others see has nothing in it that can be seen.", code="invalid-name")
    return shown


def text_of_lines(text: str, most: int) -> str:
    """A text that somebody writes, of several lines maybe. Raises InvalidRequest."""
    plain = text.replace("\r\n", "\n").strip()
    if len(plain) > most:
        raise InvalidRequest(f"That is longer than {most:,} characters.")
    if not _sound(plain.replace("\n", " ").replace("\t", " "), most):
        raise InvalidRequest("The text must not contain control characters.")
    return plain


def email_address(text: str) -> str:
    """The one spelling of an e-mail address. Raises InvalidRequest "invalid-email"."""
    address = unicodedata.normalize("NFC", text[:1000]).strip().lower()
    if (
        len(address) > EMAIL_MOST
        or not _sound(address)
        or re.fullmatch(r"[^@\s\"(),:;<>\[\\\]]{1,64}@[^@\s\"(),:;<>\[\\\]/]{1,190}", address) is None
    ):
        raise InvalidRequest("That is no e-mail address.", code="invalid-email")
    return address


def check_password(password: str, *known: str) -> None:
    """Refuse a password that is short, common, or made of what is `known`, like the name.

    NIST SP 800-63B, section 5.1.1.2; no rules about kinds of characters. Takes a while the first time: not for the
    event loop. Raises InvalidRequest "weak-password".
    """
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        raise _weak(f"A password has {PASSWORD_LEAST} to {PASSWORD_MOST} characters.")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in password):
        raise _weak("The password holds half a character.")
    plain = folded(password)
    if plain in common_passwords() or _a_row(plain):
        raise _weak("Very many people have that password: it is the first that somebody would try. Take another.")
    for word in ("clearcast", *known):
        part = folded(word)
        if part and (plain == part or (len(part) >= PART and part in plain)):
            raise _weak("A password must not hold your name or e-mail address, nor the name of this program.")


def normal_password(password: str) -> str:
    """One spelling of a password, however the keyboard composes letters (NIST SP 800-63B: NFKC)."""
    return unicodedata.normalize("NFKC", password)


@functools.cache
def common_passwords() -> frozenset[str]:
    """Those that zxcvbn's lists of passwords, words and names hold and that are long enough to be asked about."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words if len(word) >= PASSWORD_LEAST)


def _weak(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="weak-password")


def _a_row(text: str) -> bool:
    """Whether it is one or two characters again and again, or a row of the alphabet or the keyboard."""
    if any(text == (text[:length] * len(text))[: len(text)] for length in (1, 2)):
        return True
    return any(text in row * 3 or text in row[::-1] * 3 for row in ROW)


def _shown(letter: str) -> bool:
    return letter in JOINERS or unicodedata.category(letter) not in ("Cf", "Co", "Cn")


def _sound(text: str, most: int = 1_000) -> bool:
    """Whether a text has no control characters and no halves of characters, as far as it is looked at."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text[:most])
