"""The example for Apache Beam gives the answers of the command. Heavy: Beam starts a runner, and is an extra."""

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests import skip_net
from tests.data.written_folder import png
from tf_routing import export, prediction
from tf_routing.prediction.answer_files import list_cells, list_columns

pytestmark = pytest.mark.heavy
pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")


def example() -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / "beam_predict.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_beam_gives_the_answers_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(skip_net.skip_model(), tmp_path / "net", class_names=["ant", "bee", "cat, big", "dog"])
    draw = np.random.default_rng(3)
    for number in range(5):
        folder = tmp_path / "pictures" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(png(draw.integers(0, 256, (9, 12, 3)).astype("uint8")))
    (folder / "damaged.png").write_bytes(b"nothing")
    example().main([str(tmp_path / "net"), f"{tmp_path}/pictures/**", str(tmp_path / "answers"), "--top_k", "2"])
    found: list[list[str]] = []
    for path in sorted(tmp_path.glob("answers-*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == list_columns(2)
        found += rows
    classifier = prediction.load_classifier(str(tmp_path / "net"))
    pictures, _ = prediction.find_pictures([str(tmp_path / "pictures")])
    expected = [
        list_cells(each, classifier.class_names, 2) for each in prediction.predict_pictures(classifier, pictures)
    ]
    assert len(expected) == 6 and sorted(found) == sorted(expected)
    assert "answered: 5" in capsys.readouterr().out
