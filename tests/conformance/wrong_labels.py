"""Every objective that reads classes, what it reads of a batch, and labels that fit no class."""

from typing import Any

import keras
import numpy as np

from tf_routing.exit_tree import Exit, Stage
from tf_routing.objectives import (
    Actor,
    Classification,
    Critic,
    DeepSupervision,
    Distillation,
    DiverseRoutes,
    DynamicMultipath,
    ExecutionCost,
    MemberObjectives,
    PolicyGradient,
    PonderCost,
    TargetRates,
)
from tf_routing.objectives.objective import Objective

BATCH, CLASSES = 4, 5
LABELS = np.array([3, 0, 4, 1], "int32")
INDICES: dict[str, np.ndarray] = {
    "too_large": np.array([3, 0, 5, 1], "int32"),
    "negative": np.array([3, -1, 4, 1], "int32"),
    # Of which one hot row and no other would be left, were it cast to 32 bits.
    "wide": np.array([3, 0, 4, 2**32 + 1], "int64"),
    "unsigned": np.array([3, 0, 200, 1], "uint8"),
    "no_number": np.array([3, 0, np.nan, 1], "float32"),
    "infinite": np.array([3, 0, np.inf, 1], "float32"),
    "fraction": np.array([3, 0.5, 4, 1], "float32"),
}
ROWS: dict[str, np.ndarray] = {
    "several": np.eye(CLASSES, dtype="float32")[LABELS] + np.eye(CLASSES, dtype="float32")[LABELS[::-1]],
    "none": np.zeros((BATCH, CLASSES), "float32"),
    "below_zero": np.array([[2, -1, 0, 0, 0]] * BATCH, "float32"),
    "row_without_number": np.full((BATCH, CLASSES), np.nan, "float32"),
}
_TREE = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
_MACS = {"column_1": 100, "junction_1": 10, "exit_1": 5, "exit_2": 5}
SHAPES: dict[str, np.ndarray] = {
    "other_classes": np.eye(CLASSES + 1, dtype="float32")[LABELS],
    "three_axes": np.zeros((BATCH, CLASSES, 1), "float32"),
    "scalar": np.array(3),
    "other_rows": np.array([3, 0, 4]),
}


def _gated() -> DynamicMultipath:
    gated = DynamicMultipath(
        0.5,
        macs={"controller_1": [3, 1]},
        total_macs=4,
        categories=[0, 1, 1, 0, 2],
        category_weights={"controller_1": 1.0},
    )
    gated.build(outputs("dynamic_multipath"))
    return gated


def objective(name: str) -> Objective:
    """Returns a new objective."""
    early: dict[str, Any] = {"tree": _TREE, "macs": _MACS}
    return {
        "classification": lambda: Classification(),
        "smoothed": lambda: Classification(label_smoothing=0.1),
        "dynamic_multipath": _gated,
        "diverse_routes": lambda: DiverseRoutes({"router_1": [3]}),
        "execution_cost": lambda: ExecutionCost(["router_1"]),
        "policy_gradient": lambda: PolicyGradient({"router_1": "policy_scores_1"}),
        "ponder_cost": lambda: PonderCost([["router_1"]]),
        "target_rates": lambda: TargetRates({"router_1": 0.5}),
        # It reads labels only where their weight is not 0.
        "distillation": lambda: Distillation({"router_1": [3]}, label_weight=1.0),
        "actor": lambda: Actor(**early),
        "critic": lambda: Critic(**early),
        "critic_classification": lambda: Critic(**early, error="classification"),
        "deep_supervision": lambda: DeepSupervision(["exit_1", "exit_2"]),
        "members": lambda: MemberObjectives({"member_1": Classification()}),
    }[name]()


NAMES = (
    *("classification", "smoothed", "dynamic_multipath", "diverse_routes", "distillation"),
    *("execution_cost", "policy_gradient", "ponder_cost", "target_rates"),
    *("actor", "critic", "critic_classification", "deep_supervision", "members"),
)
LABELLED_TERMS = {
    "dynamic_multipath": ("classification_loss", "category_loss"),
    "critic": ("classification_loss", "regression_loss"),
    "critic_classification": ("classification_loss", "regression_loss"),
    "deep_supervision": ("exit_1_loss", "exit_2_loss"),
    "members": ("member_1_classification_loss",),
}
"""The terms that read labels, where they are others than the classification."""


def outputs(name: str) -> dict[str, Any]:
    """Returns what an objective reads of a batch, the same on every call."""
    random = np.random.default_rng(3)
    logits = random.normal(size=(BATCH, CLASSES)).astype("float32")
    found: dict[str, Any] = {"logits": logits, "probabilities": np.asarray(keras.ops.softmax(logits))}
    if name == "members":
        return {"member_1": found}
    shapes = {"controller_1": (BATCH, 2), "controller_1_state": (BATCH, 3), "router_1": (BATCH, 1)}
    shapes |= {"junction_1_scores": (BATCH, 2), **{f"{layer}_squares": () for layer in _MACS}}
    if name == "distillation":
        shapes["whole_logits"] = (BATCH, CLASSES)
    if name == "ponder_cost":
        shapes |= {"router_1_weight": (BATCH, 1), "router_1_remaining": (BATCH, 1)}
    if name == "policy_gradient":
        shapes |= {"policy_scores_1": (BATCH, 2), "hard_router_1": (BATCH, 1), "hard_probabilities": (BATCH, CLASSES)}
    if name in ("actor", "critic", "critic_classification", "deep_supervision"):
        shapes["mixture_exit_logits"] = (BATCH, 2, CLASSES)
    return found | {key: random.uniform(size=shape).astype("float32") for key, shape in shapes.items()}


def tensors(name: str) -> dict[str, Any]:
    """Returns `outputs` as tensors."""
    return keras.tree.map_structure(keras.ops.convert_to_tensor, outputs(name))
