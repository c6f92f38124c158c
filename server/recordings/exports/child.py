"""Documents, written in a process of their own: seconds of work in Python that must not hold up the event loop.

What is to be written comes as a pickle on standard input, from the server that started this; what was written goes to
standard output.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys

from server.errors import Unavailable
from server.log import get_logger
from server.process import lower_thread_priority
from server.recordings.exports.transcripts import FORMS, Form
from server.speech.transcript import Transcript

LIMIT_S = 300.0
"""A document that takes longer is given up."""

log = get_logger(__name__)


async def write_apart(form: Form, transcript: Transcript) -> bytes:
    """The file. Raises Unavailable where it could not be made in time."""
    task = await asyncio.to_thread(pickle.dumps, (form.name, transcript))
    child = await asyncio.to_thread(_start)
    try:
        written, complaint = await asyncio.to_thread(child.communicate, task, LIMIT_S)
    except subprocess.TimeoutExpired:
        written, complaint = b"", b"it took too long"
    finally:
        if child.poll() is None:  # it took too long, or nobody waits any more
            child.kill()
    if not written:
        log.error(
            "a document could not be written", format=form.name, error=complaint.decode("utf-8", "replace")[-500:]
        )
        raise Unavailable("The document could not be written; the log says why.", code="document-failed")
    return bytes(written)


def _start() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, "PYTHONPATH": path}
    )


def main() -> None:
    """Read, write, end."""
    lower_thread_priority()
    # The server that started this process wrote it, and nobody else can.
    name, transcript = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 # nosec B301
    sys.stdout.buffer.write(FORMS[name].write(transcript))


if __name__ == "__main__":
    main()
