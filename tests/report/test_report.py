"""The page of a run says what `evaluate` says, needs nothing beside it, and can be read without eyes or a mouse."""

import itertools
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.report.runs import CLASSES, KINDS, build, dataset, write_run
from tf_routing import cost, data
from tf_routing.cli.main import main
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.models import RoutedModel
from tf_routing.report.answers_section import count_confusion
from tf_routing.report.markup import escape, percent
from tf_routing.report.measurement import measure
from tf_routing.support.files import write_json

pytestmark = pytest.mark.usefixtures("eagerly")

_VOID = {"meta", "link", "img", "br", "path", "rect", "circle"}


class Page(HTMLParser):
    """A page as a list of elements: name, attributes, and the text inside; fails where tags are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.parents: list[list[str]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.elements.append((tag, dict(attributes), texts := []))
        self.parents.append([name for name, _ in self._open])
        if tag not in _VOID:
            self._open.append((tag, texts))

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, text: str) -> None:
        for _, texts in self._open:
            texts.append(text)

    def find(self, tag: str) -> list[tuple[dict[str, str], str]]:
        """The attributes and the text of all elements of a name."""
        return [(attributes, "".join(texts).strip()) for name, attributes, texts in self.elements if name == tag]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, eagerly: None) -> Iterator[dict[str, Path]]:
    """A run of every family, with its page in it."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *_: dataset())
        patch.setattr("tf_routing.data.datasets.check", lambda *_: None)
        found = {kind: write_run(root / kind, kind) for kind in KINDS}
        budgets = [{"budget": 0.5, "mean_macs": 1e4, "accuracy": 0.375}]
        write_json(found["skip"] / "budgets.json", {"budgets": budgets, "test_images": 12, "calibrated_on": "Half."})
        times = [{"batch": 8, "masked_milliseconds": 4.0, "sparse_milliseconds": 2.125, "sparse_to_masked": 0.53125}]
        write_json(found["skip"] / "evaluation.json", {"times": times, "hardware": {"processor": "a <fast> one"}})
        for kind, folder in found.items():
            beside = ["--beside", str(root / "static")] if kind == "skip" else []
            assert main(["report", str(folder), "--batch_size", "16", *beside]) == 0
        yield found


@pytest.fixture(scope="module")
def models() -> dict[str, RoutedModel]:
    return {kind: build(kind) for kind in KINDS}


