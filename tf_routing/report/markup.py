"""Pieces of HTML: escaped text, numbers as people read them, and tables with captions."""

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

# Between a number and its unit: no line ends there.
_FIXED = "\u00a0"


class Shaded(NamedTuple):
    """A cell of a table whose background is as strong as its share.

    Args:
        text: What it says.
        share: Float in [0, 1].
    """

    text: str
    share: float


def escape(value: Any) -> str:
    """Returns a value as text of a page.

    Example:

    >>> escape("<1 & 2>")
    '&lt;1 &amp; 2&gt;'
    """
    return html.escape(str(value))


def percent(share: float) -> str:
    """Returns a share as per cent.

    Example:

    >>> percent(0.8046)
    '80.46\xa0%'
    """
    return f"{100 * share:.2f}{_FIXED}%" if math.isfinite(share) else "-"


def whole_percent(share: float) -> str:
    """Returns a share as per cent for narrow places.

    Example:

    >>> whole_percent(0.8046)
    '80\xa0%'
    """
    return f"{100 * share:.0f}{_FIXED}%" if math.isfinite(share) else "-"


def millions(macs: float) -> str:
    """Returns multiply-accumulates in millions, three digits at least.

    Example:

    >>> millions(5196400), millions(1_234_567_890), millions(42_000)
    ('5.20\xa0million', '1,235\xa0million', '0.042\xa0million')
    """
    value = macs / 1e6
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}{_FIXED}million"


def readable(name: str) -> str:
    """Returns the name of a layer as people write it.

    Example:

    >>> readable("router_3")
    'router 3'
    """
    return name.replace("_", " ")


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str | Shaded]], kind: str = "") -> str:
    """Returns a table with a caption; the first cell of each row is its heading. Wide ones scroll by themselves.

    Args:
        caption: What the table shows.
        headings: One per column.
        rows: Cells, plain text.
        kind: Class of the table for the style sheet.
    """
    head = "".join(f'<th scope="col"><span>{escape(heading)}</span></th>' for heading in headings)
    body = "\n".join(
        f'<tr><th scope="row">{escape(_text(first))}</th>{"".join(map(_cell, rest))}</tr>' for first, *rest in rows
    )
    content = f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return scrolling(caption, f'<table class="{kind}">{content}</table>')


def scrolling(about: str, content: str, kind: str = "") -> str:
    """Returns what scrolls by itself where it is wider than the page; keys scroll it too.

    Args:
        about: What it is.
        content: HTML.
        kind: Another class for the style sheet.
    """
    return f'<div class="scroll {kind}" role="group" aria-label="{escape(about)}" tabindex="0">\n{content}</div>'


def _text(cell: str | Shaded) -> str:
    return cell.text if isinstance(cell, Shaded) else cell


def _cell(cell: str | Shaded) -> str:
    if isinstance(cell, Shaded):
        share = min(max(cell.share, 0.0), 1.0) if math.isfinite(cell.share) else 0.0
        return f'<td class="heat" style="--v:{share:.3g}">{escape(cell.text)}</td>'
    # Numbers stand below each other by their ends, words by their beginnings.
    kind = "" if cell[:1].isdigit() or cell == "-" else ' class="text"'
    return f"<td{kind}>{escape(cell)}</td>"


def section(name: str, heading: str, *parts: str) -> str:
    """Returns a section of the page with its heading; empty parts are left out.

    Args:
        name: What links call it.
        heading: Its heading.
        *parts: HTML.
    """
    content = "\n".join(filter(None, parts))
    head = f'<h2 id="{name}-heading">{escape(heading)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-heading">\n{head}\n{content}\n</section>'


def paragraph(*sentences: str, kind: str = "") -> str:
    """Returns a paragraph of plain sentences, code between backticks; nothing where all are empty."""
    said = re.sub("`([^`]*)`", r"<code>\1</code>", escape(" ".join(filter(None, sentences))))
    return f'<p class="{kind}">{said}</p>' if said else ""


def details(summary: str, *parts: str) -> str:
    """Returns what opens when one wants to see it."""
    return f"<details><summary>{escape(summary)}</summary>\n" + "\n".join(filter(None, parts)) + "\n</details>"
