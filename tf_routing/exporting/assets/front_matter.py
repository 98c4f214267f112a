"""What Hugging Face reads of a model: fields in YAML above the card of an export, or of released weights."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

# As the hub calls the datasets that have other names there.
_HUB_NAMES = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "imagenet2012": "ILSVRC/imagenet-1k",
    "mnist": "ylecun/mnist",
    "svhn_cropped": "ufldl-stanford/svhn",
}
# Results of a run by their names in its record: the type and name of a metric on the hub.
_METRICS = {
    "final accuracy": ("accuracy", "Accuracy"),
    "final top5_accuracy": ("top_5_accuracy", "Top-5 accuracy"),
    "final execution_rate": ("execution_rate", "Execution rate of gated parts"),
    "final executed_macs": ("executed_macs", "MACs executed per image, on average"),
}


def write_front_matter(card: Mapping[str, Any], form: Sequence[str] = ("tensorflow", "saved-model")) -> str:
    """Returns the fields, with the lines of dashes around them; results are those that the run measured, or none.

    Args:
        card: The facts of `card_facts.collect_facts`.
        form: Tags that say what the files are: by default those of a SavedModel.

    Example:

    >>> card = {"name": "net", "architecture": None, "license": "apache-2.0", "training": None}
    >>> print(write_front_matter(card).splitlines()[1])
    library_name: "tf_routing"
    """
    training = card["training"] or {}
    dataset = training.get("dataset")
    fields = {
        "library_name": "tf_routing",
        "pipeline_tag": "image-classification",
        "tags": [*form, *_list_tags(card)],
        **_name_licence(card.get("license")),
        **({"datasets": [_HUB_NAMES[dataset]]} if dataset in _HUB_NAMES else {}),
        **_write_results(card["name"], dataset, training),
    }
    # JSON is YAML too, and quotes whatever YAML would take for something else.
    return "".join(["---\n", *(f"{name}: {json.dumps(value)}\n" for name, value in fields.items()), "---\n"])


def _list_tags(card: Mapping[str, Any]) -> list[str]:
    known = card["architecture"] or {}
    own = [known[key].replace("_", "-") for key in ("family", "name") if key in known]
    return ["dynamic-routing", "conditional-computation", *own]


def _name_licence(name: str | None) -> dict[str, str]:
    if name is not None:
        return {"license": name}
    return {"license": "other", "license_name": "as-in-the-file", "license_link": "assets/LICENSE"}


def _write_results(name: str, dataset: str | None, training: Mapping[str, Any]) -> dict[str, Any]:
    metrics = [
        {"type": kind, "name": title, "value": _round(training[key])}
        for key, (kind, title) in _METRICS.items()
        if _is_measured(training.get(key))
    ]
    if not metrics or dataset is None:
        return {}
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": _HUB_NAMES.get(dataset, dataset), "name": dataset, "split": "test"},
        "metrics": metrics,
    }
    return {"metrics": [each["type"] for each in metrics], "model-index": [{"name": name, "results": [result]}]}


def _is_measured(value: Any) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, Mapping) and "mean" in value)


def _round(value: Any) -> float:
    number = value["mean"] if isinstance(value, Mapping) else value
    return round(float(number), 4)
