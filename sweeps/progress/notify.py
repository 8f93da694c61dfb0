"""Tells somebody that a run has ended: calls a command, or posts JSON to a URL."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import urllib.parse

from sweeps.errors import SweepsError
from sweeps.text import printable

LIMIT_S = 30.0
"""Longest time that a command or a server may take."""

_LONGEST = 2000  # characters of a message: a command takes 128 KiB at most

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

_STDERR = 2  # what the command prints is not the answer of the run


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run has ended; counts are None where it could not begin.

    Attributes
    ----------
    status : {"done", "failed", "interrupted", "error"}
        With "failed", some points have no values; with "error", the run could not go on.
    left : int or None
        Points that are still to do.
    message : str
        All in one line, for people.
    """

    name: str
    status: str
    exit_code: int
    seconds: float
    host: str
    message: str
    points: int | None = None
    computed: int | None = None
    reused: int | None = None
    failed: int | None = None
    left: int | None = None


def check(target: str) -> None:
    """Refuse what is neither a command nor the URL of a web server."""
    if _URL.match(target):
        if urllib.parse.urlsplit(target).scheme.lower() not in ("http", "https"):
            raise SweepsError(f"--notify {target}: give an http:// or https:// URL, or a command")
        return
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise SweepsError(f"--notify {target}: not a command ({error})") from error
    if not words or "\0" in target:
        raise SweepsError("--notify: give a command, such as 'notify-send sweeps', or a URL")


def notify(target: str, ended: Ended, limit_s: float = LIMIT_S) -> str:
    """Tell that a run has ended; return what went wrong in one line, empty if nothing."""
    ended = dataclasses.replace(ended, message=ended.message[:_LONGEST])
    try:
        if _URL.match(target):
            trouble = _post(target, ended, limit_s)
        else:
            trouble = _call(shlex.split(target), ended, limit_s)
    except KeyboardInterrupt:
        trouble = "interrupted"
    return " ".join(printable(trouble).split())


def _call(words: list[str], ended: Ended, limit_s: float) -> str:
    """Call a command without a shell, so that no name or message can be taken for code."""
    message = printable(ended.message)
    said = {k: "" if v is None else str(v) for k, v in dataclasses.asdict(ended).items()}
    own = {f"SWEEPS_{name.upper()}": printable(text) for name, text in said.items()}
    try:
        process = subprocess.Popen(
            [*words, message],
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,
            env={**os.environ, **own},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot call {words[0]}: {getattr(error, 'strerror', None) or error}"
    try:
        code = process.wait(limit_s)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started, too
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return f"{words[0]} took longer than {limit_s:g} s and was stopped"
        raise
    return f"{words[0]} ended with code {code}" if code else ""


def _post(url: str, ended: Ended, limit_s: float) -> str:
    """Post JSON; `text` is what Slack and Mattermost show. The URL, a secret there, is not told."""
    host = urllib.parse.urlsplit(url).hostname or "the server"
    body = json.dumps({**dataclasses.asdict(ended), "text": ended.message}).encode()
    answers: list[str] = []
    # In a thread, as the timeout of a socket does not bound a server that sends a byte a second.
    thread = threading.Thread(
        target=lambda: answers.append(_posted(url, body, limit_s)), daemon=True, name="sweeps-post"
    )
    try:
        thread.start()
    except RuntimeError as error:  # of a limit to threads
        return str(error)
    thread.join(limit_s)
    answer = answers[0] if answers else _no_answer(limit_s)
    return f"{host}: {answer}" if answer else ""


def _no_answer(limit_s: float) -> str:
    return f"no answer within {limit_s:g} s"


def _posted(url: str, body: bytes, limit_s: float) -> str:
    import http.client
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json", "User-Agent": "sweeps"}
    try:
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request, timeout=limit_s) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        return f"the server answered {error.code} {error.reason}"
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            return _no_answer(limit_s)
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except http.client.InvalidURL:  # whose text holds the path
        return "the URL is not valid"
    except TimeoutError:
        return _no_answer(limit_s)
    except Exception as error:  # of a proxy, of TLS, of an answer that is not HTTP
        return str(getattr(error, "strerror", None) or error) or type(error).__name__
    return ""
