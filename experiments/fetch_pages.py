"""Which pages of a web site are there, how large they are, and how long they take.

Web scraping: each worker fetches six pages at once, as browsers do of one host, by one HTTP client
with a pool of connections. A page counts as there if the server says so, after all redirects, with
a status from 200 to 299 (R. Fielding et al., *HTTP Semantics*, RFC 9110, §15); the title is that of
the HTML Standard.

Expect the pages below to take some tenths of a second each, and all together little longer. A page
that is missing, a server that refuses and one that does not answer within 30 seconds cost their own
points only: `python -m sweeps failures fetch_pages` lists them, and the next run tries them again.
`--recompute` fetches all pages anew.

Needs httpx and lxml, which the extra `web` installs. Other pages are given by `url=…`, in quotes
where they contain "=", "," or brackets: `'url="https://docs.python.org/3/search.html?q=heap"'`.
"""

import contextlib
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy

from sweeps import experiment, grid

USER_AGENT = "sweeps-fetch-pages/0.1 (parameter sweeps for scientists)"
MODULES = ["asyncio", "concurrent.futures", "heapq", "multiprocessing", "random", "statistics"]


@contextlib.asynccontextmanager
async def open_client():
    """Open the client that all pages of a worker share; it keeps connections open between them."""
    try:
        import httpx
        import lxml  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"fetch_pages needs httpx and lxml ({error}): install them, pip install httpx lxml"
        ) from error

    async with httpx.AsyncClient(
        headers={"User-Agent": USER_AGENT},
        follow_redirects=True,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # no page knows of another
        limits=httpx.Limits(max_connections=None),  # as many as there are points under way
        timeout=None,  # the point has one
    ) as client:
        yield client


@experiment(
    grid(url=[f"https://docs.python.org/3/library/{module}.html" for module in MODULES]),
    units={"status": "1", "bytes": "byte", "seconds": "s"},
    timeout=30,
    concurrency=6,
    resources={"client": open_client},
)
async def fetch_pages(url, client):
    """Fetch a page: its status, its size, its title, and the seconds until all of it was there."""
    import httpx

    start = time.perf_counter()
    try:
        response = await client.get(url)
    except httpx.ConnectError as error:
        raise ConnectionError(f"cannot connect to {url}: {first_cause(error)!r}") from error
    seconds = time.perf_counter() - start
    response.raise_for_status()
    return {
        "status": response.status_code,
        "bytes": len(response.content),
        "title": title(response) if "html" in response.headers.get("Content-Type", "") else "",
        "seconds": seconds,
    }


def first_cause(error):
    """What began a chain of errors: httpx itself says only that all attempts failed."""
    while before := error.__cause__ or error.__context__:
        error = before
    return error


def title(response):
    """Text of the title of an HTML page, spaces collapsed; empty if there is none.

    It is decoded as the server says, or else as UTF-8.
    """
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8")
    try:
        page = html.document_fromstring(response.text.encode(), parser)
    except etree.ParserError:  # nothing there but comments
        return ""
    return " ".join((page.findtext("head/title") or "").split())
