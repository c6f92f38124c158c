"""The command `clearcast`. Every part is imported only when its command runs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from server import __version__
from server.errors import ClearcastError, SettingsError

FAILED = 1
MISUSED = 2
INTERRUPTED = 130

TOKENS = (
    "Commands prove themselves with the token in --token-file, else in CLEARCAST_TOKEN, else with what "
    "`clearcast login` keeps. Tokens are never arguments, which others on the machine can read."
)

BENCHES = {
    "captions": "how good live captions are and how soon they come",
    "denoise": "how exact and how costly the denoiser is",
    "exchange": "how long a hop takes to the denoise worker and back",
    "fanout": "what one more listener costs",
    "latency": "how long the server holds on to sound",
    "lists": "how many pages of lists one core answers",
    "pipeline": "whether captions ever delay audio",
    "presence": "how soon friends see that somebody came or went",
    "process": "how many times faster than real time a file is made into a recording",
    "search": "how soon a search answers among a thousand recordings",
    "soak": "whether the server stays as it is for minutes and hours",
    "voices": "how surely known voices are recognised, and strangers are not",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 1 when it failed, 2 for a mistake in arguments or settings."""
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command != "bench":
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(options.run(options, rest))
    except SettingsError as error:
        for line in error.message.splitlines():
            print(f"clearcast: {line}", file=sys.stderr)
        return MISUSED
    except ClearcastError as error:
        print(f"clearcast: {error.message}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clearcast", description="A live audio server that takes the noise out.")
    parser.add_argument("--version", action="version", version=f"clearcast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the server")
    _add_server_arguments(serve)
    serve.set_defaults(run=_serve)

    _add_client_arguments(commands)
    _add_login_arguments(commands)

    _add_verify_arguments(commands.add_parser("verify", help="say whether all recordings are what they were"))
    _add_transcribe_arguments(
        commands.add_parser("transcribe", help="write down what is said in audio and video files, and by whom")
    )
    _add_worker_arguments(commands.add_parser("worker", help="do the jobs of a server; `serve` starts one by itself"))

    demo = commands.add_parser("demo", help="a first look: a noisy talk, live on a channel of its own")
    _add_server_arguments(demo)
    demo.add_argument("--snr", type=float, default=5.0, metavar="DB", help="speech over noise, dB (default: 5)")
    demo.set_defaults(run=_demo)

    _add_user_arguments(commands.add_parser("user", help="accounts: add, list, promote, disable, quota …"))

    models = commands.add_parser("models", help="list or fetch models").add_subparsers(metavar="ACTION", required=True)
    models.add_parser("list", help="which models there are and where they lie").set_defaults(run=_list_models)
    pull = models.add_parser("pull", help="fetch models from their publishers")
    pull.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: those that the settings name)")
    pull.add_argument("--again", action="store_true", help="fetch them even if they are there")
    pull.set_defaults(run=_pull_models)

    doctor = commands.add_parser(
        "doctor",
        help="say what works on this machine and what does not",
        description="Say what works on this machine, and what to do about the rest. The exit status is 1 when "
        "something fails, 0 when all is well or only worth a look.",
    )
    _add_server_arguments(doctor)
    doctor.add_argument("--json", action="store_true", help="print exactly one JSON object")
    doctor.add_argument("--bundle", metavar="FILE", help="write an archive for whoever helps you; secrets are masked")
    doctor.add_argument("--log", metavar="FILE", help="the server's log, whose last lines go into the archive")
    doctor.set_defaults(run=_doctor)

    benches = commands.add_parser("bench", help="measure this machine").add_subparsers(
        dest="name", metavar="BENCH", required=True
    )
    for name, text in BENCHES.items():  # each adds arguments of its own, and tells of them when asked
        benches.add_parser(name, help=text, add_help=False).set_defaults(run=_bench)
    return parser


