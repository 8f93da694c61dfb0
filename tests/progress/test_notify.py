"""Who is told of the end of a run gets all of it, and can neither stop the run nor hold it up."""

import dataclasses
import http.server
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from sweeps.errors import SweepsError
from sweeps.progress.notify import Ended, check, notify

ENDED = Ended("wave", "failed", 1, 2.5, "node1", "wave failed: 1 of 4", 4, 3, 0, 1, 0)

WRITE = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open('told', 'w'))"


class Server(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers as its path says."""

    def do_POST(self):
        n_bytes = int(self.headers["Content-Length"])
        self.server.posted.append((dict(self.headers), json.loads(self.rfile.read(n_bytes))))
        if self.path == "/never":
            self.server.ends.wait(30)
        if self.path == "/slowly":
            while not self.server.ends.wait(0.05):
                self.wfile.write(b"H")
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
        else:
            self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made.posted, made.ends = [], threading.Event()
    made.daemon_threads = True
    made.at = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.ends.set()
    made.shutdown()
    thread.join()
    made.server_close()


def called(folder, ended):
    """Have a program told; return its arguments and its environment."""
    (folder / "program.py").write_text(WRITE)
    os.chdir(folder)
    assert notify(f"{sys.executable} program.py 'two words'", ended) == ""
    return json.loads((folder / "told").read_text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_gets_the_message_and_each_value(folder):
    arguments, environment = called(folder, ENDED)
    assert arguments == ["two words", ENDED.message]
    for name, value in dataclasses.asdict(ENDED).items():
        assert environment[f"SWEEPS_{name.upper()}"] == str(value)


HOSTILE = ["$(touch mark) `touch mark`", "'; touch mark #", "\0\n\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_is_taken_for_code(folder, text):
    ended = dataclasses.replace(ENDED, name=text, message=text)
    arguments, environment = called(folder, ended)
    assert len(arguments) == 2
    assert arguments[1] == environment["SWEEPS_MESSAGE"]
    assert not (folder / "mark").exists()


def test_a_long_message_is_cut(folder):
    arguments, _ = called(folder, dataclasses.replace(ENDED, message="x" * 10**6))
    assert arguments[1] == "x" * 2000


def test_values_that_are_unknown_are_empty(folder):
    _, environment = called(folder, Ended("wave", "error", 2, 0.1, "node1", "no such folder"))
    assert environment["SWEEPS_POINTS"] == environment["SWEEPS_FAILED"] == ""


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        ("no-such-program-anywhere", "cannot call no-such-program-anywhere: No such file"),
        ("sh -c 'exit 3'", "sh ended with code 3"),
        ("/", "cannot call /: Permission denied"),
    ],
)
def test_what_went_wrong_is_told_in_one_line(command, trouble):
    told = notify(command, ENDED)
    assert told.startswith(trouble)
    assert "\n" not in told


def test_a_command_that_takes_too_long_ends_with_all_that_it_started(folder):
    command = "sh -c 'sleep 60 & echo $! > pid; wait'"
    assert notify(command, ENDED, 0.5) == "sh took longer than 0.5 s and was stopped"
    pid = int((folder / "pid").read_text())
    for _ in range(500):  # until whoever adopts it has noticed
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail("it goes on")


@pytest.mark.parametrize("text", [ENDED.message, *HOSTILE])
def test_a_url_gets_json(server, text):
    ended = dataclasses.replace(ENDED, message=text)
    assert notify(f"{server.at}/hook", ended) == ""
    ((headers, body),) = server.posted
    assert headers["Content-Type"] == "application/json"
    assert body == {**dataclasses.asdict(ended), "text": text}


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("/missing", "the server answered 404"),
        ("/away", "the server answered 302"),
        ("/never", "no answer within 0.3 s"),
        ("/slowly", "no answer within 0.3 s"),
        ("/a b", "the URL is not valid"),
        ("/\u03c0", "'ascii' codec can't encode"),
    ],
)
def test_trouble_with_a_server_is_told_without_its_path(server, path, trouble):
    told = notify(f"{server.at}{path}", ENDED, 0.3 if "within" in trouble else 30)
    assert told.startswith(f"127.0.0.1: {trouble}")
    assert path not in told
    assert "\n" not in told


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    told = notify(f"http://127.0.0.1:{port}/", ENDED)
    assert told == "127.0.0.1: Connection refused"


@pytest.mark.parametrize("target", ["", "  ", "'open", "ftp://host/", "file:///etc/passwd", "a\0b"])
def test_what_is_no_command_and_no_url_is_refused(target):
    with pytest.raises(SweepsError, match="--notify"):
        check(target)


@pytest.mark.parametrize("target", ["notify-send sweeps", "http://host/", "HTTPS://host/a?b=c"])
def test_commands_and_urls_are_taken(target):
    check(target)
