"""What the machine has: processor, memory, graphics card, disk, clock, limits. Linux."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from server.config import Settings
from server.doctor.findings import Finding, fails, look, ok

GIB = 2**30
LITTLE_MEMORY = 1.5 * GIB
TOO_LITTLE_MEMORY = 0.4 * GIB
NEEDED = "The server and its noise removal take about 0.8 GiB"
SLOW_WRITE_S = 0.2
LATE_S = 0.01
SLEEPS = 100
JUMP_S = 0.05
RELEASED = datetime(2025, 1, 1, tzinfo=UTC)


def processor(_settings: Settings) -> Finding:
    """Cores that this process may use, and what else asks for them."""
    cores = float(len(os.sched_getaffinity(0)))
    quota = _first_line(Path("/sys/fs/cgroup/cpu.max")).split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, int(quota[0]) / int(quota[1]))
    model = _field(Path("/proc/cpuinfo"), "model name") or platform.machine()
    load = os.getloadavg()[0]
    data = {"cores": cores, "model": model, "load": load}
    what = f"{cores:g} {'core' if cores == 1 else 'cores'} ({model}), load {load:.1f}."
    if cores < 2:
        return look("processor", what, "One core carries a stream, but audio and noise removal share it.", **data)
    if load > cores:
        return look("processor", what, "Other programs keep it busy; noise removal may come late.", **data)
    return ok("processor", what, **data)


def memory(_settings: Settings) -> Finding:
    """What is free, under the limit of a container where there is one."""
    free = _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    total = _kilobytes(Path("/proc/meminfo"), "MemTotal")
    limit, used = (_first_line(Path(f"/sys/fs/cgroup/memory.{name}")) for name in ("max", "current"))
    if limit.isdigit() and used.isdigit() and int(limit) < total:
        total, free = int(limit), min(free, max(0, int(limit) - int(used)))
    data = {"free_bytes": free, "total_bytes": total}
    what = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free."
    if free < TOO_LITTLE_MEMORY:
        return fails("memory", what, f"{NEEDED}: close other programs.", **data)
    if free < LITTLE_MEMORY:
        return look("memory", what, f"{NEEDED}; little is left.", **data)
    return ok("memory", what, **data)


def graphics(settings: Settings) -> Finding:
    """Whether there is an NVIDIA card with a driver; `headroom` says whether it is used."""
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    names = [name for card in cards if (name := _field(card, "Model"))]
    driver = Path("/proc/driver/nvidia/version").exists()
    data = {"cards": names, "driver": driver}
    if names:
        unused = " The settings keep noise removal on the processor." if settings.denoise_device == "cpu" else ""
        return ok("graphics card", f"{', '.join(names)}, with a driver.{unused}", **data)
    if settings.denoise_device == "cuda":
        remedy = "Install NVIDIA's driver, or set CLEARCAST_DENOISE_DEVICE=auto."
        what = "CLEARCAST_DENOISE_DEVICE asks for a card and there is none with a driver; the processor is used."
        return look("graphics card", what, remedy, **data)
    return ok("graphics card", "None with NVIDIA's driver; the processor takes the noise out.", **data)


def disk(settings: Settings) -> Finding:
    """Room and right to write where recordings go, and how long a write takes to be safe."""
    folder = settings.recordings_dir.absolute()
    folder = folder if folder.exists() else settings.data_dir.absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    where = str(folder) if there == folder else f"{folder} (not there yet)"
    try:
        seconds = _write(there)
        free = shutil.disk_usage(there).free
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "Give this account the right to write there, or name another folder with CLEARCAST_DATA_DIR."
        return fails("disk", f"{where} cannot be written to: {reason}.", remedy)
    hours = free / (settings.opus_bitrate / 8 * 3600)
    data = {"folder": str(folder), "free_bytes": free, "write_s": seconds}
    what = f"{free / 1e9:.1f} GB free at {where}, room for about {hours:,.0f} hours; a write is safe after"
    what += f" {1e3 * seconds:.0f} ms."
    if free < settings.disk_reserve_mb * 1e6:
        remedy = f"Below {settings.disk_reserve_mb} MB (CLEARCAST_DISK_RESERVE_MB) no recording begins: make room."
        return look("disk", what, remedy, **data)
    if seconds > SLOW_WRITE_S:
        return look("disk", what, "This is slow; recordings are on the disk later than they should be.", **data)
    return ok("disk", what, **data)


def _write(folder: Path) -> float:
    """Seconds that 64 kB take until they are on the disk, the best of three."""
    path = folder / f".clearcast-doctor-{os.getpid()}"
    took = []
    try:
        for _ in range(3):
            began = time.monotonic()
            with path.open("wb") as file:
                file.write(os.urandom(65_536))
                file.flush()
                os.fdatasync(file.fileno())
            took.append(time.monotonic() - began)
    finally:
        path.unlink(missing_ok=True)
    return min(took)


def clock(_settings: Settings) -> Finding:
    """Whether time passes as it should: both clocks alike, timers punctual, a date that can be."""
    wall, steady = time.time(), time.monotonic()
    late = []
    for _ in range(SLEEPS):
        due = time.monotonic() + 0.01
        time.sleep(0.01)
        late.append(time.monotonic() - due)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    p95 = sorted(late)[int(0.95 * SLEEPS)]
    now = datetime.now(UTC)
    data = {"timer_late_p95_s": p95, "drift_s": drift, "utc": now.isoformat(timespec="seconds")}
    what = f"{now:%Y-%m-%d %H:%M} UTC; timers wake {1e3 * p95:.1f} ms late at most in 95 of 100 cases."
    if now < RELEASED:
        return look("clock", what, "The date is wrong: certificates and recordings need it. Set the clock.", **data)
    if abs(drift) > JUMP_S:
        return look("clock", what, "The time of day jumped meanwhile; let an NTP service steer it slowly.", **data)
    if p95 > LATE_S:
        return look("clock", what, "The machine is busy or shared: audio needs it every 10 ms.", **data)
    return ok("clock", what, **data)


def limits(settings: Settings) -> Finding:
    """Whether the system lets one process hold as many sockets as the settings allow listeners."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 4 * settings.max_listeners + 256
    data = {"open_files": soft, "needed": needed}
    what = f"At most {soft:,} files and sockets; {settings.max_listeners} listeners take up to {needed:,}."
    if 0 <= soft < needed:
        remedy = f"Raise it: `ulimit -n {min(needed, hard) if hard > 0 else needed}`, LimitNOFILE= of a systemd unit."
        return look("open files", what, remedy, **data)
    return ok("open files", what, **data)


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _field(path: Path, name: str) -> str:
    """The value of `name: value` in a file of the kernel's."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == name), "")


def _kilobytes(path: Path, name: str) -> int:
    value = _field(path, name).split()
    return int(value[0]) * 1024 if value else 0
