"""`clearcast user`: accounts from the terminal of the server's machine, whether a server runs or not.

A server that runs notices within seconds: sessions that were ended here end there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from server.accounts.gate import local_actor
from server.accounts.opening import Accounts, open_accounts
from server.accounts.passwords import random_password
from server.accounts.rules import sign_in_name
from server.accounts.users import NewUser
from server.clock import SystemClock
from server.config import Settings
from server.errors import InvalidRequest, NotFound
from server.process import keep_files_private
from server.recordings.quota import GB
from server.store.database import database_url
from server.store.folder import prepare_folders
from server.store.people_records import User
from server.store.store import Store

MOST_GB = 1e6
ADDRESS = "terminal"
"""Where the audit log says that it came from."""

Command = Callable[[Accounts, Store, argparse.Namespace], Awaitable[None]]


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Do what was asked; returns the exit status. Raises ClearcastError."""
    keep_files_private()
    prepare_folders(settings)
    asyncio.run(_run(settings, options))
    return 0


async def _run(settings: Settings, options: argparse.Namespace) -> None:
    store = Store(database_url(settings.database_url, settings.data_dir))
    try:
        await store.open()
        accounts = await open_accounts(settings, store, SystemClock())
        try:
            await COMMANDS[options.action](accounts, store, options)
        finally:
            await accounts.close()
    finally:
        await store.close()


async def _add(accounts: Accounts, store: Store, options: argparse.Namespace) -> None:
    password = _password(options)
    wanted = NewUser(options.name, password, options.display_name, options.email)
    user = await accounts.people.add(local_actor(), wanted, options.administrator, ADDRESS)
    print(f"{user.name} has an account{', as an administrator' if user.administrator else ''}.")
    _tell(options, password)


async def _list(accounts: Accounts, store: Store, options: argparse.Namespace) -> None:
    cursor = None
    while True:
        page = await store.users.page(cursor=cursor)
        for user in page.items:
            notes = [
                text for text, holds in (("administrator", user.administrator), ("disabled", user.disabled_at)) if holds
            ]
            print(f"{user.name:24} {user.created_at:%Y-%m-%d}  {user.display_name}  {', '.join(notes)}".rstrip())
        cursor = page.next
        if cursor is None:
            return


async def _promote(accounts: Accounts, store: Store, options: argparse.Namespace) -> None:
    user, promoted = await _named(store, options.name), options.action == "promote"
    await accounts.administration.promote(local_actor(), user.id, promoted, ADDRESS)
    print(f"{user.name} is {'now an administrator' if promoted else 'no administrator any more'}.")


async def _reset(accounts: Accounts, store: Store, options: argparse.Namespace) -> None:
    user, password = await _named(store, options.name), _password(options)
    await accounts.people.set_password(local_actor(), user, password, ADDRESS)
    print(f"{user.name} has a new password and is signed out everywhere.")
    _tell(options, password)


async def _disable(accounts: Accounts, store: Store, options: argparse.Namespace) -> None:
    user, disabled = await _named(store, options.name), options.action == "disable"
    await accounts.administration.disable(local_actor(), user.id, disabled, ADDRESS)
    print(f"{user.name} {'can sign in no more' if disabled else 'can sign in again'}.")


async def _quota(accounts: Accounts, store: Store, options: argparse.Namespace) -> None:
    user = await _named(store, options.name)
    quota = None if options.gigabytes == "default" else round(_gigabytes(options.gigabytes) * GB)
    await accounts.administration.set_quota(local_actor(), user.id, quota, ADDRESS)
    room = "as the settings say" if quota is None else f"{quota / GB:g} GB" if quota else "no limit"
    print(f"{user.name}: {room}.")


def _gigabytes(text: str) -> float:
    """Raises InvalidRequest."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MOST_GB:
        raise InvalidRequest("GB must be a number, 0 for no limit, or `default`.")
    return number


COMMANDS: dict[str, Command] = {
    "add": _add,
    "list": _list,
    "promote": _promote,
    "demote": _promote,
    "reset-password": _reset,
    "disable": _disable,
    "enable": _disable,
    "quota": _quota,
}


async def _named(store: Store, name: str) -> User:
    """Raises NotFound in words for the terminal."""
    try:
        return await store.users.by_name(sign_in_name(name))
    except (NotFound, InvalidRequest):
        raise NotFound(f"Nobody signs in as “{name[:40]}”. `clearcast user list` shows who does.") from None


def _password(options: argparse.Namespace) -> str:
    if options.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return random_password()


def _tell(options: argparse.Namespace, password: str) -> None:
    """A password that nobody has chosen is shown, once."""
    if not options.password_stdin:
        print(f"Password: {password}")
