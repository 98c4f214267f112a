"""Random inputs of early-exit objectives: for a chain of three exits, and for a tree that branches in three."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tests import exit_reference as reference
from tf_routing.exit_tree import Exit, Stage

BATCH, CLASSES = 6, 4
_END = Stage(("column_3",), None, (Exit("exit_3"),))
CHAIN = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), "junction_2", (Exit("exit_2"), _END))))
TREE = Stage(
    ("root",),
    "three",
    (
        Exit("here"),
        Stage(("left",), "two", (Exit("early"), Stage(("left_end",), None, (Exit("late"),)))),
        Stage(("right", "right_end"), None, (Exit("other"),)),
    ),
)
TREES = {"chain": CHAIN, "tree": TREE}


class Batch(NamedTuple):
    """Labels, the logits of all exits `(batch, exits, classes)`, scores by junction, and sums of squared kernels."""

    tree: Any
    labels: np.ndarray
    logits: np.ndarray
    scores: dict[str, np.ndarray]
    squares: dict[str, float]
    cost: np.ndarray

    @property
    def targets(self) -> np.ndarray:
        return np.eye(CLASSES)[self.labels]

    @property
    def outputs(self) -> dict[str, Any]:
        """The tensors by name, decisions for evaluation too."""
        arrays: dict[str, Any] = {"mixture_exit_logits": self.logits, "cost": self.cost}
        arrays |= {f"{name}_scores": each for name, each in self.scores.items()}
        arrays |= {f"{name}_squares": np.array(each) for name, each in self.squares.items()}
        came = reference.one_hot_reach(self.tree, self.scores)
        arrays |= {
            name: np.eye(each.shape[1])[each.argmax(axis=1)] * came[name][:, None] for name, each in self.scores.items()
        }
        return {name: keras.ops.convert_to_tensor(np.asarray(each, "float32")) for name, each in arrays.items()}

    def by_exit(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of `(batch, exits)` by exit."""
        return dict(zip(reference.leaves(self.tree), values.T, strict=True))


def macs(tree: Any) -> dict[str, int]:
    """Returns a different number for every layer."""
    return {name: 100 + 10 * number for number, name in enumerate(reference.all_layers(tree))}


def batch(tree: Any, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    names = reference.all_layers(tree)
    return Batch(
        tree,
        rng.integers(0, CLASSES, BATCH),
        rng.normal(size=(BATCH, len(reference.leaves(tree)), CLASSES)),
        {name: rng.normal(size=(BATCH, sinks)) for name, sinks in reference.junctions(tree).items()},
        dict(zip(names, rng.uniform(1, 5, len(names)), strict=True)),
        rng.choice([0.0, 0.001, 0.004], (BATCH, 1)),
    )


def score_gradients(objective: Any, data: Batch, terms: list[str] | None = None) -> dict[str, np.ndarray]:
    """The gradient of the sum of some terms, or of all, with respect to the scores; zeros where there is none."""
    outputs = data.outputs
    watched = {name: outputs[f"{name}_scores"] for name in data.scores}
    with tf.GradientTape() as tape:
        tape.watch(watched)
        found = objective(data.labels, outputs)
        loss = tf.add_n([found[name] for name in terms or objective.names])
    gradients = tape.gradient(loss, watched, unconnected_gradients="zero")
    return {name: np.asarray(each) for name, each in gradients.items()}


def slopes(function: Any, scores: dict[str, np.ndarray], step: float = 1e-5) -> dict[str, np.ndarray]:
    """The gradient of a function of scores, by central differences."""

    def at(name: str, index: tuple[int, ...], change: float) -> float:
        moved = scores[name].copy()
        moved[index] += change
        return function({**scores, name: moved})

    return {
        name: np.array(
            [
                [(at(name, (i, j), step) - at(name, (i, j), -step)) / (2 * step) for j in range(each.shape[1])]
                for i in range(len(each))
            ]
        )
        for name, each in scores.items()
    }


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], **tolerances: float) -> None:
    assert set(found) == set(expected)
    for name, each in expected.items():
        np.testing.assert_allclose(found[name], each, **{"rtol": 1e-4, "atol": 1e-6, **tolerances}, err_msg=name)
