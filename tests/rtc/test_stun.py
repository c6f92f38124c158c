"""Telling checks apart and verifying them, without parsing them."""

from __future__ import annotations

import random

import pytest
from aioice import stun as reference

from server.rtc.stun import BINDING_REQUEST, MAX_ATTRIBUTES, is_stun, read_check


def check(key: bytes = b"right", **attributes: object) -> bytes:
    message = reference.Message(reference.Method.BINDING, reference.Class.REQUEST)
    message.attributes |= {"USERNAME": "mine:yours", "PRIORITY": 7} | attributes
    message.add_message_integrity(key)
    return bytes(message)


# RFC 5769 section 2.1: a request as another implementation writes it.
SAMPLE = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)


def test_the_sample_of_the_rfc_is_read_and_verified() -> None:
    assert is_stun(SAMPLE)
    assert SAMPLE[:2] == BINDING_REQUEST
    found = read_check(SAMPLE)
    assert found is not None
    assert found.ufrag == b"evtj"
    assert found.is_signed_with(b"VOkJxbRl1RmTxUk/WvJxBt")
    assert not found.is_signed_with(b"VOkJxbRl1RmTxUk/WvJxBT")


def test_every_signed_byte_counts() -> None:
    data = check()
    end = data.index(bytes.fromhex("00080014")) + 24
    for position in (*range(2), *range(8, end)):
        changed = bytearray(data)
        changed[position] ^= 1
        found = read_check(bytes(changed))
        assert found is None or not found.is_signed_with(b"right"), position


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01",
        SAMPLE[:-1],
        SAMPLE + b"\x00",
        SAMPLE[:4] + b"\x00" + SAMPLE[5:],
        b"\x00\x01\x00\x04" + SAMPLE[4:],
    ],
)
def test_what_is_not_whole_is_not_stun(data: bytes) -> None:
    assert not is_stun(data)


def test_a_check_names_its_peer_and_its_priority_before_its_signature() -> None:
    whole = check()
    assert read_check(whole) is not None
    message = reference.Message(reference.Method.BINDING, reference.Class.REQUEST)
    message.attributes["USERNAME"] = "mine:yours"
    message.add_message_integrity(b"right")
    assert read_check(bytes(message)) is None
    assert read_check(whole[: whole.index(bytes.fromhex("00080014"))]) is None
    assert read_check(whole[:20] + bytes.fromhex("80220000") * MAX_ATTRIBUTES + whole[20:]) is None


def test_noise_is_read_without_harm() -> None:
    chaos = random.Random(3)
    for _ in range(3000):
        data = bytearray(SAMPLE)
        for _ in range(chaos.randrange(1, 12)):
            data[chaos.randrange(len(data))] = chaos.randrange(256)
        read_check(bytes(data[: chaos.randrange(20, len(data) + 1)]))
        read_check(chaos.randbytes(chaos.randrange(20, 400)))
