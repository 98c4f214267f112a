"""The wheel: what it holds and weighs, and that released weights load from it in an empty environment and folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.released_tools import ROOT
from tf_routing.zoo.weights.releases import RELEASED, read_index

_PARTS = ("tf_routing", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
_WITHIN = "tf_routing/zoo/weights/released"
_CODE = """
import json, sys
from pathlib import Path
import numpy as np
import tf_routing
from tf_routing import zoo
model = zoo.get("drn_resnet32", weights="cifar10")
answer = np.asarray(model(np.zeros((1, 32, 32, 3), "float32")))
print(json.dumps({"from": tf_routing.__file__, "sum": float(answer.sum()), "most": float(answer.max())}))
"""

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built in a copy: what an earlier build left is not in it."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in _PARTS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", output, source)
    (built,) = output.glob("*.whl")
    return built


def run(*words: object, **options: object) -> str:
    finished = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_wheel_holds_the_released_files_and_weighs_less_than_12_megabytes(wheel: Path) -> None:
    assert wheel.stat().st_size <= 12_000_000
    inside = [row["file"] for row in read_index(RELEASED) if "url" not in row]
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if name.startswith(_WITHIN)}
        assert found == {f"{_WITHIN}/{name}" for name in ("index.json", *inside)}
        for name in inside:
            assert archive.read(f"{_WITHIN}/{name}") == (RELEASED / name).read_bytes()
        digits = {name for name in archive.namelist() if name.startswith("tf_routing/data/sources/handwritten_digits/")}
    assert {name.rpartition("/")[2] for name in digits} == {"digits.npz", "LICENSE.md"}


def test_an_installed_wheel_gives_a_trained_network(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # What it depends on comes from here, the package does not: paths in such a file are not searched for others.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    (tmp_path / "empty").mkdir()
    hidden = ("PYTHONPATH", "TF_ROUTING_SAVED_MODELS", "TF_ROUTING_RELEASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    printed = run(python, "-c", _CODE, cwd=tmp_path / "empty", env=environment)
    answer = json.loads(printed.splitlines()[-1])
    assert Path(answer["from"]).is_relative_to(packages)
    assert answer["sum"] == pytest.approx(1, abs=1e-5) and 0.1 < answer["most"] < 1
