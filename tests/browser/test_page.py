"""A page's folder holds all that the page needs, and what its scripts read is what the networks say."""

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.browser.pages import CONTENT, fake_runtime, write_small_page
from tests.report.runs import CLASSES, build, dataset, write_run
from tests.report.test_report import Page
from tf_routing import cost, exit_tree
from tf_routing.browser.page import MOST_PICTURES, Contents, write_page
from tf_routing.browser.ways import find_ways
from tf_routing.cli.main import main
from tf_routing.exit_tree import Exit, Stage
from tf_routing.prediction import load_classifier
from tf_routing.report.diagrams import tree_values

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, eagerly: None) -> Path:
    return write_small_page(tmp_path_factory.mktemp("browser"))


def facts_of(page: Path) -> dict:
    return json.loads((page / "networks.json").read_text("utf-8"))


def marks_on(network: dict, switches: dict[str, np.ndarray]) -> list[list[bool]]:
    """What the page's scripts switch on, by image: for each mark whether all its decisions are on."""
    marks = [mark for diagram in network["diagrams"] for mark in diagram]
    on = [np.all([switches[name][:, choice] == 1 for name, choice in mark["when"]], axis=0) for mark in marks]
    count = len(next(iter(switches.values())))
    return np.stack([np.broadcast_to(each, count) for each in on], axis=1).tolist()


def test_the_folder_holds_all_that_the_page_asks_for(page: Path) -> None:
    text = {path.name: path.read_text("utf-8") for path in page.iterdir() if path.suffix in (".html", ".css", ".js")}
    asked = {name for each in text.values() for name in re.findall(r'(?:href|src|from|fetch\()[= ]?"([^"#:]+)"', each)}
    asked |= {each["file"] for each in facts_of(page)["networks"]} | {facts_of(page)["runtime"]}
    assert {"page.js", "./drawing.js", "networks.json", "style.css", "network_3.onnx", "runtime/LICENSE"} <= asked
    assert [name for name in asked if not (page / name).is_file()] == []
    assert {name: (page / "runtime" / name).read_bytes() for name in CONTENT} == CONTENT
    # Nothing else is asked for: browsers refuse it by the page's policy, and no address is anywhere in it.
    assert "default-src 'none'" in text["index.html"] and "connect-src 'self'" in text["index.html"]
    assert [each for each in text.values() if re.search(r"https?:|@import|url\(|\"//", each)] == []
    assert "ONNX Runtime Web 9.8.7" in text["index.html"]


