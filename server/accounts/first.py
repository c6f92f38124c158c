"""The first account of a server: made at this machine, or with the link that the terminal shows."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from server.accounts.credentials import Credential, fingerprint
from server.accounts.gate import LOCAL_ID
from server.store.store import Store


class FirstAccount:
    """Whether there is nobody yet, and the secret that lets somebody in then."""

    def __init__(self, store: Store, wanted: bool) -> None:
        self._store = store
        self._accounts = self._wanted = wanted
        self._secret = Credential.FIRST.new()
        self._announce: Callable[[str], None] = _nobody

    async def start(self) -> None:
        """What belonged to the one local user is an administrator's, once there is one."""
        if self._wanted and not await self.open():
            await self._store.users.adopt(LOCAL_ID)

    async def open(self) -> bool:
        """Whether nobody has an account yet."""
        self._wanted = self._wanted and await self._store.users.count() == 0
        return self._wanted

    def announce(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with the link when, later on, nobody is left."""
        self._announce = tell

    async def again(self) -> None:
        """Somebody's account is gone: where it was the last, the first can be made anew, with another secret."""
        self._wanted, self._secret = self._accounts, Credential.FIRST.new()
        link = await self.link()
        if link is not None:
            self._announce(link)

    def fits(self, token: str) -> bool:
        return hmac.compare_digest(fingerprint(token), fingerprint(self._secret))

    async def link(self) -> str | None:
        """The part of the address after the host that makes the first account; None where there is one."""
        return f"/first?token={self._secret}" if await self.open() else None


def _nobody(_link: str) -> None:
    """Told where nobody listens."""
