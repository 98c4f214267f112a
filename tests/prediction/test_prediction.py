"""Pictures get the answers of the network, whatever form it has, and a damaged one stops nothing."""

import csv
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import exit_net, skip_net
from tests.data.written_folder import png
from tf_routing import calibrate, export, onnx_export, prediction, zoo
from tf_routing.cli.main import main
from tf_routing.data.images.decoding.center_crop import center_crop
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.models import RoutedModel
from tf_routing.prediction.answer_files import answer_file, write_route

NAMES = ["ant", "bee", "cat", "dog"]
COUNT = 7


@cache
def net() -> RoutedModel:
    """A network that skips other blocks of other pictures."""
    model = skip_net.skip_model()
    calibrate(model, pictures() / np.float32(255), rate=0.5)
    return model


@cache
def pictures() -> np.ndarray:
    """Bytes of the network's own size, which are seen as they are."""
    draw = np.random.default_rng(7)
    scale = draw.uniform(0.1, 1, size=(COUNT, 1, 1, 3))
    return (draw.integers(0, 256, (COUNT, *skip_net.SHAPE)) * scale).astype("uint8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its network, an export and an ONNX file of it, and pictures, among them a damaged one."""
    root = tmp_path_factory.mktemp("prediction")
    (root / "run").mkdir()
    net().save(root / "run" / "model.keras")
    record = {"class_names": NAMES, "framing": {"crop": 0.5, "resize": None}}
    (root / "run" / "run.json").write_text(json.dumps(record), "utf-8")
    export(net(), root / "saved_model", class_names=NAMES, crop=0.5)
    onnx_export.export_onnx(net(), root / "net.onnx", class_names=NAMES, crop=0.5)
    (root / "pictures").mkdir()
    for number, picture in enumerate(pictures()):
        (root / "pictures" / f"{number}.png").write_bytes(png(picture))
    (root / "pictures" / "3_damaged.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (root / "pictures" / "notes.txt").write_text("no picture", "utf-8")
    return root


FORMS = ("run", "run/model.keras", "saved_model", "net.onnx")


def answers_of(folder: Path, form: str, **arguments: Any) -> list[prediction.PictureAnswer]:
    found, _ = prediction.find_pictures([str(folder / "pictures")])
    return list(prediction.predict_pictures(prediction.load_classifier(str(folder / form)), found, **arguments))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch_size", [3, 32])
def test_every_form_answers_as_the_network(folder: Path, form: str, batch_size: int) -> None:
    answers = answers_of(folder, form, batch_size=batch_size)
    assert [Path(answer.path).name for answer in answers] == [
        *(f"{number}.png" for number in range(4)),
        "3_damaged.jpg",
        *(f"{number}.png" for number in range(4, COUNT)),
    ]
    images = pictures() / np.float32(255)
    expected, routes, costs = np.asarray(net()(images)), net().routes(images), net().cost(images)
    read = [answer for answer in answers if not answer.error]
    np.testing.assert_allclose([answer.probabilities for answer in read], expected, rtol=0, atol=1e-5)
    assert [answer.macs for answer in read] == costs.tolist() and len(set(costs)) > 1
    for row, answer in enumerate(read):
        assert list(answer.switches) == ["router_1", "router_2", "router_3"]
        for name, switches in answer.switches.items():
            np.testing.assert_array_equal(switches, routes[name][row])
    (damaged,) = [answer for answer in answers if answer.error]
    assert damaged.probabilities is None and damaged.macs is None
    assert damaged.error and "\n" not in damaged.error


@pytest.mark.parametrize("form", ["run", "saved_model", "net.onnx"])
def test_every_form_knows_which_part_of_a_picture_was_seen(folder: Path, form: str, tmp_path: Path) -> None:
    large = np.random.default_rng(8).integers(0, 256, (24, 36, 3)).astype("uint8")
    (tmp_path / "large.png").write_bytes(png(large))
    seen = center_crop(png(large), Framing(6, 6, crop=0.5))
    classifier = prediction.load_classifier(str(folder / form))
    assert classifier.framing == Framing(6, 6, crop=0.5, resize=None)
    assert list(classifier.class_names) == NAMES
    (answer,) = prediction.predict_pictures(classifier, [str(tmp_path / "large.png")])
    np.testing.assert_allclose(answer.probabilities, np.asarray(net()(seen[None]))[0], rtol=0, atol=1e-5)


def test_a_file_without_a_record_names_classes_by_number(folder: Path, tmp_path: Path) -> None:
    net().save(tmp_path / "alone.keras")
    classifier = prediction.load_classifier(str(tmp_path / "alone.keras"))
    assert classifier.framing == Framing(6, 6) and list(classifier.class_names) == ["0", "1", "2", "3"]


def test_networks_that_leave_nothing_out_tell_what_all_images_cost(tmp_path: Path) -> None:
    model = zoo.get("basecnn_2cc", width_multiplier=0.125, input_shape=(8, 8, 3), classes=3)
    model.save(tmp_path / "net.keras")
    images = np.random.default_rng(9).uniform(size=(2, 8, 8, 3)).astype("float32")
    found = prediction.load_classifier(str(tmp_path / "net.keras")).answer(images)
    assert found.macs is not None and found.macs.tolist() == [model.static_cost] * 2 and not found.switches
    onnx_export.export_onnx(model, tmp_path / "net.onnx")
    found = prediction.load_classifier(str(tmp_path / "net.onnx")).answer(images)
    assert found.macs is None and not found.switches
    np.testing.assert_allclose(found.probabilities, np.asarray(model(images)), rtol=0, atol=1e-5)


def test_a_budget_is_set_where_thresholds_can_move(folder: Path) -> None:
    for form in ("saved_model", "net.onnx"):
        with pytest.raises(ValueError, match=r"thresholds of an export are fixed.*--budget 0.5"):
            prediction.load_classifier(str(folder / form), budget=0.5)
    with pytest.raises(ValueError, match="calibrate_budgets"):
        prediction.load_classifier(str(folder / "run"), budget=0.5)


def test_what_cannot_be_asked_says_why(folder: Path, tmp_path: Path) -> None:
    exit_net.exit_model(dynamic_cost=True).save(tmp_path / "priced.keras")
    with pytest.raises(ValueError, match="takes cost beside images"):
        prediction.load_classifier(str(tmp_path / "priced.keras"))
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"broken\.onnx is no ONNX file"):
        prediction.load_classifier(str(tmp_path / "broken.onnx"))
    for form in ("gone.onnx", "gone.keras", "gone"):
        with pytest.raises(FileNotFoundError, match=form):
            prediction.load_classifier(str(tmp_path / form))
    with pytest.raises(FileNotFoundError, match="nothing at .*gone"):
        prediction.find_pictures([str(tmp_path / "gone")])
    with pytest.raises(ValueError, match=r"no picture in .*Ignored: 1 \.keras, 1 \.onnx"):
        prediction.find_pictures([str(tmp_path)])
    with pytest.raises(ValueError, match="`batch_size`"):
        prediction.predict_pictures(prediction.load_classifier(str(folder / "net.onnx")), [], batch_size=0)


def test_pictures_that_are_named_twice_count_once(folder: Path) -> None:
    one = str(folder / "pictures" / "1.png")
    found, said = prediction.find_pictures([one, str(folder / "pictures"), one])
    assert found[0] == one and len(found) == len(set(found)) == COUNT + 1
    assert said == "Ignored: 1 .txt."


ANSWERS = (
    prediction.PictureAnswer(
        "a.png", np.array([0.25, 0.5, 0.25]), {"one": np.array([1.0, 0.0]), "two": np.array([0.0])}, 12
    ),
    prediction.PictureAnswer("b.png", error="no picture"),
    prediction.PictureAnswer("c, d.png", np.array([0.0, 0.0, 1.0]), {}, None),
)


def test_a_table_has_a_row_for_every_picture(tmp_path: Path) -> None:
    with answer_file(tmp_path / "answers.csv", ["x", "y", "z"], 2) as write:
        for answer in ANSWERS:
            write(answer)
        assert not (tmp_path / "answers.csv").exists()
    with open(tmp_path / "answers.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["path", "class_1", "probability_1", "class_2", "probability_2", "route", "macs", "error"],
        ["a.png", "y", "0.500000", "x", "0.250000", "10-0", "12", ""],
        ["b.png", "", "", "", "", "", "", "no picture"],
        ["c, d.png", "z", "1.000000", "x", "0.000000", "", "", ""],
    ]


def test_a_list_has_an_object_for_every_picture(tmp_path: Path) -> None:
    with answer_file(tmp_path / "answers.json", ["x", "y", "z"], 9) as write:
        for answer in ANSWERS:
            write(answer)
    first, second, third = json.loads((tmp_path / "answers.json").read_text("utf-8"))
    assert first == {
        "path": "a.png",
        "classes": [
            {"name": "y", "probability": 0.5},
            {"name": "x", "probability": 0.25},
            {"name": "z", "probability": 0.25},
        ],
        "route": {"one": [1, 0], "two": [0]},
        "macs": 12,
    }
    assert second == {"path": "b.png", "error": "no picture"}
    assert third["macs"] is None and third["route"] == {}


def test_what_stops_half_way_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), answer_file(tmp_path / "answers.csv", ["x"], 1):
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_and_tells(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "answers.csv"
    words = [str(folder / "net.onnx"), str(folder / "pictures")]
    assert main(["predict", *words, "--output", str(output), "--top_k", "2", "--batch_size", "3"]) == 0
    said = capsys.readouterr().out
    mean = net().cost(pictures() / np.float32(255)).mean()
    assert f"Wrote {COUNT} answers to {output}, {mean:,.0f} MACs each on average. Ignored: 1 .txt." in said
    assert f"Not read, 1 of {COUNT + 1}" in said and "3_damaged.jpg" in said
    with open(output, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["class_1"] for row in rows if row["class_1"]} <= set(NAMES) and len(rows) == COUNT + 1
    routes = net().routes(pictures() / np.float32(255))
    assert [row["route"] for row in rows if row["route"]] == [
        write_route(prediction.PictureAnswer("", switches={name: each[row] for name, each in routes.items()}))
        for row in range(COUNT)
    ]


def test_the_command_prints_a_line_per_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = folder / "pictures" / "2.png"
    assert main(["predict", str(folder / "net.onnx"), str(picture), "--top_k", "4"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    image = pictures()[2:3] / np.float32(255)
    shares = np.asarray(net()(image))[0]
    told = ", ".join(f"{NAMES[index]} {shares[index]:.3f}" for index in np.argsort(-shares))
    assert line.startswith(f"{picture}: {told}; {net().cost(image)[0]:,} MACs, route ")
    damaged = folder / "pictures" / "3_damaged.jpg"
    assert main(["predict", str(folder / "net.onnx"), str(damaged)]) == 1
    assert "Not read, 1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "answers.txt"], "`output` must end in .csv or .json. Received: output='answers.txt'"),
        (["--top_k", "0"], "`top_k`"),
        (["--batch_size", "-1"], "`batch_size`"),
    ],
)
def test_wrong_options_are_refused_at_once(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "nothing", "nowhere", *words]) == 1
    assert said in capsys.readouterr().err


def test_the_page_shows_what_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "predicting.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    for shown, there in (("runs/quick", folder / "run"), ("holiday", folder / "pictures")):
        assert f'"{shown}"' in block
        block = block.replace(shown, str(there))
    exec(block, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == COUNT + 1 and sum(line.endswith("None") for line in lines) == 1
