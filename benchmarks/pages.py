"""``python -m benchmarks.pages``: a web server on this machine, whose pages are slow or fail.

It says its address in the first line and serves until its input ends. Nothing in it takes time but
waiting, so that it is not what a measurement measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Server:
    """Serves pages, and keeps account of who asked when.

    ==================== ====================================================
    path                 answer
    ==================== ====================================================
    ``/page/3``          a page with the title "Page 3"
    ``/slow/0.05/3``     the same, 0.05 s later
    ``/status/404``      the status 404
    ``/moved/page/3``    a redirect to ``/page/3``
    ``/text``            a text that is no HTML
    ``/never``           none
    ``/hang-up``         none, and the connection is closed
    ``/account``         the account, in JSON
    ==================== ====================================================
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.agents: set[str] = set()
        self.n_under_way = self.most_under_way = self.n_requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                if path == "/account":
                    answer: bytes | None = _answer(200, self.account(), "application/json")
                else:
                    answer = await self._counted(path, head, reader)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()

    async def _counted(self, path: str, head: str, reader: asyncio.StreamReader) -> bytes | None:
        self.times.append(time.perf_counter())
        self.agents |= {line[12:] for line in head.splitlines() if line.startswith("User-Agent: ")}
        self.n_requests += 1
        self.n_under_way += 1
        self.most_under_way = max(self.most_under_way, self.n_under_way)
        try:
            return await _page(path, reader)
        finally:
            self.n_under_way -= 1
            self.times.append(time.perf_counter())

    def account(self) -> str:
        """Requests so far: how many, how many at once, by whom, and from first to last."""
        return json.dumps(
            {
                "requests": self.n_requests,
                "most_under_way": self.most_under_way,
                "agents": sorted(self.agents),
                "seconds": max(self.times, default=0) - min(self.times, default=0),
            }
        )


async def _page(path: str, reader: asyncio.StreamReader) -> bytes | None:
    kind, *rest = path.partition("?")[0].strip("/").split("/")
    match kind:
        case "slow":
            await asyncio.sleep(float(rest[0]))
        case "status":
            return _answer(int(rest[0]), "<title>An error</title>")
        case "moved":
            return _answer(302, "", headers=f"Location: /{'/'.join(rest)}\r\n")
        case "text":
            return _answer(200, "<title>no HTML</title>", "text/plain")
        case "never":
            await reader.read()  # until the client has left
            return None
        case "hang-up":
            return None
    return _answer(200, f"<html><head><title> Page\n {rest[-1]} </title></head></html>")


def _answer(status: int, body: str, content: str = "text/html", headers: str = "") -> bytes:
    text = body.encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Length: {len(text)}\r\n"
        f"Content-Type: {content}; charset=utf-8\r\n{headers}\r\n"
    )
    return head.encode() + text


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve from a process of its own, and give the address."""
    command = [sys.executable, "-m", "benchmarks.pages"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()  # its sign to end


def account(address: str) -> dict[str, Any]:
    """Account of the requests to a server so far."""
    with urllib.request.urlopen(f"{address}/account") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def main() -> None:
    """Serve until the input ends, so that the server dies with who started it."""
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0, backlog=1000)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
