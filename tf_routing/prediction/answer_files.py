"""Writes the answers for pictures as a CSV or JSON file, row by row, so that any number of pictures fits."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tf_routing.prediction.picture_answers import PictureAnswer
from tf_routing.support.files import whole_file

KINDS = (".csv", ".json")
"""Endings of the files."""
Write = Callable[[PictureAnswer], None]


def check_kind(path: str) -> str:
    """Returns the ending of a path, if a file of its kind can be written, else raises a `ValueError`.

    Example:

    >>> check_kind("answers.csv")
    '.csv'
    """
    kind = Path(path).suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"`output` must end in {' or '.join(KINDS)}. Received: output={path!r}")
    return kind


@contextmanager
def answer_file(path: str | os.PathLike[str], class_names: Sequence[str], top_k: int) -> Iterator[Write]:
    """Yields a function that writes one answer; the file is there once the block has ended well.

    Args:
        path: A `.csv` file: a row per picture, with the columns `path`, `class_1`, `probability_1` and so on, `route`,
            `macs` and `error`. Or a `.json` file: a list with an object per picture.
        class_names: Names by class index.
        top_k: Integer, most probable classes to tell.
    """
    kind = check_kind(str(path))
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        if kind == ".csv":
            yield _write_rows(file, class_names, top_k)
        else:
            file.write("[")
            yield _write_objects(file, class_names, top_k)
            file.write("\n]\n")


def write_route(answer: PictureAnswer) -> str:
    """Returns the decisions for a picture as one word: the switches of each, joined by hyphens.

    Example:

    >>> write_route(PictureAnswer("a.png", switches={"router_1": np.array([1.0]), "router_2": np.array([0.0, 1.0])}))
    '1-01'
    """
    return "-".join("".join(str(int(switch)) for switch in each) for each in answer.switches.values())


def list_classes(answer: PictureAnswer, class_names: Sequence[str], top_k: int) -> list[tuple[str, float]]:
    """Returns the most probable classes with their probabilities, the first of equal ones first."""
    if answer.probabilities is None:
        return []
    order = np.argsort(-answer.probabilities, kind="stable")[:top_k]
    return [(class_names[index], float(answer.probabilities[index])) for index in order]


def list_columns(places: int) -> list[str]:
    """Returns the names of the columns of a table, with so many classes.

    Example:

    >>> list_columns(1)
    ['path', 'class_1', 'probability_1', 'route', 'macs', 'error']
    """
    classes = [f"{column}_{place}" for place in range(1, places + 1) for column in ("class", "probability")]
    return ["path", *classes, "route", "macs", "error"]


def list_cells(answer: PictureAnswer, class_names: Sequence[str], places: int) -> list[str]:
    """Returns the row of a table for an answer; probabilities have six digits, more than runtimes agree on."""
    told = [cell for name, share in list_classes(answer, class_names, places) for cell in (name, f"{share:.6f}")]
    blank = [""] * (2 * places - len(told))
    macs = "" if answer.macs is None else str(answer.macs)
    return [answer.path, *told, *blank, write_route(answer), macs, answer.error]


def _write_rows(file: TextIO, class_names: Sequence[str], top_k: int) -> Write:
    writer, places = csv.writer(file), min(top_k, len(class_names))
    writer.writerow(list_columns(places))
    return lambda answer: writer.writerow(list_cells(answer, class_names, places))


def _write_objects(file: TextIO, class_names: Sequence[str], top_k: int) -> Write:
    separators = chain(["\n"], repeat(",\n"))

    def write(answer: PictureAnswer) -> None:
        """Writes an object in a line of its own."""
        content: dict[str, Any] = {"path": answer.path}
        if answer.error:
            content["error"] = answer.error
        else:
            shares = list_classes(answer, class_names, top_k)
            content["classes"] = [{"name": name, "probability": round(share, 6)} for name, share in shares]
            content["route"] = {name: [int(switch) for switch in each] for name, each in answer.switches.items()}
            content["macs"] = answer.macs
        file.write(next(separators) + json.dumps(content))

    return write
