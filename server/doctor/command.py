"""`clearcast doctor`: run every check, print what they say."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from server.config import Settings
from server.doctor import captions, machine, network, parts, reach
from server.doctor.bundle import write_bundle
from server.doctor.findings import Finding, State, as_json, as_text, fails, worst
from server.doctor.masking import Mask
from server.log import configure_logging, get_logger

log = get_logger(__name__)

Check = Callable[[Settings], Finding]


def checks(self_signed: bool = False) -> dict[str, Check]:
    """Every check by name, in the order of the report."""
    return {
        "processor": machine.processor,
        "memory": machine.memory,
        "graphics card": machine.graphics,
        "noise removal": parts.headroom,
        "models": parts.models,
        "captions": captions.recogniser,
        "speakers": captions.diarizer,
        "libopus": parts.opus,
        "disk": machine.disk,
        "database": parts.database,
        "TCP port": network.port,
        "UDP port": reach.udp_port,
        "UDP": network.udp,
        "address": reach.address,
        "firewall": reach.firewall,
        "certificate": partial(network.certificate, self_signed=self_signed),
        "microphone": partial(network.microphone, self_signed=self_signed),
        "open files": machine.limits,
        "clock": machine.clock,
        "server": network.server,
    }


def examine(settings: Settings, self_signed: bool = False) -> list[Finding]:
    """What every check says; one that breaks says so."""
    findings = []
    for name, check in checks(self_signed).items():
        try:
            findings.append(check(settings))
        except Exception as error:  # the boundary of one check: the others still tell what they find
            log.exception("a check broke", check=name)
            what = f"This could not be found out: {type(error).__name__}: {error}."
            findings.append(fails(name, what, "This is a mistake in Clearcast; please report it."))
    return findings


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Check, print, and write the archive where one is asked for; 1 when something fails.

    Raises InvalidRequest and DiskFull where the archive cannot be made.
    """
    configure_logging("error")
    findings = examine(settings, options.tls == "self-signed")
    mask = Mask(settings)
    if options.json:
        report = json.dumps(mask.tree(as_json(findings)), ensure_ascii=False)
    else:
        report = mask.text(as_text(findings, min(110, max(60, shutil.get_terminal_size().columns))))
    sys.stdout.write(report + "\n")
    sys.stdout.flush()
    if options.bundle:
        log = Path(options.log) if options.log else None
        names = write_bundle(Path(options.bundle), settings, findings, log)
        sys.stderr.write(f"{options.bundle}: {', '.join(names)}. Passwords, keys and tokens are masked.\n")
    return 1 if worst(findings) is State.FAILS else 0