def test_the_page_can_be_read_without_eyes_or_a_mouse(page: Path) -> None:
    read = Page((page / "index.html").read_text("utf-8").replace("<input", "<br"))
    identities = [given["id"] for _, given, _ in read.elements if "id" in given]
    assert len(identities) == len(set(identities))
    assert [given for given, text in read.find("button") if not text or given.get("type") != "button"] == []
    assert [given for given, _ in read.find("canvas") if not given.get("aria-label")] == []
    levels = [int(tag[1]) for tag, _, _ in read.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    labelled = {given["for"] for given, _ in read.find("label") if "for" in given}
    inside = [parents[-1] for (tag, _, _), parents in zip(read.elements, read.parents, strict=True) if tag == "br"]
    assert labelled == {"file"} and sorted(inside) == ["div", *["label"] * 5]
    # Every script finds its elements.
    scripts = [path.read_text("utf-8") for path in page.glob("*.js")]
    assert {name for each in scripts for name in re.findall(r'find\("(\w+)"\)', each)} <= set(identities)


def test_what_scripts_read_is_what_the_networks_say(page: Path) -> None:
    skip, tree, again = facts_of(page)["networks"]
    images = dataset().test.images.astype("float32") / 255
    for kind, network in (("skip", skip), ("tree", tree)):
        model, answers = build(kind), load_classifier(str(page / network["file"])).answer(images)
        assert network["static_macs"] == model.static_cost and network["classes"] == CLASSES
        on, routes = marks_on(network, answers.switches), model.routes(images)
        np.testing.assert_array_equal(answers.macs, cost.executed_macs(model, routes, len(images)))
        if kind == "skip":
            wanted = np.concatenate(list(routes.values()), axis=1).astype(bool).tolist()
        else:
            ways = exit_tree.routes(exit_tree.find_tree(model))
            taken = [_find_exit(ways, routes, number) for number in range(len(images))]
            assert len(set(taken)) > 1
            wanted = [list(map(bool, tree_values(exit_tree.find_tree(model), name))) for name in taken]
        assert on == wanted
    # The file by itself knows as much as the run, but for its name.
    assert again["title"] == "<b>"
    assert {**again, "title": "", "file": ""} == {**skip, "title": "", "file": ""}


def _find_exit(ways: list[exit_tree.Route], routes: dict[str, np.ndarray], number: int) -> str:
    (found,) = [way.exit for way in ways if all(routes[name][number, sink] == 1 for name, sink in way.choices.items())]
    return found


def test_a_tree_with_skipping_columns_has_two_diagrams() -> None:
    tree = Stage(("column_1",), "junction/1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    exits, parts = find_ways({"router_1": 2, "junction_1": 2}, tree)
    whens = [mark["when"] for mark in exits.marks]
    assert whens == [[], [("junction_1", 0)], [("junction_1", 1)], [("junction_1", 1)]]
    assert [mark["kind"] for mark in exits.marks] == ["column", "exit", "column", "exit"]
    assert [mark["when"] for mark in parts.marks] == [[("router_1", 0)], [("router_1", 1)]]
    assert len(find_ways({"router_1": 2, "junction_1": 2}, None)) == 1


def test_names_are_text_and_no_html(page: Path) -> None:
    text = (page / "index.html").read_text("utf-8")
    assert "&lt;b&gt;" in text and "<b>" not in text
    assert [each["title"] for each in facts_of(page)["networks"]] == [
        "skip, trained on noise",
        "exits, trained on noise",
        "<b>",
    ]
    # Scripts put words in as text, never as HTML.
    assert [
        path for path in page.glob("*.js") if re.search("innerHTML|insertAdjacent|document.write", path.read_text())
    ] == []


def test_pictures_lie_beside_the_page(page: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(MOST_PICTURES + 1):
        (pictures / f"{number:02} <i>.PNG").write_bytes(bytes([number]))
    runtime, network = fake_runtime(tmp_path / "package"), str(page / "network_1.onnx")
    chosen = [str(pictures / "03 <i>.PNG"), str(pictures / "01 <i>.PNG")]
    write_page(str(tmp_path / "page"), runtime, Contents([network], chosen))
    shown = facts_of(tmp_path / "page")["pictures"]
    assert shown == [{"file": "picture_1.png", "name": "03 <i>"}, {"file": "picture_2.png", "name": "01 <i>"}]
    assert [(tmp_path / "page" / each["file"]).read_bytes() for each in shown] == [b"\x03", b"\x01"]
    # Pictures of two classes that are numbered alike can be told apart.
    (tmp_path / "others").mkdir()
    shutil.copy(chosen[0], tmp_path / "others")
    write_page(str(tmp_path / "again"), runtime, Contents([network], [*chosen, str(tmp_path / "others")]))
    named = [each["name"] for each in facts_of(tmp_path / "again")["pictures"]]
    assert named == ["pictures/03 <i>", "01 <i>", "others/03 <i>"]
    with pytest.raises(ValueError, match="`pictures` must be at most 24.*Received: 25"):
        write_page(str(tmp_path / "other"), runtime, Contents([network], [str(pictures)]))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("masked.onnx", "leaves nothing out, or does not tell"),
        ("static", "leaves nothing out: all of it runs"),
        ("absent.onnx", "There is no file at"),
        ("absent", "There is no trained model at"),
        ("text.onnx", "no ONNX file that ONNX Runtime reads"),
    ],
)
def test_what_skips_nothing_is_refused(
    given: str, said: str, page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if given == "masked.onnx":
        file = onnx.load(page / "network_1.onnx")
        # What files that run every branch have of these.
        del file.graph.output[1:]
        assert [each.name for each in file.graph.output] == ["probabilities"]
        onnx.save(file, tmp_path / given)
    elif given == "static":
        write_run(tmp_path / given, "static")
    elif given == "text.onnx":
        (tmp_path / given).write_text("no file")
    fake_runtime(tmp_path / "package")
    options = ["--runtime", str(tmp_path / "package"), "--output", str(tmp_path / "page")]
    assert main(["browser", str(tmp_path / given), *options]) == 1
    error = capsys.readouterr().err
    assert said in error and not (tmp_path / "page").exists()


def test_thresholds_of_a_file_and_of_the_released_networks_are_fixed(page: Path, tmp_path: Path) -> None:
    runtime = fake_runtime(tmp_path / "package")
    for networks in ([str(page / "network_1.onnx")], []):
        with pytest.raises(ValueError, match="`budget`.*0.5"):
            write_page(str(tmp_path / "page"), runtime, Contents(networks, budget=0.5))
    with pytest.raises(FileExistsError, match="exists already"):
        write_page(str(page), runtime, Contents([str(page / "network_1.onnx")]))


def test_older_files_do_not_tell_the_whole(page: Path, tmp_path: Path) -> None:
    file = onnx.load(page / "network_2.onnx")
    kept = [each for each in file.metadata_props if each.key not in ("static_macs", "exit_tree")]
    assert len(kept) == len(file.metadata_props) - 2
    del file.metadata_props[:]
    file.metadata_props.extend(kept)
    onnx.save(file, tmp_path / "old.onnx")
    write_page(str(tmp_path / "page"), fake_runtime(tmp_path / "package"), Contents([str(tmp_path / "old.onnx")]))
    (network,) = facts_of(tmp_path / "page")["networks"]
    assert network["static_macs"] is None
    assert [mark["kind"] for mark in network["diagrams"][0]] == ["part"] * 5
