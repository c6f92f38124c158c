"""Passwords: argon2id (RFC 9106), in threads of their own, at most two at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.errors import Unavailable
from server.queues import Policy, Queue

Result = TypeVar("Result")

THREADS = 2
WAITING = 32
RETRY_AFTER = 5

CHECKS = Queue(
    "passwords",
    WAITING,
    Policy.NEWEST,
    holds="passwords that are being checked or hashed",
    drop="Very many sign in at once, or somebody guesses: they were answered 503 and asked to come again in 5 s.",
)


def random_password() -> str:
    """A password that nobody chose: 96 random bits, 16 characters."""
    return secrets.token_urlsafe(12)


class Passwords:
    """Hashes and checks passwords; the event loop never waits for it.

    The cost is what OWASP's password storage cheat sheet names for argon2id: 19 MiB, two passes, one lane. Hashes
    carry their own parameters, so that it can be raised: older ones are then made anew when somebody signs in.
    """

    def __init__(self, *, time_cost: int = 2, memory_kib: int = 19_456) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self.busy = 0
        """How many wait or are worked on."""
        self._dummy: str | None = None
        CHECKS.measure(self, lambda passwords: passwords.busy)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash that is stored. Raises Unavailable where too many wait."""
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is that of the hash `stored`.

        None, for somebody who is not there, takes as long and is never right. Raises Unavailable where too many wait.
        """
        right = await self._run(lambda: self._verify(stored if stored is not None else self._nobody(), password))
        return right and stored is not None

    def stale(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    def _nobody(self) -> str:
        """A hash of nothing that anybody could type. Made once, in the thread."""
        if self._dummy is None:
            self._dummy = self._hasher.hash("\0nobody\0")
        return self._dummy

    async def warm_up(self) -> None:
        """Make what only the first use would: else the first wrong name would be told from the others by time."""
        await self._run(self._nobody)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self.busy >= WAITING:
            CHECKS.dropped += 1
            raise Unavailable("Very many are signing in just now.", code="busy", retry_after=RETRY_AFTER)
        self.busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self.busy -= 1


def _bytes(password: str) -> bytes:
    """Whatever was typed, halves of characters too: it is wrong or right, and never an error."""
    return password.encode("utf-8", "surrogatepass")
