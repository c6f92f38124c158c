"""The caption worker as its supervisor sees it: a socket for the lanes handed down, its pulse on the control socket."""

from __future__ import annotations

import socket

from server import metrics
from server.inference.captioning.settings import CaptionWorkerConfig
from server.inference.supervisor import Launch

START_S = 600.0
"""A large model comes from a slow disk."""
HANG_S = 10.0
"""Its processor time is what others leave."""


class CaptionKind:
    """See `WorkerKind`. `take` gives our end of the lanes' socket once the process is there."""

    name = "captions"
    module = "server.inference.captioning.worker"
    start_s = START_S
    ready = metrics.CAPTIONS_READY
    restarts = metrics.CAPTIONS_RESTARTS

    def __init__(self, hang_s: float = HANG_S) -> None:
        self.hang_s = hang_s
        self._ours: socket.socket | None = None
        self._theirs: socket.socket | None = None

    def begin(self, config: CaptionWorkerConfig) -> Launch:
        self.close()
        self._ours, self._theirs = socket.socketpair()
        return Launch(config.to_json(), (self._theirs.fileno(),), config.threads)

    def begun(self) -> None:
        if self._theirs is not None:
            self._theirs.close()
            self._theirs = None

    def beats(self) -> None:
        """Lines on the control socket."""

    def take(self) -> socket.socket | None:
        """Our end of this process's socket, once."""
        ours, self._ours = self._ours, None
        return ours

    def close(self) -> None:
        for end in (self._ours, self._theirs):
            if end is not None:
                end.close()
        self._ours = self._theirs = None
