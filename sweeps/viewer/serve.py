"""Serve the page on this machine alone, until the user ends it."""

from __future__ import annotations

import dataclasses
import errno
import secrets
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sweeps.errors import SweepsError
from sweeps.viewer.gate import ADDRESS, Gate
from sweeps.viewer.watched import Subject

PORT = 8765

_N_TRIED = 20

_N_CONNECTIONS = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Server:
    """A page that is about to be served.

    Attributes
    ----------
    address : str
        With the token; who knows it may see the page.
    """

    port: int
    address: str
    listening: socket.socket
    application: Gate
    library: Any

    def serve(self) -> None:
        """Answer requests until Ctrl-C, which raises `KeyboardInterrupt`, or SIGTERM."""
        import uvicorn

        configured = uvicorn.Config(
            self.application,
            log_level="warning",
            access_log=False,
            ws="none",
            lifespan="off",
            server_header=False,
            date_header=False,
            proxy_headers=False,  # nobody is to say where a request comes from
            limit_concurrency=_N_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(configured)
        self.library.is_over = lambda: server.should_exit
        try:
            server.run(sockets=[self.listening])
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening."""
        self.library.close()
        self.listening.close()


def prepare(
    subjects: Sequence[Subject],
    problems: Sequence[str] = (),
    port: int | None = None,
    first: str = "",
) -> Server:
    """Begin to listen.

    Parameters
    ----------
    port : int, optional
        By default the first free one from `PORT` on.
    first : str
        Name of the experiment that the page shows at first.
    """
    from sweeps.viewer.pages import Library, application

    listening = _listen(port)
    try:
        found: int = listening.getsockname()[1]
        token = secrets.token_urlsafe(32)
        library = Library(subjects, problems)
        if first:
            library.begin(first)
        gate = Gate(application(library), found, token)
    except BaseException:
        listening.close()
        raise
    at = f"#{quote(first, safe='')}" if first else ""
    return Server(found, f"http://{ADDRESS}:{found}/?token={token}{at}", listening, gate, library)


def _listen(port: int | None) -> socket.socket:
    """Listen at a port; where none is asked for, at one that is free."""
    ports = [port] if port is not None else [*range(PORT, PORT + _N_TRIED), 0]
    for each in ports:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((ADDRESS, each))
            made.listen(128)
        except OSError as error:
            made.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES) or each == ports[-1]:
                raise SweepsError(
                    f"cannot listen at port {each}: {error.strerror}; leave --port out, and a "
                    "free one is taken"
                ) from error
        else:
            return made
    raise AssertionError("unreachable")
