"""Writes the docstrings of this library as Markdown for the site's generator.

Its own readers know no equations, and expect types in signatures where ours stand in the text.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

import griffe

_TERM = re.compile(r"^([*\w`][\w`, *.]*?): (.*)$")


class DocstringForm(griffe.Extension):
    """Rewrites every docstring when it has been read from the source."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if not obj.is_alias and obj.docstring is not None:
            obj.docstring.value = rewrite(obj.docstring.value)


def rewrite(docstring: str) -> str:
    """Returns a docstring in Markdown: a bold heading per section, then equations, lists, sessions or text.

    Example:

    >>> print(rewrite("Adds.\\n\\nArgs:\\n    x: Integer,\\n        the first.\\n"))
    Adds.
    <BLANKLINE>
    **Args**
    <BLANKLINE>
    - `x`: Integer,
      the first.
    """
    lines, written = inspect.cleandoc(docstring).splitlines(), []
    while lines:
        name = lines[0].removesuffix(":")
        if name == lines[0] or name not in _WRITERS:
            written.append(lines.pop(0))
            continue
        del lines[0]
        written += ["", f"**{name}**", "", *_WRITERS[name](_take_body(lines, name)), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(written)).strip()


def _take_body(lines: list[str], name: str) -> list[str]:
    """Takes the lines of a section: those that are indented, and of an example all up to the next section."""
    taken: list[str] = []
    while lines and lines[0].removesuffix(":") not in _WRITERS:
        if lines[0] and not lines[0].startswith(" ") and name != "Example":
            break
        taken.append(lines.pop(0))
    return inspect.cleandoc("\n" + "\n".join(taken)).splitlines()


def _write_equation(body: list[str]) -> list[str]:
    """The lines of equations as they stand, and the sentences about them, which end in a full stop, as text."""
    written: list[str] = []
    for block in re.split(r"\n[ ]*\n", "\n".join(body)):
        text = block.rstrip().endswith((".", ";", ":"))
        written += [*(inspect.cleandoc("\n" + block) if text else f"```text\n{block}\n```").splitlines(), ""]
    return written


def _write_terms(body: list[str]) -> list[str]:
    """Terms and what they mean, as a list; text that names none stays text."""
    written = []
    for line in body:
        term = _TERM.match(line)
        name = term[1].strip("`") if term else ""
        written.append(f"- `{name}`: {term[2]}" if term else f"  {line.strip()}".rstrip())
    return written if any(line.startswith("- ") for line in written) else body


def _write_example(body: list[str]) -> list[str]:
    """Sessions in fences, and the sentences between them as text."""
    written, inside = [], False
    for line in body:
        session = line.startswith(">>>") or (inside and bool(line))
        if session != inside:
            written += ["```pycon"] if session else ["```", ""]
            inside = session
        written.append(line)
    return [*written, "```"] if inside else written


def _write_text(body: list[str]) -> list[str]:
    return body


_WRITERS: dict[str, Callable[[list[str]], list[str]]] = {
    "Equation": _write_equation,
    "Args": _write_terms,
    "Call arguments": _write_terms,
    "Attributes": _write_terms,
    "Raises": _write_terms,
    "Returns": _write_text,
    "Yields": _write_text,
    "Example": _write_example,
    "Reference": _write_text,
}
