"""Writes and reads `TF_CONFIG`, which names the hosts that train together and says which of them this one is."""

import json
import os
from collections.abc import Sequence
from typing import Any

_JOBS = ("chief", "worker")
_EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'


def tf_config(addresses: Sequence[str], index: int) -> str:
    """Returns the TF_CONFIG of one of several workers.

    Args:
        addresses: Strings `host:port`, one per worker, the same for all of them.
        index: Integer, the place of this worker among them, counted from 0.

    Example:

    >>> tf_config(["10.0.0.1:2222"], 0)
    '{"cluster": {"worker": ["10.0.0.1:2222"]}, "task": {"type": "worker", "index": 0}}'
    """
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}})


def read_tf_config() -> dict[str, Any]:
    """Returns the content of TF_CONFIG.

    Raises:
        ValueError: If it is not set, or does not say which workers there are and which one this is.
    """
    text = os.environ.get("TF_CONFIG", "")
    wrong = _what_is_wrong(text)
    if wrong:
        raise ValueError(
            f"TF_CONFIG {wrong}. Each worker needs its own in the environment, for example {_EXAMPLE} on the first of "
            f"two. Received: TF_CONFIG={text!r}"
        )
    return json.loads(text)


def _what_is_wrong(text: str) -> str | None:
    if not text.strip():
        return "is not set"
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        return f"is no JSON: {error}"
    cluster = config.get("cluster") if isinstance(config, dict) else None
    if not isinstance(cluster, dict) or not cluster.keys() or cluster.keys() - set(_JOBS):
        return "must hold a `cluster` of `worker` addresses (and perhaps a `chief`)"
    if not all(_are_addresses(addresses) for addresses in cluster.values()):
        return "must give each job of `cluster` a list of addresses host:port"
    return _wrong_task(config.get("task"), cluster)


def _are_addresses(addresses: Any) -> bool:
    return (
        isinstance(addresses, list)
        and bool(addresses)
        and all(isinstance(each, str) and each.rpartition(":")[2].isdigit() and ":" in each for each in addresses)
    )


def _wrong_task(task: Any, cluster: dict[str, Any]) -> str | None:
    if not isinstance(task, dict) or task.get("type") not in cluster:
        return f"must hold a `task` whose type is one of {', '.join(sorted(cluster))}"
    index, count = task.get("index", -1), len(cluster[task["type"]])
    # A number in quotes is what launchers write who paste environment variables together.
    if isinstance(index, bool) or not str(index).isdigit() or int(index) >= count:
        return f"must hold a `task` whose index is below {count}, the number of addresses of its type"
    return None
