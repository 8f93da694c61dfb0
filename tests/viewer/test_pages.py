"""What is served: fixed files, and data that is asked for by name; nothing else."""

import asyncio
import json
from importlib import resources

import pytest

from sweeps import run
from sweeps.operations import view
from sweeps.project.sweep import resolve
from sweeps.viewer import pages
from sweeps.viewer.gate import Gate
from sweeps.viewer.watched import Subject
from sweeps.viewer.wire import unpack
from tests.viewer.test_sheets import waves

testclient = pytest.importorskip("starlette.testclient", reason="needs starlette")

ADDRESS = "http://127.0.0.1:8765"


def client_of(subjects, problems=()):
    library = pages.Library(subjects, problems)
    gate = Gate(pages.application(library), 8765, "token")
    return testclient.TestClient(
        gate, ADDRESS, headers={"Authorization": "Bearer token"}, follow_redirects=False
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    made = tmp_path_factory.mktemp("results")
    with pytest.warns(UserWarning):
        run(waves, engine="serial", results=made)
    return made


@pytest.fixture
def client(results):
    made = Subject(
        "waves", results / "waves.h5", "of water", lambda: resolve(waves, results=results)
    )
    return client_of([made])


@pytest.mark.parametrize("path", pages._FILES)
def test_the_files_of_the_page_are_served(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content
    name, kind = pages._FILES[path]
    assert answer.content == resources.files("sweeps.viewer").joinpath("static", name).read_bytes()
    assert answer.headers["content-type"].startswith(kind)


def test_every_file_of_the_page_is_served():
    there = {each.name for each in resources.files("sweeps.viewer").joinpath("static").iterdir()}
    assert there == {name for name, _ in pages._FILES.values()}


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../setup.cfg",
        "/static/page.html",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/page.js/../../sheet.py",
        "/page.js%00",
        "/results/waves.h5",
        "/etc/passwd",
    ],
)
def test_no_other_path_leads_anywhere(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "name", ["nothing", "", "../waves", "results/waves.h5", "/etc/passwd", "\0", "w" * 5000]
)
@pytest.mark.parametrize("path", ["/state", "/overview", "/cut", "/failures", "/timing"])
def test_no_other_name_leads_anywhere(client, path, name):
    answer = client.get(path, params={"name": name})
    assert answer.status_code == 404
    assert "no experiment" in answer.text


def test_the_state_says_what_can_be_chosen(client):
    said = client.get("/state", params={"name": "waves"}).json()
    assert said["counts"] == {"missing": 0, "done": 18, "failed": 4, "excluded": 2}
    sheet = said["sheet"]
    assert sheet["about"] == "of water"
    assert sheet["space"] == ["x", "y", "kind"]
    assert sheet["outputs"]["height"]["units"] == "m"
    assert sheet["outputs"]["series"]["dims"][:3] == sheet["space"]


def test_arrays_come_as_they_are(client):
    asked = {"name": "waves", "output": "height", "x": "x", "y": "y", "at": ["kind=1"]}
    header, arrays = unpack(client.get("/cut", params=asked).content)
    assert header["held"] == [{"dim": "kind", "at": 1, "size": 2, "label": "cosine"}]
    assert (header["x"]["name"], header["x"]["units"]) == ("x", "m")
    assert arrays["values"].shape == arrays["status"].shape == (4, 3)
    assert arrays["values"][0].tolist() == [1.0, 1.0, 1.0]
    _, arrays = unpack(client.get("/overview", params={"name": "waves"}).content)
    assert arrays["shares"].shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"output": "nothing", "x": "x"}, 404),
        ({"output": "height", "x": "nothing"}, 404),
        ({"output": "height", "x": "x", "at": "y=100"}, 400),
        ({"output": "height", "x": "x", "at": "y=-1"}, 400),
        ({"output": "height", "x": "x", "at": "y=1e3"}, 400),
        ({"output": "height", "x": "x", "at": "y"}, 400),
        ({"output": "height", "x": "x", "at": "y=" + "9" * 5000}, 400),
        ({}, 404),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(client, asked, code):
    answer = client.get("/cut", params={"name": "waves", **asked})
    assert answer.status_code == code
    assert answer.headers["content-type"].startswith("text/plain")
    assert "Traceback" not in answer.text


def test_failures_come_with_tracebacks(client):
    said = client.get("/failures", params={"name": "waves"}).json()
    assert said["n"] == len(said["rows"]) == 4
    assert said["rows"][0]["message"] == "0.5 breaks"
    assert said["rows"][0]["params"] == {"x": "0.5", "y": "3", "kind": "sine"}
    assert "ValueError: 0.5 breaks" in said["rows"][0]["traceback"]
    rest = client.get("/failures", params={"name": "waves", "start": 3}).json()
    assert rest["rows"] == said["rows"][3:]


def test_times_come_with_the_slowest_points(client):
    said = client.get("/timing", params={"name": "waves"}).json()
    assert said["n"] == 18
    assert len(said["slowest"]) == 10


def test_the_list_has_all_experiments_and_what_is_wrong(results):
    path = results / "waves.h5"
    more = client_of([Subject("waves", path), Subject("other", path.with_name("o.h5"))], ["oops"])
    said = more.get("/experiments").json()
    assert said["problems"] == ["oops"]
    waves_said, other = said["experiments"]
    assert (waves_said["done"], waves_said["failed"], waves_said["has_results"]) == (18, 4, True)
    assert (other["done"], other["has_results"]) == (0, False)


def test_without_results_it_says_what_is_missing(project):
    answer = client_of([Subject("gone", project / "gone.h5")]).get("/cut", params={"name": "gone"})
    assert answer.status_code == 400
    assert "gone.h5" in answer.text


def test_a_file_that_is_no_results_file_is_refused_in_words(project):
    path = project / "odd.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"nonsense" * 100)
    client = client_of([Subject("odd", path)])
    assert "cannot read" in client.get("/state", params={"name": "odd"}).json()["problem"]
    assert client.get("/overview", params={"name": "odd"}).status_code == 400


@pytest.mark.parametrize("name", ["waves", "nothing"])
def test_news_come_as_events_until_the_server_ends(results, name):
    news = []
    path = results / "waves.h5"
    own = pages.Library([Subject("waves", path)])
    own.is_over = lambda: len(news) >= (2 if name == "waves" else 1)

    async def hear():
        async for each in pages._news(own, name):
            news.append(each)  # noqa: PERF401 - the server ends by what was heard

    asyncio.run(hear())
    kinds = [each.split("\n")[0] for each in news]
    assert kinds == ["event: state", "event: experiments"][name != "waves" :]
    said = json.loads(news[-1].split("\ndata: ")[1])
    assert said["experiments"][0]["name"] == "waves"
    assert news[0].endswith("\n\n")


def test_without_the_extra_it_says_how_to_install_it(sweeps, monkeypatch):
    monkeypatch.setattr(view, "find_spec", lambda name: None)
    said = sweeps("view")
    assert said.code == 2
    assert "pip install 'sweeps[view]'" in said.err


@pytest.mark.parametrize("given", [[], ["nothing"], ["/etc/passwd"], ["odd.h5"], ["--port", "0"]])
def test_what_cannot_be_shown_at_all_is_a_mistake(sweeps, project, given):
    pytest.importorskip("plotly", reason="needs plotly")
    (project / "odd.h5").write_text("no HDF5")
    said = sweeps("view", "--no-open", *given)
    assert said.code == 2
    assert "rror" in said.err
    assert "Traceback" not in said.err
