"""A C++ program linked against the libraries of the TensorFlow wheel gives the numbers that Python does."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.conformance.subjects import ROOT
from tests.gated_net import gated_model, images
from tf_routing import export


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_cpp", ROOT / "examples" / "cpp" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = _builder()


def classify(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("cpp") / "classify"
    builder.build(output)
    return output


@pytest.mark.heavy
@pytest.mark.skipif(builder.compiler() is None, reason="there is no C++ compiler here")
def test_a_program_without_python_gives_the_same_numbers(program: Path, tmp_path: Path) -> None:
    model = gated_model()
    model.execution = "auto"
    export(model, tmp_path / "net")
    x = images(5)
    x.tofile(tmp_path / "images.f32")
    finished = classify(program, tmp_path / "net", "serving_default", tmp_path / "images.f32", *x.shape)
    assert finished.returncode == 0, finished.stderr
    answer = [[float(number) for number in line.split()] for line in finished.stdout.splitlines()]
    model.execution = "masked"
    expected = np.asarray(model(x))
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(answer, expected, atol=1e-5, rtol=0)
    x[:1].tofile(tmp_path / "one.f32")
    one = classify(program, tmp_path / "net", "serve_one", tmp_path / "one.f32", 1, *x.shape[1:])
    np.testing.assert_allclose([float(number) for number in one.stdout.split()], answer[0], atol=1e-5, rtol=0)

    for words, message in (
        ((tmp_path / "nowhere", "serving_default", tmp_path / "images.f32", *x.shape), "SavedModel"),
        ((tmp_path / "net", "nothing", tmp_path / "images.f32", *x.shape), "no signature is named nothing"),
        ((tmp_path / "net", "serving_default", tmp_path / "images.f32", 6, *x.shape[1:]), "does not hold images"),
        ((tmp_path / "net", "serving_default", tmp_path / "images.f32", 5, 3, *x.shape[1:3]), "(?i)shape|incompatible"),
    ):
        refused = classify(program, *words)
        assert refused.returncode == 1
        assert re.search(message, refused.stderr), refused.stderr[-500:]
