"""Finds out what kind of network lies at a path, and loads it as a classifier."""

from pathlib import Path

from tf_routing.prediction.classifier import Classifier

__all__ = ["load_classifier"]


def load_classifier(path: str, budget: float | None = None) -> Classifier:
    """Loads a trained network, in whatever form it is.

    Args:
        path: Folder of a run, a `.keras` file, a SavedModel that `tf_routing.export` wrote, or a `.onnx` file that
            `onnx_export.export_onnx` wrote.
        budget: Share of the static cost to execute on average, see `RoutedModel.set_budget`; for runs and `.keras`
            files, since the thresholds of the others are fixed. What the network has where not given.

    Returns:
        A `Classifier`. A run and an export know which part of a picture the network sees. Without a record the largest
        centre of the network's ratio is seen.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is none of these, or takes more than images, or `budget` cannot be set.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from tf_routing import prediction, zoo
    >>> path = tempfile.mkdtemp() + "/net.keras"
    >>> zoo.get("decide_static1", width_multiplier=0.25).save(path)
    >>> classifier = prediction.load_classifier(path)
    >>> classifier.answer(np.zeros((2, 32, 32, 3), "float32")).probabilities.shape
    (2, 10)
    """
    # Here: each form needs libraries that the others do without.
    if path.endswith(".onnx"):
        from tf_routing.prediction.onnx_file import load_onnx_file

        return load_onnx_file(_without_budget(path, budget))
    if Path(path, "saved_model.pb").is_file():
        from tf_routing.prediction.saved_model import load_saved_model

        return load_saved_model(_without_budget(path, budget))
    from tf_routing.prediction.trained import load_trained_classifier

    return load_trained_classifier(path, budget)


def _without_budget(path: str, budget: float | None) -> str:
    if budget is not None:
        raise ValueError(
            f"`budget` must be left out: the thresholds of an export are fixed. Export again with --budget {budget}, "
            f"or name the folder of the run. Received: budget={budget!r} for {path}"
        )
    return path