def _add_server_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: CLEARCAST_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="TCP port (default: CLEARCAST_PORT, else 8080)")
    parser.add_argument("--tls", choices=["self-signed"], help="serve HTTPS with a certificate made on this machine")
    parser.add_argument("--data-dir", help="database, recordings and secrets (default: CLEARCAST_DATA_DIR, else data/)")


def _add_login_arguments(commands: Any) -> None:
    login = commands.add_parser(
        "login", help="sign in to a server; publish and listen use that", description=f"Sign in to a server. {TOKENS}"
    )
    login.add_argument("--name", help="name or e-mail address (default: asked for); the password is always asked for")
    login.set_defaults(run=_login)
    logout = commands.add_parser("logout", help="end that")
    logout.set_defaults(run=_logout)
    for parser in (login, logout):
        _add_address(parser)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server", default="http://127.0.0.1:8080", help="address of the server (default: %(default)s)"
    )
    parser.add_argument("--insecure", action="store_true", help="accept a certificate that nobody vouches for")


def _add_client_arguments(commands: Any) -> None:
    publish = commands.add_parser("publish", help="send an audio file into a channel")
    publish.set_defaults(run=_publish)
    listen = commands.add_parser("listen", help="listen to a channel and keep what is heard")
    listen.set_defaults(run=_listen)
    for parser in (publish, listen):
        _add_address(parser)
        parser.add_argument("--channel", help="address of the channel (default: one's own)")
        parser.add_argument("--token-file", metavar="FILE", help=f"a file with a token or a key in it. {TOKENS}")
    publish.add_argument("file", metavar="FILE", help="any audio file")
    publish.add_argument("--title", help="title of the stream")
    publish.add_argument("--loop", action="store_true", help="begin again at the end, until stopped")
    publish.add_argument(
        "--denoise",
        choices=["active", "bypassed", "absent", "music"],
        help="noise removal of the stream; music: none, and stereo",
    )
    publish.add_argument("--no-record", action="store_true", help="do not record the stream")
    listen.add_argument("-o", "--output", metavar="FILE", help="keep what is heard: .wav or .opus")
    listen.add_argument("--captions", action="store_true", help="print what is said and who says it, as it comes")
    listen.add_argument("--stereo", action="store_true", help="keep both channels of music")
    listen.add_argument("--seconds", type=float, help="stop after that long (default: when the stream ends)")


def _add_transcribe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="any file with sound in it")
    parser.add_argument(
        "-f",
        "--format",
        choices=["txt", "md", "srt", "vtt", "json", "csv"],
        help="default: by the output's name, else txt",
    )
    parser.add_argument(
        "-o", "--output", metavar="PATH", help="a file, or a folder for one file each (default: standard output)"
    )
    parser.add_argument("--language", metavar="CODE", help="like `en` (default: heard)")
    parser.add_argument("--speakers", type=int, metavar="N", help="how many people speak (default: heard)")
    parser.add_argument(
        "--no-denoise", action="store_true", help="hear the files as they are, whatever the settings say"
    )
    parser.add_argument("--data-dir", help="data folder of a running server whose models are used")
    parser.set_defaults(run=_transcribe)


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say whether all recordings are what they were. Changes nothing; the exit status is 1 when not."
    )
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object")
    parser.add_argument("--data-dir", help="the server's data folder (default: CLEARCAST_DATA_DIR, else data/)")
    parser.set_defaults(run=_verify)


def _add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", help="the server's data folder (default: CLEARCAST_DATA_DIR, else data/)")
    parser.add_argument("--supervised", action="store_true", help="end when standard input does")
    parser.set_defaults(run=_worker)


