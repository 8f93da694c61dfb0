"""What is served: the files of the page, the data that it asks for, and news as they come.

All data is read in one thread, so that the page takes no more than a part of one core.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib import resources
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sweeps import text
from sweeps.errors import SweepsError, UnknownNameError, unknown
from sweeps.memo.segment import MergedAwayError
from sweeps.viewer import cuts, overviews, wire
from sweeps.viewer.catalogue import Listed, listed
from sweeps.viewer.sheet import Sheet
from sweeps.viewer.watched import Subject, Watched

_T = TypeVar("_T")

_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/plotly.css": ("plotly.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
    "/sketch.js": ("sketch.js", "text/javascript"),
    "/failures.js": ("failures.js", "text/javascript"),
    "/answers.js": ("answers.js", "text/javascript"),
}
"""Addresses and the files behind them; no other file can be asked for."""

_PAUSE_S, _LIST_S, _BEAT_S = 0.5, 2.0, 10.0

_MOST_FAILED = 100


class Library:
    """The experiments that can be looked at, and the thread that looks at them."""

    def __init__(self, subjects: Sequence[Subject], problems: Sequence[str] = ()) -> None:
        self.subjects = {subject.name: subject for subject in subjects}
        self.problems = tuple(problems)
        self.is_over: Callable[[], bool] = lambda: False
        self._watched: dict[str, Watched] = {}
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "sweeps-view")
        self._list: tuple[float, list[Listed]] = (0.0, [])

    async def ask(self, question: Callable[[], _T]) -> _T:
        """Have a question answered in the thread that reads."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)

    def begin(self, name: str) -> None:
        """Look at an experiment before anybody asks."""
        self._thread.submit(lambda: self.watched(name).look())

    def close(self) -> None:
        """End the thread, as soon as it has answered."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def watched(self, name: str) -> Watched:
        """Return what looks at an experiment."""
        if name not in self.subjects:
            raise unknown("experiment", name, self.subjects)
        if name not in self._watched:
            self._watched[name] = Watched(self.subjects[name])
        return self._watched[name]

    def sheet(self, name: str) -> Sheet:
        """Return what is seen of an experiment."""
        watched = self.watched(name)
        found = watched.look()
        if watched.sheet is None:
            raise SweepsError(found.problem or f"there is nothing to see of {name} yet")
        return watched.sheet

    def listed(self) -> list[Listed]:
        """List all experiments; for several pages once."""
        asked_s, found = self._list
        if time.monotonic() - asked_s > _LIST_S / 2 or not found:
            found = listed(self.subjects.values())
            self._list = time.monotonic(), found
        return found


def application(library: Library) -> Starlette:
    """Make the application: which address is answered by what."""
    answers: dict[str, Callable[[Library, Mapping[str, Any]], Response]] = {
        "/experiments": _experiments,
        "/state": _state,
        "/overview": _overview,
        "/cut": _cut,
        "/failures": _failures,
        "/timing": _timing,
    }
    data = [
        Route(path, functools.partial(_answered, library, answer), methods=["GET"])
        for path, answer in answers.items()
    ]
    files = [Route(path, functools.partial(_file, path), methods=["GET"]) for path in _FILES]
    plotly = Route("/plotly.js", _plotly, methods=["GET"])
    events = Route("/events", functools.partial(_events, library), methods=["GET"])
    return Starlette(routes=[*files, plotly, events, *data])


# ---- files


async def _file(path: str, request: Request) -> Response:
    name, kind = _FILES[path]
    content = resources.files("sweeps.viewer").joinpath("static", name).read_bytes()
    return Response(content, media_type=kind)


@functools.cache
def _plotly_js() -> bytes:
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


async def _plotly(request: Request) -> Response:
    """Serve what plotly's own wheel brings; 5 MB, which the browser may keep."""
    headers = {"cache-control": "private, max-age=86400"}
    return Response(_plotly_js(), media_type="text/javascript", headers=headers)


# ---- data


async def _answered(
    library: Library,
    answer: Callable[[Library, Mapping[str, Any]], Response],
    request: Request,
) -> Response:
    """Answer a request for data; what cannot be shown is said in words."""
    given = {**request.query_params, "at": request.query_params.getlist("at")}

    def answered() -> Response:
        try:
            return answer(library, given)
        except MergedAwayError:  # a run has put segments together since we looked
            library.watched(given.get("name", "")).look_anew()
            return answer(library, given)

    try:
        return await library.ask(answered)
    except UnknownNameError as error:
        return PlainTextResponse(str(error), 404)
    except (SweepsError, OSError) as error:
        return PlainTextResponse(str(error), 400)


