"""What schemathesis needs to know of bodies that are not JSON: it sends text that means nothing."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def session_description(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{value}".encode()


@schemathesis.serializer("audio/wav", "image/*", "application/offset+octet-stream")
def some_bytes(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return b"RIFF" + str(value).encode()
