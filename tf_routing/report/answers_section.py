"""The parts of a report on answers: which classes are taken for which, and images that one clicks."""

import json
from typing import Any

import numpy as np

from tf_routing.report.diagrams import Diagram, fill_mark
from tf_routing.report.markup import Shaded, details, escape, paragraph, percent, section, table, whole_percent
from tf_routing.report.measurement import Measurement
from tf_routing.report.pictures import Gallery, Group

# Classes up to which all pairs are shown, and how many pairs otherwise; and classes named for an image.
_MATRIX, _PAIRS, _TOP = 20, 25, 3


def count_confusion(measured: Measurement) -> np.ndarray:
    """Returns how many images of each true class (rows) were taken for each class (columns); not those that are NaN."""
    classes = len(measured.class_names)
    known = ~np.isnan(measured.probabilities).any(axis=1)
    cells = measured.labels[known].astype("int64") * classes + measured.predicted[known]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def write_confusion(measured: Measurement) -> str:
    """Returns the section on confusions: a matrix, or the most frequent ones where classes are many."""
    counts, names = count_confusion(measured), measured.class_names
    if len(names) <= _MATRIX:
        rows: list[list[str | Shaded]] = [
            [name, *(Shaded(f"{count:,}", count / max(row.sum(), 1)) for count in row)]
            for name, row in zip(names, counts, strict=True)
        ]
        caption = "How many images of the class of a row were taken for the class of a column"
        # Longer names stand upright above their columns, and digits as one reads them.
        kind = "matrix short" if max(map(len, names)) < 3 else "matrix"
        shown = table(caption, ["true class", *names], rows, kind)
    else:
        shown = table(
            "The most frequent confusions",
            ("true class", "taken for", "images", "share of the class"),
            _list_pairs(counts, names),
        )
    tied = int(np.trace(counts) - measured.right.sum())
    note = (
        f"In {tied:,} right ones of these another class is as probable, which counts as wrong in the accuracy."
        if tied
        else ""
    )
    return section("confusion", "Confusion", shown, paragraph(note))


def _list_pairs(counts: np.ndarray, names: list[str]) -> list[tuple[str | Shaded, ...]]:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [np.unravel_index(place, wrong.shape) for place in order]
    rows: list[tuple[str | Shaded, ...]] = []
    for true, taken in pairs:
        share = float(wrong[true, taken] / max(counts[true].sum(), 1))
        if wrong[true, taken]:
            rows.append((names[true], names[taken], f"{wrong[true, taken]:,}", Shaded(percent(share), share)))
    return rows


def write_gallery(measured: Measurement, gallery: Gallery) -> str:
    """Returns the section of images as buttons, and the panel that shows the way of the one that was clicked."""
    about = "Choose an image to see " + ("the way it took." if gallery.diagrams else "what the network answers.")
    groups = "\n".join(_write_group(measured, gallery, group) for group in gallery.groups)
    panel = _write_panel(gallery)
    layout = f'<div class="gallery"><div class="groups">{groups}</div>\n{panel}</div>'
    needs = "<noscript><p>Choosing an image needs JavaScript; all else on this page does not.</p></noscript>"
    return section("images", "Images and their ways" if gallery.diagrams else "Images", paragraph(about), needs, layout)


def _write_group(measured: Measurement, gallery: Gallery, group: Group) -> str:
    buttons = "\n".join(_write_button(measured, gallery, index) for index in group.indices)
    return f'<h3>{escape(group.heading)}</h3>\n<div class="buttons">{buttons}</div>'


def _write_button(measured: Measurement, gallery: Gallery, index: int) -> str:
    picture = gallery.pictures[index]
    said = _name_answer(measured, index)
    way = f'<span class="way">{escape(picture.way)}</span>' if picture.way else ""
    alt = f"Test image {index}, {measured.class_names[measured.labels[index]]}"
    return (
        f'<button type="button" data-picture="{index}" aria-pressed="false">'
        f'<img src="{picture.address}" alt="{escape(alt)}" loading="lazy">'
        f'<span class="said">{escape(said)}</span>{way}</button>'
    )


def _name_answer(measured: Measurement, index: int) -> str:
    true = measured.class_names[measured.labels[index]]
    if np.isnan(measured.probabilities[index]).any():
        return f"{true}: no answer (NaN)"
    answer = measured.class_names[measured.predicted[index]]
    return true if true == answer else f"{true}, taken for {answer}"


def _write_panel(gallery: Gallery) -> str:
    number, shown = 0, ""
    for diagram in gallery.diagrams:
        shown += _renumber(diagram, number) + paragraph(diagram.about, kind="note") + _write_values(diagram, number)
        number += len(diagram.marks)
    return (
        '<div class="panel" id="panel" role="group" aria-labelledby="panel-title">\n'
        '<h3 id="panel-title">No image is chosen</h3>\n'
        '<p class="steps"><button type="button" id="previous">Previous image</button> '
        '<button type="button" id="next">Next image</button></p>\n'
        '<div class="answer"><img id="panel-image" alt="No image is chosen" hidden>'
        '<div><p id="panel-said" role="status" aria-live="polite"></p><ol id="panel-classes"></ol></div></div>\n'
        f"{shown}</div>"
    )


def _renumber(diagram: Diagram, first: int) -> str:
    if not first:
        return diagram.markup
    markup = diagram.markup
    # From the last on, so that no number is met twice.
    for number in reversed(range(len(diagram.marks))):
        markup = markup.replace(f'data-mark="{number}"', f'data-mark="{number + first}"')
    return markup


def _write_values(diagram: Diagram, first: int) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(mark.label)}</th>{fill_mark(first + number, mark, "td", "cell", shows=True)}</tr>'
        for number, mark in enumerate(diagram.marks)
    )
    head = '<thead><tr><th scope="col">part</th><th scope="col">this image</th></tr></thead>'
    made = f'<table class="values"><caption>The way of the chosen image</caption>{head}<tbody>{rows}</tbody></table>'
    return details("This way as a table", made)


def collect_data(measured: Measurement, gallery: Gallery) -> str:
    """Returns what the page's script reads: for every image what it is, what was answered, and its values, as JSON."""
    content: dict[str, Any] = {
        str(index): {
            "title": f"Test image {index}",
            "alt": f"Test image {index}, {measured.class_names[measured.labels[index]]}",
            "said": _describe(measured, gallery, index),
            "classes": _list_classes(measured, index),
            "values": [round(value, 3) for value in picture.values],
        }
        for index, picture in gallery.pictures.items()
    }
    # What would end the script's element must not stand in it.
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _describe(measured: Measurement, gallery: Gallery, index: int) -> str:
    right = "Classified rightly" if measured.right[index] else "Classified wrongly"
    way = gallery.pictures[index].way
    macs = f" {measured.macs[index]:,} MACs." if way else ""
    return f"{right}: {_name_answer(measured, index)}.{f' {way[0].upper()}{way[1:]}.' if way else ''}{macs}"


def _list_classes(measured: Measurement, index: int) -> list[str]:
    order = np.argsort(-np.nan_to_num(measured.probabilities[index]), kind="stable")[:_TOP]
    return [
        f"{measured.class_names[each]} {whole_percent(float(measured.probabilities[index][each]))}" for each in order
    ]
