"""What docstrings and recipes cite of a paper exists: its sections, equations, figures and tables.

Layers and objectives write the equations of their papers out. The names in them must be arguments, their numbers those
of the reference, and the reference complete.
"""

import inspect
import re
from typing import Any, NamedTuple

import keras
import pytest

from tests.conformance.subjects import ROOT
from tf_routing import layers, objectives
from tf_routing.objectives.early_exit import EarlyExit
from tf_routing.optimizers import DecayedSGD


class Paper(NamedTuple):
    """A paper: its authors as a pattern, first and last equation by section, figures, sections, sections of tables."""

    called: str
    equations: dict[str, tuple[int, int]]
    figures: int
    sections: set[str]
    training: str
    tables: dict[str, str]


def _sections(parts: dict[int, int]) -> set[str]:
    """Names of sections, of which some have so many parts."""
    return {str(section) for section in parts} | {f"{s}.{n}" for s, count in parts.items() for n in range(1, count + 1)}


PAPERS = [
    Paper(
        r"Tissera et al\.",
        equations={"3": (1, 4), "4": (5, 6), "5": (7, 9)},
        figures=11,
        sections=_sections({1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 3, 7: 4, 8: 0}),
        training="6",
        tables={"1": "6.1", "2": "6.1", "3": "6.2", "4": "6.3"},
    ),
    Paper(
        r"Su et al\.",
        equations={"3.1": (1, 3), "3.2": (4, 10), "3.3": (11, 16)},
        figures=7,
        sections=_sections({1: 0, 2: 0, 3: 3, 4: 4, 5: 0}),
        training="4.1",
        tables={"1": "4.2", "2": "4.2", "3": "4.2", "4": "4.3"},
    ),
    Paper(
        r"Wang et al\.",
        equations={"3.1": (1, 4), "3.2": (5, 6), "3.3": (7, 8), "3.4": (9, 11)},
        figures=8,
        sections=_sections({1: 0, 2: 0, 3: 4, 4: 4, 5: 0}),
        training="4.1",
        tables={
            **{"1": "4.2", "1a": "4.2", "1b": "4.2", "2": "4.2"},
            **{"3": "4.3", "4": "4.4", "4a": "4.4", "4b": "4.4", "5": "4.4"},
        },
    ),
    Paper(
        r"McGill and Perona",
        equations={
            "3.2": (1, 2),
            "4.1": (3, 4),
            "4.2": (5, 7),
            "4.3": (8, 8),
            "4.4": (9, 10),
            "4.5": (11, 16),
        },
        figures=10,
        sections=_sections({1: 0, 2: 0, 3: 2, 4: 8, 5: 7, 6: 0}),
        training="4.7",
        tables={},
    ),
]
OTHERS = [
    "Zagoruyko",
    "Wang, Yu, Dou",
    "Veit and Belongie",
    "Graves",
    r"Figurnov et\s+al\.",
    r"Wu et\s+al\.",
    *(rf"{name} et\s+al\." for name in ["He", "Xie", "Sandler", "Hu", "Huang", "Misra", "Szegedy"]),
]
# The authors by arXiv identifier, whose first two digits are the year.
CITED = {
    "2107.02450": "Tissera et al.",
    "1902.10949": "Su et al.",
    "2005.14439": "Wang et al.",
    "1703.06217": "McGill and Perona",
    "1512.03385": "He et al.",
    "1709.01507": "Hu et al.",
    "1503.02531": "Hinton et al.",
    "1611.05431": "Xie et al.",
    "1604.03539": "Misra et al.",
    "1708.07120": "Smith and Topin",
    "2404.00498": "Jordan",
    "1711.09485": "Wang, Yu, Dou, Darrell and Gonzalez",
    "1512.00567": "Szegedy et al.",
    "1706.00885": "Wang et al.",
    "1711.08393": "Wu et al.",
    "1612.02297": "Figurnov et al.",
    "1603.08983": "Graves",
    "1711.11503": "Veit and Belongie",
    "1703.09844": "Huang et al.",
}
# A number behind a comma belongs to the list unless it counts something.
_NUMBERS = r"\s+(\d[\d.ab]*(?:(?: and | to |-|, )\d[\d.ab]*(?!\d* (?!and|to)[a-z]))*)"


