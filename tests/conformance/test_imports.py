"""Each module can be the first one that a process imports, and the door does not import Keras."""

import os

import pytest

from tests.conformance.subjects import ROOT, finish, start_python

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "tf_routing").rglob("*.py"))
    if path.name != "__main__.py"
]

# One fork per module starts each from a process that knows neither Keras nor the package, and pays for NumPy and the
# other common requirements once. A backend without TensorFlow makes Keras itself quick to import.
_IMPORT_EACH = """
import contextlib
import importlib
import os
import sys
import traceback

heavy = ("numpy", "h5py", "optree", "rich", "jax", "requests", "PIL.Image", "sklearn", "matplotlib.pyplot")
for common in heavy:
    with contextlib.suppress(ImportError):
        importlib.import_module(common)
assert "keras" not in sys.modules and "tf_routing" not in sys.modules

failed = []
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
            if "keras" in sys.modules:
                missing = {"tf_routing.layers", "tf_routing.models", "tf_routing.objectives"} - set(sys.modules)
                assert not missing, f"Keras was imported, but not {missing}"
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        failed.append(name)
assert not failed, f"cannot be imported first: {failed}"
"""

_LIGHT = """
import sys

{code}
heavy = sorted({{name.partition(".")[0] for name in sys.modules}} & {{"keras", "tensorflow", "jax", "torch"}})
assert not heavy, heavy
"""


# What is registered with Keras imports nothing of these, so none of them can be in the middle of a circle.
_OUTSIDE = {"analysis", "cli", "client", "data", "evaluation", "exporting", "figures", "serving", "studies", "train"}
_OUTSIDE |= {"report", "transforms", "tuning", "zoo"}
_INSIDE = [name for name in MODULES if (name.split(".")[1:2] or [""])[0] not in _OUTSIDE]
# Whichever module of a package is asked for, the package itself is imported first, and with it Keras and all that is
# registered: one module stands for its neighbours, and for the package.
_PACKAGES = {name.rpartition(".")[0] for name in _INSIDE} - {"", "tf_routing"}
_STANDS_FOR = {package: next(name for name in _INSIDE if name.startswith(f"{package}.")) for package in _PACKAGES}
_ROOT = [name for name in _INSIDE if name.count(".") < 2 and name not in _PACKAGES]
_FIRST = [*_ROOT, *sorted(_STANDS_FOR.values())]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.heavy)])
def test_every_module_can_be_imported_first(every: bool) -> None:
    assert {"tf_routing.layers.routers.gate", "tf_routing.core.replicas"} <= set(MODULES)
    # Of each package the module whose name comes first, whatever that is.
    stood_for = {name.rpartition(".")[0] for name in _FIRST}
    assert "tf_routing.optimizers" in _FIRST and {"tf_routing.cost", "tf_routing.layers"} <= stood_for
    asked = [name for name in MODULES if name not in _FIRST] if every else _FIRST
    halves = [asked[::2], asked[1::2]]
    for process in [start_python(_IMPORT_EACH, *half, KERAS_BACKEND="numpy") for half in halves]:
        finish(process)


@pytest.mark.parametrize(
    "code",
    [
        "import tf_routing; dir(tf_routing)",
        "from tf_routing import zoo; zoo.list_models()",
        "from tf_routing.zoo import list_models; list_models('resnet*')",
    ],
)
def test_the_door_imports_no_keras(code: str) -> None:
    finish(start_python(_LIGHT.format(code=code)))


def test_a_registered_name_is_there_whatever_came_first() -> None:
    check = "assert keras.saving.get_registered_object('tf_routing>Gate') is not None"
    orders = [
        "import keras, tf_routing",
        "import tf_routing, keras",
        "from tf_routing.layers import Gate; import keras",
    ]
    for process in [start_python(f"{order}\n{check}", KERAS_BACKEND="numpy") for order in orders]:
        finish(process)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import tf_routing

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tf_routing.nothing
