"""What the page on serving shows of ONNX Runtime and OpenVINO gives the network's answers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.skip_net import images, skip_model
from tf_routing.exporting.onnx import export_onnx

_PAGE = Path(__file__).parents[2] / "docs" / "serving" / "README.md"
_NAMES = ["ant", "bee", "cat", "dog"]

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def run_block(runtime: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Runs the page's block of a runtime where there is a file, and returns what it made."""
    marked = rf"<!-- tested by tests/exporting/{Path(__file__).name} -->\n```python\n(.*?)```"
    blocks = re.findall(marked, _PAGE.read_text("utf-8"), flags=re.DOTALL)
    (block,) = (each for each in blocks if f"import {runtime}\n" in each)
    monkeypatch.chdir(folder)
    found: dict[str, Any] = {"images": images()}
    exec(compile(block, str(_PAGE), "exec"), found)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx")
    export_onnx(skip_model(), path / "net.onnx", class_names=_NAMES)
    return path


def test_onnx_runtime_answers_as_the_page_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, model = run_block("onnxruntime", folder, monkeypatch), skip_model()
    expected = model.predict(images(), verbose=0)
    np.testing.assert_allclose(found["answer"]["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(found["answer"]["classes"], expected.argmax(axis=1))
    np.testing.assert_array_equal(found["answer"]["macs"], model.cost(images()))
    assert found["class_names"] == _NAMES


def test_openvino_answers_as_the_page_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    run_block("openvino", folder, monkeypatch)
    printed = np.array(re.findall(r"\d\.\d+", capsys.readouterr().out), float)
    np.testing.assert_allclose(printed, skip_model().predict(images(), verbose=0).max(axis=1), atol=1e-5)
