"""The server listens on this machine alone, at a free port, until it is told to end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from sweeps.errors import SweepsError
from sweeps.viewer import serve

httpx = pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("uvicorn", reason="needs uvicorn")

EXPERIMENT = """
from sweeps import experiment, grid

@experiment(grid(x=[1, 2, 3]))
def triple(x):
    return 3 * x
"""


@pytest.fixture
def taken():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made.getsockname()[1]


def test_a_port_that_is_taken_is_not_used(taken, monkeypatch):
    monkeypatch.setattr(serve, "PORT", taken)
    server = serve.prepare([])
    assert server.port != taken
    assert server.listening.getsockname()[0] == "127.0.0.1"
    server.close()
    with pytest.raises(SweepsError, match="leave --port out"):
        serve.prepare([], port=taken)


def test_each_address_has_a_token_of_its_own():
    servers = [serve.prepare([]) for _ in range(2)]
    tokens = {server.address.partition("token=")[2] for server in servers}
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 40
    for server in servers:
        server.close()


def test_a_name_is_quoted_in_the_address():
    server = serve.prepare([], first='"><script>')
    server.close()
    assert server.address.endswith("#%22%3E%3Cscript%3E")


@pytest.fixture
def served(project):
    pytest.importorskip("plotly", reason="needs plotly")
    (project / "experiments" / "triple.py").write_text(EXPERIMENT)
    call = [sys.executable, "-m", "sweeps", "view", "triple", "--json", "--no-open"]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        yield process, json.loads("".join(lines))
        process.kill()


def test_it_answers_until_ctrl_c(served, project):
    process, said = served
    address = said["address"]
    page = httpx.get(address)
    assert page.status_code == 200
    assert said["port"] == page.url.port
    base, cookies = f"http://127.0.0.1:{said['port']}", page.cookies
    assert httpx.get(f"{base}/state", params={"name": "triple"}).status_code == 403
    state = httpx.get(f"{base}/state", params={"name": "triple"}, cookies=cookies).json()
    assert state["counts"]["missing"] == 3
    with httpx.stream("GET", f"{base}/events?name=triple", cookies=cookies, timeout=10) as news:
        next(news.iter_lines())  # a page is open
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert error == ""
    assert not (project / "results").exists()


@pytest.mark.parametrize(
    "raw",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET /?token={token} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        "GET /?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/?token={token} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "POST /?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Authorization: Bearer {token}\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n",
        "\x16\x03\x01\x02",
    ],
)
def test_what_is_no_proper_request_of_the_user_is_refused(shared_server, raw):
    port, token = shared_server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw.format(port=port, token=token).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer == b"" or answer.split()[1] in (b"400", b"403", b"404", b"405")
    assert b"root:" not in answer
    assert b"Connection: Upgrade" not in answer


@pytest.fixture(scope="module")
def shared_server():
    """A server in a child, which only answers: it is made in no project."""
    server = serve.prepare([])
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            server.serve()
        finally:
            os._exit(0)
    server.listening.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as trial:
            if not trial.connect_ex(("127.0.0.1", server.port)):
                break
        time.sleep(0.05)
    yield server.port, server.address.partition("token=")[2]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
