"""On JAX blocks that differ in their weights alone are compiled once, and compute what they do one by one."""

import importlib.util
import json

import pytest

from tests.snippets import run_snippet
from tf_routing.execution.static_rows import bucket_sizes

_JAX = """
import json

import jax
import numpy as np
from tests.compiled_nets import NETS

model, images = NETS["repeated"]()
x, report = images[:8], {}
model.execution = "masked"
masked = model.decide(x)
model.execution = "sparse"


def equations(jaxpr, inside=()):
    # All equations, with the loops and conditions that they are in.
    for each in jaxpr.eqns:
        yield inside, each
        for name, value in each.params.items():
            for number, inner in enumerate(value if isinstance(value, (tuple, list)) else [value]):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    named = each.primitive.name in ("scan", "cond")
                    step = ((each.primitive.name, id(each), number if name == "branches" else 0),) if named else ()
                    yield from equations(inner, inside + step)


found = list(equations(jax.make_jaxpr(model.decide)(x).jaxpr))
report["loops"] = [each.params["length"] for _, each in found if each.primitive.name == "scan"]
report["conditions"] = sum(each.primitive.name == "cond" for _, each in found)
convolving = [each for each in found if "conv_general" in str(each[1].primitive)]
convolutions = [(inside, each.outvars[0].aval.shape[0]) for inside, each in convolving]
report["in_loops"] = sorted(rows for inside, rows in convolutions if inside and inside[0][0] == "scan")
report["outside"] = [rows for inside, rows in convolutions if not inside]
sparse = jax.jit(model.decide)(x)
report["apart"] = float(np.abs(sparse["probabilities"] - masked["probabilities"]).max())
report["range"] = float(np.ptp(masked["probabilities"]))
report["differ"] = sum(int((sparse[name] != masked[name]).sum()) for name in model.decision_names)
report["open"] = sorted({int(np.asarray(masked[name]).sum()) for name in model.decision_names})
report["alone"] = str(jax.make_jaxpr(model.decide)(x[:1])).count("scan[")
print(json.dumps(report))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_blocks_that_are_alike_are_one_loop() -> None:
    report = json.loads(run_snippet(_JAX, backend="jax").splitlines()[-1])
    # The second to the fourth follow each other with nothing between; with the first comes the stem.
    assert report["loops"] == [3] and report["conditions"] == 4
    assert report["in_loops"] == list(bucket_sizes(8)[1:]) and report["outside"] == [8]
    assert report["differ"] == 0 and report["apart"] <= 1e-5 * report["range"] and report["range"] > 1e-3
    assert len(report["open"]) > 1
    # One image has a size and no more.
    assert report["alone"] == 0