def _numbers(kind: str, text: str) -> set[str]:
    lists = re.findall(rf"\b{kind}{_NUMBERS}", text)
    return {each.rstrip(".") for numbers in lists for each in re.findall(r"\d[\d.]*[ab]?", numbers)}


def _section_of(paper: Paper, equation: int) -> str:
    """Returns the section that holds an equation, or nothing if there is no such equation."""
    found = [section for section, (first, last) in paper.equations.items() if first <= equation <= last]
    return found[0] if found else ""


def references() -> list[tuple[str, Paper, str]]:
    """Where a paper is named with what of it: the file, the paper, and the text behind its name up to the next name."""
    names = "|".join([*(paper.called for paper in PAPERS), *OTHERS])
    found = []
    for file in sorted([*ROOT.glob("tf_routing/**/*.py"), *ROOT.glob("tf_routing/train/recipes/**/*.toml")]):
        text = re.sub(r"\n#? *", " ", file.read_text("utf-8"))
        for match in re.finditer(names, text):
            papers = [each for each in PAPERS if re.fullmatch(each.called, match[0])]
            end = re.search(rf'{names}|"""|\) *:|\.toml|title = ', text[match.end() :])
            behind = text[match.end() : match.end() + min(end.start() if end else 300, 300)]
            if papers and re.search(r"section|Eq\.|Fig|Table", behind):
                found.append((str(file.relative_to(ROOT)), papers[0], behind))
    return found


REFERENCES = references()


@pytest.mark.parametrize(("file", "paper", "text"), REFERENCES, ids=[each[0] for each in REFERENCES])
def test_what_is_named_is_there(file: str, paper: Paper, text: str) -> None:
    sections = _numbers(r"sections?", text)
    tables = _numbers(r"Tables?", text)
    assert sections <= paper.sections, file
    assert tables <= set(paper.tables), file
    assert all(_section_of(paper, int(each)) for each in _numbers(r"Eq\.", text)), file
    assert all(int(each) <= paper.figures for each in _numbers(r"(?:Figs?\.|Figures?)", text)), file
    if sections and tables:
        # A section stands for its parts. How nets of a table were trained may be told elsewhere.
        for place in (paper.tables[table] for table in tables):
            assert any(each in (place, place[0], paper.training) for each in sections), file


def _spread(kind: str, text: str) -> set[str]:
    """Returns all numbers that a text names, those within ranges too: 1, 2 and 3 for "Eq. 1 to 3"."""
    found = _numbers(kind, text)
    for match in re.finditer(rf"\b{kind}{_NUMBERS}", text):
        for first, last in re.findall(r"(\d[\d.]*)(?: to |-)(\d[\d.]*)", match[1]):
            head, start = first.rpartition(".")[::2]
            end = last.rstrip(".").rpartition(".")[2]
            found |= {f"{head}.{each}".lstrip(".") for each in range(int(start), int(end) + 1)}
    return found


def _part(text: str, title: str) -> str:
    """Returns the indented part of a docstring under a title."""
    match = re.search(rf"^{title}:\n((?:[ \t]+[^\n]*\n|\n)+)", text + "\n", re.M)
    return match[1] if match else ""


def _arguments(defined: Any) -> set[str]:
    """Returns the arguments of a class and of its call, those of base classes too."""
    methods = [vars(base).get(name) for base in defined.__mro__ for name in ("__init__", "call", "__call__")]
    return {name for method in methods if inspect.isfunction(method) for name in inspect.signature(method).parameters}


def wrong_works(reference: str) -> list[str]:
    """Returns the works in a reference whose authors, year and arXiv identifier do not belong together."""
    # A sentence may lead to the authors, who are the end of it.
    works = re.findall(r"([^;.]*(?: et al\.)?) \((\d{4})\), \*[^*]+\*, arXiv:(\d{4}\.\d{5})", reference)
    if not works:
        return ["no authors, year and arXiv identifier"]
    return [
        f"arXiv:{identifier} is not of {authors} ({year})"
        for authors, year, identifier in works
        if not authors.endswith(CITED.get(identifier, "?")) or year != f"20{identifier[:2]}"
    ]