def _experiments(library: Library, given: Mapping[str, Any]) -> Response:
    return _json(_list(library))


def _list(library: Library) -> dict[str, Any]:
    found = [dataclasses.asdict(each) for each in library.listed()]
    return {"experiments": found, "problems": library.problems}


def _state(library: Library, given: Mapping[str, Any]) -> Response:
    name = given.get("name", "")
    return _json({**library.watched(name).look().data(), "sheet": _described(library, name)})


def _described(library: Library, name: str) -> dict[str, Any] | None:
    """Say what can be chosen: dimensions with the coordinates along them, and outputs."""
    watched = library.watched(name)
    if (sheet := watched.sheet) is None:
        return None
    sizes = {**sheet.sizes, **sheet.own_sizes}
    return {
        "about": watched.subject.about,
        "space": list(sheet.sizes),
        "sizes": sizes,
        "along": {dim: sheet.along(dim) for dim in sizes},
        "coordinates": {name: each.data() for name, each in sheet.coordinates.items()},
        "outputs": {name: each.data() for name, each in cuts.shown_outputs(sheet).items()},
    }


def _overview(library: Library, given: Mapping[str, Any]) -> Response:
    found = overviews.overview(library.sheet(given.get("name", "")))
    return _binary({"x": found.x, "y": found.y}, {"shares": found.shares})


def _cut(library: Library, given: Mapping[str, Any]) -> Response:
    wanted = cuts.Wanted(
        given.get("output", ""),
        given.get("x", ""),
        given.get("y", ""),
        dict(map(_place, given["at"])),
    )
    sheet = library.sheet(given.get("name", ""))
    found = cuts.cut(sheet, wanted)
    scales = {
        name: {"name": s.name, "units": s.units, "kind": s.kind, "labels": s.labels}
        for name, s in (("x", found.x), ("y", found.y))
    }
    header = {
        "form": found.form,
        "kind": found.kind,
        **scales,
        "categories": found.categories,
        "held": [dataclasses.asdict(each) for each in found.held],
        "low": found.low,
        "high": found.high,
        "step": found.step,
        "version": sheet.version,
    }
    return _binary(
        header,
        {"x": found.x.values, "y": found.y.values, "values": found.values, "status": found.status},
    )


def _place(said: str) -> tuple[str, int]:
    """Read where a dimension is held, such as ``length=3``."""
    dim, _, number = said.rpartition("=")
    return dim, _number(number)


def _number(said: str) -> int:
    if not (said.isascii() and said.isdecimal() and len(said) < 16):
        raise cuts.AskedError(f"{said!r:.40} is no number of a place")
    return int(said)


def _failures(library: Library, given: Mapping[str, Any]) -> Response:
    sheet = library.sheet(given.get("name", ""))
    start = _number(given.get("start", "0"))
    found = sheet.failures(start, start + _MOST_FAILED)
    rows = [dataclasses.asdict(each) for each in found]
    return _json({"n": sheet.counts["failed"], "start": start, "rows": rows})


def _timing(library: Library, given: Mapping[str, Any]) -> Response:
    return _json(overviews.timing(library.sheet(given.get("name", ""))).data())


def _json(thing: Any) -> Response:
    return Response(text.as_json(thing, None), media_type="application/json")


def _binary(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> Response:
    return Response(wire.pack(header, arrays), media_type="application/octet-stream")


# ---- news


async def _events(library: Library, request: Request) -> Response:
    name = request.query_params.get("name", "")
    return StreamingResponse(_news(library, name), media_type="text/event-stream")


async def _news(library: Library, name: str) -> AsyncIterator[str]:
    """Say what has changed, as server-sent events, until the page is closed or the server ends."""
    said: dict[str, str] = {}
    listed_s = beat_s = told_s = 0.0
    known: object = None
    while not library.is_over():
        now = time.monotonic()
        news: dict[str, Any] = {}
        if name in library.subjects:
            found = await library.ask(lambda: library.watched(name).look())
            if found.news != known or now - told_s >= _LIST_S:  # seconds pass, but that is no news
                known, told_s, news["state"] = found.news, now, found.data()
        if now - listed_s >= _LIST_S:
            listed_s, news["experiments"] = now, await library.ask(lambda: _list(library))
        for kind, thing in news.items():
            content = text.as_json(thing, None)
            if said.get(kind) != content:
                said[kind], beat_s = content, now
                yield f"event: {kind}\ndata: {content}\n\n"
        if now - beat_s >= _BEAT_S:
            beat_s = now
            yield ": still here\n\n"
        await asyncio.sleep(_PAUSE_S)
