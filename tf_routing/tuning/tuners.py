"""The tuners of Keras Tuner that can search, opened with the trials that they run."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tf_routing.support.extras import import_extra

if TYPE_CHECKING:
    from tf_routing.tuning.trials import Trials

TUNERS = ("random", "hyperband", "bayesian")


def require_tuner(kind: str) -> Any:
    """Returns the module `keras_tuner`, or raises an `ImportError` that says how to get what this tuner needs."""
    for module in ("scipy", "sklearn", "matplotlib"):
        import_extra(module, "tune", "`tf-routing tune`")
    return import_extra("keras_tuner", "tune", "`tf-routing tune`")


def asks_a_chief() -> bool:
    """Returns whether this process runs trials that another one, the chief, chooses, as Keras Tuner's variables say."""
    return "KERASTUNER_ORACLE_IP" in os.environ and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")


def open_tuner(
    kind: str,
    trials: "Trials",
    count: int,
    goal: str,
    folder: Any,
    after_trial: Callable[[Any], None],
    anew: bool = False,
) -> Any:
    """Returns the tuner of a new search, or of the one that stopped in this folder.

    Args:
        kind: One of `TUNERS`.
        trials: What it searches with.
        count: Integer, the most trials.
        goal: Name of what trials are compared by.
        folder: Where the tuner keeps its state.
        after_trial: Called with the tuner after each trial.
        anew: Boolean, whether what the tuner left in the folder is removed first.

    Raises:
        ImportError: If a package of the extra `tune` is missing.
    """
    keras_tuner = require_tuner(kind)
    base = {"random": "RandomSearch", "hyperband": "Hyperband", "bayesian": "BayesianOptimization"}[kind]

    class Search(getattr(keras_tuner, base)):  # type: ignore[misc]
        """A tuner of Keras Tuner that reports when a trial has ended."""

        def on_trial_end(self, trial: Any) -> None:
            """Saves what the trial found, then reports."""
            super().on_trial_end(trial)
            after_trial(self)

    limit = {"max_epochs": trials.epochs} if kind == "hyperband" else {"max_trials": count}
    direction = "max" if goal.endswith("accuracy") else "min"
    tuner = Search(
        _make_hypermodel(keras_tuner, trials),
        objective=keras_tuner.Objective(goal, direction),
        seed=trials.seed,
        directory=str(folder),
        project_name="search",
        overwrite=anew,
        **limit,
    )
    # Hyperband takes no number, and counts as the others where it has one.
    tuner.oracle.max_trials = count
    return tuner


def _make_hypermodel(keras_tuner: Any, trials: "Trials") -> Any:
    class Network(keras_tuner.HyperModel):
        """The interface of Keras Tuner to `Trials`."""

        def build(self, hp: Any) -> Any:
            """Returns the compiled network of a trial."""
            return trials.build(hp)

        def fit(self, hp: Any, model: Any, *_: Any, **options: Any) -> Any:
            """Trains the network of a trial."""
            return trials.fit(hp, model, **options)

    return Network()