def faults(defined: Any) -> list[str]:
    """Returns the rules for equations and references that the docstring of a class breaks."""
    text = inspect.getdoc(defined) or ""
    equation, reference = _part(text, "Equation"), " ".join(_part(text, "Reference").split())
    found = [] if re.search(r"^\s+\S.* = \S", equation, re.M) else ["no equation"]
    symbols = set(re.findall(r"`([^`]*)`", equation))
    found += [f"{name} is no argument" for name in sorted(symbols - _arguments(defined))]
    found += [] if symbols else ["no symbol is bound to an argument"]
    if not re.search(r"sections? \d", reference):
        found.append("no section")
    found += wrong_works(reference)
    numbers, sections = _spread(r"Eq\.", reference), _spread("sections?", reference)
    if _spread(r"Eq\.", equation) != numbers:
        found.append("other equations are written than referred to")
    for paper in PAPERS:
        if re.match(paper.called, reference):
            homes = {number: _section_of(paper, int(number)) for number in numbers}
            found += [f"Eq. {number} is not in these sections" for number in homes if homes[number] not in sections]
    return found


DEFINED = [
    *(getattr(layers, name) for name in layers.__all__),
    *(each for name in objectives.__all__ if inspect.isclass(each := getattr(objectives, name))),
    EarlyExit,
    DecayedSGD,
]


@pytest.mark.parametrize("defined", [each for each in DEFINED if each is not objectives.Objective])
def test_equations_are_written_out(defined: Any) -> None:
    assert faults(defined) == []


class _Right(keras.layers.Layer):
    """Adds gates.

    Equation:
        a = W2 x              (Eq. 2)
        g = softmax(a)        (Eq. 3)

        with x = `inputs` and W2 to `units`.

    Reference:
        Tissera et al. (2021), *A Title of Two Lines,
        Or More*, arXiv:2107.02450, section 3, Eq. 2 and 3.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        (" = ", ": ", "no equation"),
        ("`units`", "`unit`", "unit is no argument"),
        ("`", "", "no symbol is bound to an argument"),
        ("section 3", "", "no section"),
        (" (2021)", "", "no authors, year and arXiv identifier"),
        ("arXiv:2107.02450, ", "", "no authors, year and arXiv identifier"),
        ("2021", "2020", "arXiv:2107.02450 is not of Tissera et al. (2020)"),
        ("2107.02450", "1902.10949", "arXiv:1902.10949 is not of Tissera et al. (2021)"),
        ("Eq. 2 and 3", "Eq. 3", "other equations are written than referred to"),
        ("section 3", "section 4", "Eq. 2 is not in these sections"),
    ],
)
def test_faults_of_equations_are_found(old: str, new: str, fault: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Right, "__doc__", (_Right.__doc__ or "").replace(old, new))
    assert (fault in faults(_Right)) if fault else faults(_Right) == []


def test_references_name_authors_year_and_identifier() -> None:
    written = {
        f"{file.relative_to(ROOT)}: {text[:60]}": " ".join(text.split())
        for file in ROOT.glob("tf_routing/**/*.py")
        for text in re.findall(r'\bReference:(.*?)"""', file.read_text("utf-8"), re.S)
    }
    assert len(written) > 50
    assert {place: wrong for place, text in written.items() if (wrong := wrong_works(text))} == {}


def test_axis_letters_are_defined() -> None:
    text = " ".join((layers.__doc__ or "").split())
    assert "Axes are B batch, H height, W width and C channels" in text


def test_references_are_found() -> None:
    assert len(REFERENCES) > 50
    assert {paper.called for _, paper, _ in REFERENCES} == {each.called for each in PAPERS}
    assert _numbers(r"Eq\.", "Eq. 3, 4, 10. And Eq. 9-16.") == {"3", "4", "10", "9", "16"}
    assert _numbers(r"sections?", "sections 3.1 and 4.2, Table 2.") == {"3.1", "4.2"}
    assert _spread(r"Eq\.", "Eq. 1 to 3 and 7.") == {"1", "2", "3", "7"}
    assert _spread("sections?", "sections 3.2 to 3.4.") == {"3.2", "3.3", "3.4"}
