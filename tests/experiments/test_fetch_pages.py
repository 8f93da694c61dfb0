import asyncio
import dataclasses
import socket
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

import sweeps
from benchmarks.pages import account, served
from experiments import fetch_pages as module
from experiments.fetch_pages import USER_AGENT, fetch_pages, open_client
from sweeps import engines, load

httpx = pytest.importorskip("httpx", reason="httpx comes with the extra 'web'")
pytest.importorskip("lxml", reason="lxml comes with the extra 'web'")

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server():
    """Address of a web server in a process of its own; its module tells its pages."""
    with served() as address:
        yield address


@pytest.fixture
def refusing():
    """Address at which nobody listens: the port is taken, by a socket that does not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


def fetch(*urls):
    """Fetch pages by one client, one after the other."""

    async def fetch_all():
        async with open_client() as client:
            return [await fetch_pages(url, client) for url in urls]

    return asyncio.run(fetch_all())


def run(urls, results, experiment=fetch_pages, **options):
    return sweeps.run(experiment, axes={"url": urls}, results=results, **options)


def failures(urls, results):
    """What failed, by its address."""
    failed = sweeps.failures(fetch_pages, axes={"url": urls}, results=results)
    return {each.params["url"]: each.message for each in failed}


def test_a_page_is_what_the_server_sends(server):
    (page,) = fetch(f"{server}/page/3")
    with urllib.request.urlopen(f"{server}/page/3") as answer:
        body = answer.read()
    assert (page["status"], page["bytes"], page["title"]) == (200, len(body), "Page 3")
    assert page["seconds"] > 0


def test_a_slow_page_takes_as_long_as_it_is_slow(server):
    (page,) = fetch(f"{server}/slow/0.2/3")
    assert page["seconds"] >= 0.2


def test_redirects_are_followed(server):
    (page,) = fetch(f"{server}/moved/moved/page/4")
    assert (page["status"], page["title"]) == (200, "Page 4")


def test_what_is_no_html_has_no_title(server):
    (page,) = fetch(f"{server}/text")
    assert (page["status"], page["title"]) == (200, "")


def test_the_server_is_told_who_asks(server):
    fetch(f"{server}/page/1")
    assert USER_AGENT in account(server)["agents"]
    assert "sweeps" in USER_AGENT


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500, 503])
def test_an_error_of_client_or_server_is_raised(server, status):
    with pytest.raises(httpx.HTTPStatusError, match=str(status)):
        fetch(f"{server}/status/{status}")


def test_a_refused_connection_is_told_as_such(refusing):
    with pytest.raises(ConnectionError, match=f"cannot connect to {refusing}: ConnectionRefused"):
        fetch(refusing)


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title>A &amp; B\n  C</title>", "A & B C"),
        ("<!doctype html><html><head><title>naïve ж</title></head></html>", "naïve ж"),
        ('<?xml version="1.0" encoding="latin-1"?><html><head><title>ж</title></head></html>', "ж"),
        ("<p>no title</p>", ""),
        ("<body><svg><title>of a drawing</title></svg></body>", ""),
        ("<![odd[ <title>x", ""),
        ("<!-- only this -->", ""),
        ("", ""),
        ("\0", ""),
    ],
)
def test_the_title_is_that_of_the_head(html, title):
    assert module.title(SimpleNamespace(text=html)) == title


def test_no_page_knows_of_the_cookies_of_another():
    def greet(request):
        known = "Cookie" in request.headers
        return httpx.Response(200, html=f"<title>{known}</title>", headers={"Set-Cookie": "a=1"})

    async def fetch_twice():
        async with open_client() as client:
            client._transport = httpx.MockTransport(greet)
            return [await fetch_pages("http://a.example/", client) for _ in range(2)]

    assert [page["title"] for page in asyncio.run(fetch_twice())] == ["False", "False"]


ENGINES = [
    pytest.param(name, marks=[] if name == "serial" else pytest.mark.campaign)
    for name in engines.LOCAL
]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_fails_costs_its_own_points_only(server, refusing, tmp_path, engine):
    there = [f"{server}/{path}" for path in ("page/1", "slow/0.1/2", "moved/page/3", "text")]
    bad = [f"{server}/{path}" for path in ("status/404", "status/503", "hang-up")] + [refusing]
    ds = run(there + bad, tmp_path, engine=engine, n_workers=1)
    assert ds.title.sel(url=there).values.tolist() == ["Page 1", "Page 2", "Page 3", ""]
    assert ds.status.sel(url=there).values.tolist() == [200] * 4
    assert ds.status.sel(url=bad).isnull().all()
    told = failures(there + bad, tmp_path)
    assert list(told) == bad
    for url, why in zip(bad, ["404 Not Found", "503", "disconnected", "refused"], strict=True):
        assert why.lower() in told[url].lower()


def test_a_page_that_never_comes_fails_in_time(server, tmp_path):
    urls = [f"{server}/{path}" for path in ("page/1", "never", "page/2")]
    impatient = dataclasses.replace(fetch_pages, timeout=0.5)
    ds = run(urls, tmp_path, impatient, engine="serial")
    assert ds.status.isnull().values.tolist() == [False, True, False]
    (message,) = failures(urls, tmp_path).values()
    assert "0.5 s" in message


def test_pages_are_fetched_at_once_up_to_the_concurrency(server, tmp_path):
    slow = [f"{server}/slow/0.2/{i}?at-once" for i in range(18)]
    run(slow, tmp_path, engine="serial")
    assert account(server)["most_under_way"] == fetch_pages.concurrency


def test_a_page_is_fetched_once(server, tmp_path):
    urls = [f"{server}/page/{i}?once" for i in range(5)]
    run(urls[:3], tmp_path, engine="serial")
    before = account(server)["requests"]
    run(urls, tmp_path, engine="serial")
    assert account(server)["requests"] == before + 2


def test_pages_are_named_on_the_command_line(server, sweeps):
    here = f"--experiments={PROJECT / 'experiments'}"
    urls = f'url={server}/page/1,{server}/page/a-b_c~%20;x#top,"{server}/page/2?q=[a]&r=(b,c)"'
    assert sweeps("run", "fetch_pages", urls, here, "--engine=serial").code == 0
    paths = ["page/1", "page/a-b_c~%20;x#top", "page/2?q=[a]&r=(b,c)"]
    assert load("fetch_pages").url.values.tolist() == [f"{server}/{path}" for path in paths]
    said = sweeps("run", "fetch_pages", f"url={server}/page/2?q=1", here)
    assert said.code == 2
    assert "quote the text" in said.err


@pytest.mark.parametrize("library", ["httpx", "lxml"])
def test_without_the_extra_it_is_listed_and_says_how_to_install_it(sweeps, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    here = f"--experiments={PROJECT / 'experiments' / 'fetch_pages.py'}"
    listed = sweeps("list", here)
    assert (listed.code, "fetch_pages" in listed.out) == (0, True)
    said = sweeps("run", "fetch_pages", "url=http://127.0.0.1:1/", "--engine=serial", here)
    assert said.code == 2
    assert "pip install httpx lxml" in said.err
    assert "Traceback" not in said.err
