"""What `jax.export` writes of a network skips, and runs where neither this package nor Keras is."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.snippets import run_snippet

_EXPORT = """
import sys

import jax
import jax.export
import numpy as np
from tests.compiled_nets import NETS


model, images = NETS[sys.argv[1]]()
model.execution = "sparse"
exported = jax.export.export(jax.jit(lambda x: model(x, training=False)))(images[:8])
text = exported.mlir_module()
print(text.count("stablehlo.while"))
with open(f"{sys.argv[2]}/network", "wb") as file:
    file.write(exported.serialize())
model.execution = "masked"
np.savez(f"{sys.argv[2]}/images.npz", x=images[:8], y=np.asarray(model(images[:8], training=False)))
"""
_RUN = """
import sys

import jax.export
import numpy as np

with open(f"{sys.argv[1]}/network", "rb") as file:
    network = jax.export.deserialize(bytearray(file.read()))
stored = np.load(f"{sys.argv[1]}/images.npz")
assert not {"keras", "tf_routing", "tensorflow"} & set(sys.modules)
print(float(np.abs(np.asarray(network.call(stored["x"])) - stored["y"]).max()))
"""


@pytest.mark.heavy
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize(("name", "loops"), [("skip", 3), ("split", 5), ("chain", 5)])
def test_an_exported_function_skips_without_this_package(name: str, loops: int, tmp_path: Path) -> None:
    # One loop per part; of a chain two stages after the first, and three exits.
    assert int(run_snippet(_EXPORT, name, tmp_path, backend="jax").splitlines()[-1]) == loops
    # From a folder of its own, where the package cannot be found.
    command = [sys.executable, "-c", _RUN, str(tmp_path)]
    found = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    assert float(found.stdout) <= 1e-5
    assert np.ptp(np.load(tmp_path / "images.npz")["y"]) > 1e-3
