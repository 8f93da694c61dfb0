"""Who has the token, and asks for the page by its own address, may read; nobody else may."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.viewer.gate import HEADERS, Gate

PORT, TOKEN = 8765, "the-token"
HOST = b"127.0.0.1:8765"
BEARER = (b"authorization", b"Bearer the-token")


async def secret(scope, receive, send):
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"secret"})


def answer(*headers, host=HOST, path="/", query=b"", method="GET", kind="http"):
    """Return status, headers and body of what the gate answers."""
    sent = []

    async def send(message):
        sent.append(message)

    hosts = [] if host is None else [(b"host", host)]
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [*hosts, *headers],
    }
    asyncio.run(Gate(secret, PORT, TOKEN)(scope, None, send))
    if kind == "websocket":
        return sent
    body = b"".join(each.get("body", b"") for each in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), body


def is_refused(found, code=403):
    return found[0] == code and b"secret" not in found[2]


@pytest.mark.parametrize(
    "given",
    [
        {"query": b"token=the-token"},
        {"headers": [BEARER]},
        {"headers": [(b"cookie", b"sweeps-view-8765=the-token")]},
        {"headers": [(b"cookie", b"other=1; sweeps-view-8765=the-token")]},
        {"headers": [BEARER, (b"sec-fetch-site", b"same-origin")]},
        {"query": b"token=the-token", "headers": [(b"sec-fetch-site", b"cross-site")]},
    ],
)
def test_who_has_the_token_gets_in(given):
    headers = given.pop("headers", [])
    assert answer(*headers, **given)[::2] == (200, b"secret")


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b"127.0.0.1",
        b"127.0.0.1:8766",
        b"127.0.0.1:08765",
        b"127.0.0.1:8765.",
        b"127.0.0.1.:8765",
        b"127.0.0.1:8765 ",
        b"127.1:8765",
        b"2130706433:8765",
        b"0.0.0.0:8765",
        b"localhost:8765",
        b"localhost.:8765",
        b"localhost",
        b"[::1]:8765",
        b"[::ffff:127.0.0.1]:8765",
        b"attacker.example:8765",
        b"127.0.0.1.nip.io:8765",
        b"127.0.0.1:8765@attacker.example",
        b"attacker.example#127.0.0.1:8765",
        b"127.0.0.1:8765,attacker.example",
    ],
)
def test_any_other_host_is_refused_even_with_the_token(host):
    assert is_refused(answer(BEARER, host=host, query=b"token=the-token"))


@given(st.binary(max_size=40).filter(lambda host: host != HOST))
def test_any_host_that_differs_is_refused(host):
    assert is_refused(answer(BEARER, host=host))


def test_a_second_host_is_refused():
    assert is_refused(answer(BEARER, (b"host", b"attacker.example")))


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([], b""),
        ([], b"token="),
        ([], b"token=the-toke"),
        ([], b"token=the-token1"),
        ([], b"token=THE-TOKEN"),
        ([], b"token=the-token&token=wrong"),
        ([], b"Token=the-token"),
        ([], b"token=%00"),
        ([], b"&".join([b"token=the-token"] * 30)),
        ([], b"token=none"),
        ([], b"token=%C3%A9"),
        ([BEARER], b"token=wrong"),
        ([(b"authorization", b"the-token")], b""),
        ([(b"authorization", b"Basic the-token")], b""),
        ([(b"authorization", b"Bearer ")], b""),
        ([(b"cookie", b"sweeps-view-8766=the-token")], b""),
        ([(b"cookie", b"sweeps-view-8765=")], b""),
        ([(b"cookie", b"\xff\xfe;=;;sweeps-view-8765")], b""),
    ],
)
def test_without_the_right_token_nothing_is_answered(headers, query):
    assert is_refused(answer(*headers, query=query))


@given(st.text(max_size=60).filter(lambda token: token != TOKEN))
def test_any_token_that_differs_is_refused(token):
    cookie = b"sweeps-view-8765=" + token.encode("utf-8", "replace")
    assert is_refused(answer((b"cookie", cookie))) or token.split(";")[0].strip() == TOKEN
    assert is_refused(answer((b"authorization", b"Bearer " + token.encode())))


def test_the_token_counts_in_the_address_of_the_page_alone():
    assert is_refused(answer(path="/state", query=b"token=the-token"))


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get"]
)
def test_it_only_reads(method):
    assert is_refused(answer(BEARER, method=method), 405)


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_pages_of_other_sites_and_ports_are_refused(site):
    assert is_refused(answer(BEARER, (b"sec-fetch-site", site), path="/state"))


def test_websockets_are_closed():
    (said,) = answer(BEARER, kind="websocket")
    assert said["type"] == "websocket.close"


@pytest.mark.parametrize("query", [b"token=the-token", b"token=wrong"])
def test_every_answer_has_the_headers_of_a_strict_page(query):
    _, headers, _ = answer(query=query)
    assert {
        name.encode(): value.encode() for name, value in HEADERS.items()
    }.items() <= headers.items()
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_only_the_right_token_sets_a_cookie_that_no_script_reads():
    _, headers, _ = answer(query=b"token=the-token")
    cookie = headers[b"set-cookie"]
    assert cookie.startswith(b"sweeps-view-8765=the-token;")
    assert b"HttpOnly" in cookie
    assert b"SameSite=Strict" in cookie
    assert b"set-cookie" not in answer(BEARER)[1]
    assert b"set-cookie" not in answer(query=b"token=wrong")[1]