def _add_user_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of `clearcast user`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make an account; the first of all is an administrator's")
    add.add_argument("name", metavar="NAME", help="what one signs in with")
    add.add_argument("--display-name", default="", metavar="TEXT", help="what others see (default: the name)")
    add.add_argument("--email", metavar="ADDRESS")
    add.add_argument("--administrator", action="store_true")
    passwords = [add]
    actions.add_parser("list", help="who has an account")
    for name, text in (
        ("promote", "make somebody an administrator"),
        ("demote", "make somebody an administrator no more"),
        ("reset-password", "give somebody a new password, and sign them out everywhere"),
        ("disable", "let somebody in no more; what is theirs stays"),
        ("enable", "let somebody in again"),
        ("quota", "how much room somebody has for recordings and uploads"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("name", metavar="NAME")
        if name == "quota":
            action.add_argument("gigabytes", metavar="GB", help="0 for no limit, `default` for what the settings say")
        if name == "reset-password":
            passwords.append(action)
    for action in passwords:
        action.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password from standard input (default: a random one)",
        )
    for action in actions.choices.values():
        action.add_argument("--data-dir", help="the server's data folder (default: CLEARCAST_DATA_DIR, else data/)")
    parser.set_defaults(run=_user)


def _user(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.user_command import run

    return run(settings, options)


def _settings(options: argparse.Namespace) -> Any:
    from server.config import load_settings

    named = {name: getattr(options, name, None) for name in ("host", "port", "data_dir")}
    settings = load_settings(**{name: value for name, value in named.items() if value is not None})
    if getattr(options, "tls", None) and settings.tls_certificate is not None:
        raise SettingsError("--tls self-signed and CLEARCAST_TLS_CERTIFICATE exclude each other")
    return settings


def _serve(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.app import serve

    return serve(settings, self_signed=options.tls == "self-signed")


def _publish(options: argparse.Namespace, _rest: list[str]) -> int:
    from server.client.commands import publish

    return publish(options)


def _listen(options: argparse.Namespace, _rest: list[str]) -> int:
    from server.client.commands import listen

    return listen(options)


def _login(options: argparse.Namespace, _rest: list[str]) -> int:
    from server.client.login import login

    return login(options)


def _logout(options: argparse.Namespace, _rest: list[str]) -> int:
    from server.client.login import logout

    return logout(options)


def _verify(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.verify_command import run

    return run(settings, options)


def _transcribe(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.transcribe import transcribe

    return transcribe(settings, options)


def _worker(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.work import work

    return work(settings, supervised=options.supervised)


def _demo(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.demo import demo

    return demo(settings, self_signed=options.tls == "self-signed", snr=options.snr)


def _list_models(_options: argparse.Namespace, _rest: list[str]) -> int:
    from server.config import load_settings
    from server.inference.known_models import MODELS
    from server.inference.models import find_model

    settings = load_settings()
    for spec in MODELS.values():
        folder = find_model(spec.name, settings)
        where = str(folder) if folder is not None else f"not installed ({spec.size / 1e6:.0f} MB to download)"
        print(f"{spec.name:18} {spec.purpose:24} {where}")
    print(f"{'RNNoise':18} {'takes the noise out':24} always there; stands in while the others are not")
    return 0


def _pull_models(options: argparse.Namespace, _rest: list[str]) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from server.config import load_settings
    from server.inference.models import model_spec, pull
    from server.inference.wanted import wanted_models

    settings = load_settings()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for name in options.names or wanted_models(settings):
        model_spec(name)
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(name, total=None)

            def show(done: int, total: int | None, bar: Progress = progress, row: Any = task) -> None:
                bar.update(row, completed=done, total=total)

            folder = pull(name, show, folder=settings.cache_dir, again=options.again)
        print(f"{name}: {folder}")
    return 0


def _doctor(options: argparse.Namespace, _rest: list[str]) -> int:
    settings = _settings(options)
    from server.doctor.command import run

    return run(settings, options)


def _bench(options: argparse.Namespace, rest: list[str]) -> int:
    from server.bench.common import main as run_bench

    module = importlib.import_module(f"server.bench.{options.name}")
    sys.argv[1:] = rest
    return int(run_bench(f"clearcast bench {options.name}", module.__doc__ or "", module.add_arguments, module.run))
