"""Whether the server on this machine answers: `python -m server.web.alive`, for the health check of a container.

Its exit status is 0 when it does. The standard library alone, so that asking often costs little.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from pathlib import Path

TIMEOUT_S = 4.0


def schemes() -> list[str]:
    """How the server may be spoken to, the likelier way first."""
    made = Path(os.environ.get("CLEARCAST_DATA_DIR") or "data") / "tls" / "certificate.pem"
    secure = bool(os.environ.get("CLEARCAST_TLS_CERTIFICATE")) or made.exists()
    return ["https", "http"] if secure else ["http", "https"]


def answers(scheme: str, host: str, port: int) -> bool:
    """Whether the server says that it lives. Nobody vouches for its certificate here: it is this machine."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    if scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """0 when the server answers."""
    port = int(os.environ.get("CLEARCAST_PORT") or 8080)
    host = os.environ.get("CLEARCAST_HOST") or "127.0.0.1"
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return 0 if any(answers(scheme, here, port) for scheme in schemes()) else 1


if __name__ == "__main__":
    sys.exit(main())