def text_of(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


def pictures_of(folder: Path) -> dict[str, dict]:
    (content,) = re.findall(r'<script type="application/json" id="pictures">(.*?)</script>', text_of(folder))
    return json.loads(content)


def cells_of(folder: Path, caption: str) -> list[list[str]]:
    """The cells of the table whose caption begins so."""
    (found,) = re.findall(rf"<table[^>]*><caption>{re.escape(escape(caption))}.*?</table>", text_of(folder), re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", found, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(?:<span>)?([^<]*)", row) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_needs_nothing_beside_it(kind: str, folders: dict[str, Path]) -> None:
    text = text_of(folders[kind])
    assert len(text.encode()) < 300_000
    assert "default-src 'none'" in text
    assert re.findall(r"https?:|@import|url\(|//[a-z]+\.", text) == []
    targets = [value for _, given, _ in Page(text).elements for name, value in given.items() if name in ("src", "href")]
    assert [target for target in targets if not target.startswith(("data:", "#"))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_can_be_read_without_eyes_or_a_mouse(kind: str, folders: dict[str, Path]) -> None:
    page = Page(text_of(folders[kind]))
    identities = [given["id"] for _, given, _ in page.elements if "id" in given]
    assert len(identities) == len(set(identities))
    assert [given for given, _ in page.find("img") if not given.get("alt")] == []
    assert [given for given, text in page.find("button") if not text or given.get("type") != "button"] == []
    assert len(page.find("caption")) == len(page.find("table")) > 2
    assert [given for given, _ in page.find("th") if given.get("scope") not in ("row", "col")] == []
    # Every link on the page leads somewhere; charts have a name.
    assert {given["href"][1:] for given, _ in page.find("a")} <= set(identities)
    assert [given for given, _ in page.find("svg") if not (given.get("aria-label") or given.get("aria-hidden"))] == []
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    # What only a mouse can use would be an element with a click and no button.
    assert "onclick" not in text_of(folders[kind])
    given = [given for given, _ in page.find("div") if "scroll" in given.get("class", "")]
    assert [each for each in given if each.get("tabindex") != "0" or not each.get("aria-label")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_evaluate(kind: str, folders: dict[str, Path], models: dict[str, RoutedModel]) -> None:
    expected = evaluate(models[kind], dataset(), 16)
    results = measure(models[kind], dataset(), 16).results
    assert set(expected) - set(results) == {"crops"} | ({"gates"} if kind in ("paths", "static") else set())
    assert {name: expected[name] for name in results} == results
    facts = dict(cells_of(folders[kind], "What this run is")[1:])
    assert facts["accuracy"] == percent(expected["accuracy"])
    if "executed_macs" in expected:
        assert facts["executed on average"].startswith(f"{expected['executed_macs']['mean']:,.0f},")
        rates = [cell for row in cells_of(folders[kind], "Share of test images for which")[1:] for cell in row[3:]]
        assert rates == [f"{rate:.4f}" for rates in expected["execution_rates"].values() for rate in rates]
    if kind == "paths":
        rows = cells_of(folders[kind], "Gate values")[1:]
        wanted = [value for each in expected["gates"].values() for row in each["mean"] for value in row]
        assert [row[2] for row in rows] == [f"{value:.3f}" for value in wanted]


def test_a_static_network_says_that_it_has_no_routes(folders: dict[str, Path]) -> None:
    said = "decides nothing per image"
    assert said in text_of(folders["static"])
    assert all(said not in text_of(folders[kind]) for kind in KINDS if kind != "static")
    assert "data-mark=" not in text_of(folders["static"])


@pytest.mark.parametrize("kind", ["skip", "exits", "tree"])
def test_pictures_show_the_ways_that_the_model_tells(
    kind: str, folders: dict[str, Path], models: dict[str, RoutedModel]
) -> None:
    model, images = models[kind], dataset().test.images
    routes = model.routes(images)
    macs = cost.executed_macs(model, routes, len(images))
    pictures = pictures_of(folders[kind])
    assert len(set(macs.tolist())) > 1
    assert {int(np.argmin(macs)), int(np.argmax(macs))} <= set(map(int, pictures))
    for index, picture in pictures.items():
        assert f"{macs[int(index)]:,} MACs" in picture["said"]
        if kind == "skip":
            assert picture["values"] == [float(each[int(index), 0]) for each in routes.values()]
        else:
            # The exit that is named is the one whose mark is on, and no other exit is.
            marks = re.findall(r'<span class="name">([^<]*)</span>', text_of(folders[kind]))
            on = [name for name, value in zip(marks, picture["values"], strict=True) if value]
            assert [name for name in on if name.startswith("exit")] == [
                picture["said"].split(". ")[1].split(",")[0].lower()
            ]


def test_gates_of_pictures_are_those_of_the_model(folders: dict[str, Path], models: dict[str, RoutedModel]) -> None:
    routes = models["paths"].routes(dataset().test.images)
    marks = re.findall(r'data-mark="(\d+)"><title>(route[^<]*)</title>', text_of(folders["paths"]))
    for index, picture in pictures_of(folders["paths"]).items():
        assert len(marks) == len(picture["values"])
        values = {label: picture["values"][int(mark)] for mark, label in marks}
        assert values["route 1, input 1"] == 1
        for name, gates in routes.items():
            for (i, j), gate in np.ndenumerate(gates[int(index)]):
                assert values[f"{name.replace('_', ' ')}, gate {i + 1} to {j + 1}"] == pytest.approx(gate, abs=6e-4)


def test_confusions_by_hand(models: dict[str, RoutedModel], folders: dict[str, Path]) -> None:
    measured = measure(models["static"], dataset(), 16)
    expected = np.zeros((4, 4), int)
    for true, answer in zip(dataset().test.labels, measured.probabilities.argmax(axis=1), strict=True):
        expected[true, answer] += 1
    assert count_confusion(measured).tolist() == expected.tolist()
    rows = cells_of(folders["static"], "How many images of the class of a row")
    assert [row[1:] for row in rows[1:]] == [list(map(str, row)) for row in expected]
    assert [row[0] for row in rows[1:]] == [escape(name) for name in CLASSES]


def test_budgets_times_and_other_runs_are_shown_as_their_files_say(folders: dict[str, Path]) -> None:
    points = {row[1]: row for row in cells_of(folders["skip"], "Operating points")[1:]}
    assert list(points) == ["this run", "budget 0.5", "static"]
    assert points["budget 0.5"][2:] == ["0.010\u00a0million", percent(1e4 / build("skip").static_cost), percent(0.375)]
    assert points["static"][4] == percent(0.5)
    assert cells_of(folders["skip"], "Measured time")[1] == ["8", "4.000", "2.125", "0.53"]
    assert "a &lt;fast&gt; one" in text_of(folders["skip"])
    assert "Times are not measured" in text_of(folders["exits"])


@pytest.mark.parametrize(
    ("state", "said"), [("absent", "is no folder"), ("empty", "holds no run"), ("unfinished", "has not finished")]
)
def test_what_is_no_finished_run_is_named(
    state: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    if state == "empty":
        folder.mkdir()
    elif state == "unfinished":
        write_run(folder, "static", finished=False)
    assert main(["report", str(folder)]) == 1
    error = capsys.readouterr().err
    assert said in error and str(folder) in error and "tf-routing fit" in error
    assert not (folder / "report.html").exists()


def test_a_page_of_another_kind_is_refused(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folders["static"]), "--output", "page.pdf"]) == 1
    assert "`output` must end in .html" in capsys.readouterr().err
