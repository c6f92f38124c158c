"""What a DTLS handshake costs its server by itself: the part of setting a listener up that nobody can save."""

from __future__ import annotations

import time

from OpenSSL import SSL

from server.rtc.aiortc_contract import dtls_context


class _Side:
    """One end, in memory; its processor time adds up in `spent`."""

    def __init__(self, context: SSL.Context, server: bool) -> None:
        self.spent = 0.0
        self.done = False
        before = time.process_time()
        self._connection = SSL.Connection(context)
        if server:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
        self.spent += time.process_time() - before

    def step(self, datagrams: list[bytes]) -> list[bytes]:
        """Take what came; what there is to send."""
        before = time.process_time()
        for data in datagrams:
            self._connection.bio_write(data)
        try:
            self._connection.do_handshake()
            self.done = True
        except SSL.WantReadError:
            pass
        answer = []
        while True:
            try:
                answer.append(self._connection.bio_read(1500))
            except SSL.Error:
                break
        self.spent += time.process_time() - before
        return answer


def handshake_ms(rounds: int = 30) -> float:
    """Milliseconds of processor for the server's side of a handshake with certificates on both sides."""
    ours, theirs = dtls_context(), dtls_context()
    spent = 0.0
    for _ in range(rounds):
        server, client = _Side(ours, True), _Side(theirs, False)
        datagrams: list[bytes] = []
        while not (server.done and client.done):
            datagrams = server.step(client.step(datagrams))
        spent += server.spent
    return spent / rounds * 1e3
