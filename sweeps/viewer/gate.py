"""Who may see the page: who has the token, by this machine's own address, and only by reading.

A page elsewhere can send requests here from the user's browser. Its host name may even lead here
(DNS rebinding), so the header Host must be the address that was printed, to the last character.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ADDRESS = "127.0.0.1"

HEADERS = {
    # Plotly makes images of heat maps, as data.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

_MOST_FIELDS, _NO_TOKEN = 20, b"none"

_FOREIGN = (b"cross-site", b"same-site")


class Gate:
    """Lets requests through to an application, or refuses them."""

    def __init__(self, inner: Application, port: int, token: str) -> None:
        self._inner = inner
        self._host = f"{ADDRESS}:{port}".encode()
        self._token = token.encode()
        self._cookie = f"sweeps-view-{port}"  # a browser sends cookies to all ports of a machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        code, said = self._refusal(scope)
        if code:
            await _answer(send, code, said)
            return
        has_token = self._is_token(_given(scope))

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                if has_token:
                    own.append((b"set-cookie", self._set_cookie().encode()))
                names = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(each for each in own if each[0] not in names),
                ]
            await send(message)

        await self._inner(scope, receive, sent)

    def _refusal(self, scope: Scope) -> tuple[int, str]:
        """Return why a request is refused, and its code; 0 if it is not."""
        if _values(scope, b"host") != [self._host]:
            return 403, "This page is served under another address: see what `view` printed."
        if scope["method"] != "GET":
            return 405, "This page can only be read."
        given = _given(scope)
        if any(site in _FOREIGN for site in _values(scope, b"sec-fetch-site")) and not given:
            return 403, "Another site asked for this."
        bearer = [v for v in _values(scope, b"authorization") if v.startswith(b"Bearer ")]
        held = [given, self._held(scope), *(v.removeprefix(b"Bearer ") for v in bearer)]
        # A wrong token is refused, whatever else there is.
        if (given and not self._is_token(given)) or not any(map(self._is_token, held)):
            return 403, "The token is missing or wrong: open the address that `view` printed."
        return 0, ""

    def _is_token(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token)

    def _held(self, scope: Scope) -> bytes:
        """Return the token that a cookie holds."""
        for value in _values(scope, b"cookie"):
            try:
                cookies = SimpleCookie(value.decode("latin-1"))
            except CookieError:
                continue
            if self._cookie in cookies:
                return cookies[self._cookie].value.encode("utf-8", "replace")
        return b""

    def _set_cookie(self) -> str:
        return f"{self._cookie}={self._token.decode()}; Path=/; HttpOnly; SameSite=Strict"


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name.lower() == wanted]


def _given(scope: Scope) -> bytes:
    """Return the token in the address of the page itself; only that one takes it."""
    if scope["path"] != "/":
        return b""
    try:
        said = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=_MOST_FIELDS)
    except ValueError:  # too many
        return _NO_TOKEN
    found = said.get("token", [])
    return b"" if not found else found[0].encode() if len(found) == 1 else _NO_TOKEN


async def _answer(send: Send, code: int, said: str) -> None:
    body = said.encode()
    headers = {
        **HEADERS,
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        **({"allow": "GET"} if code == 405 else {}),
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": code, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
