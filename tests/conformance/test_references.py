"""What a docstring or a recipe names of a paper, a section, equation, figure or table, exists and belongs together."""

import re
from typing import NamedTuple

import pytest

from tests.conformance.subjects import ROOT


class Paper(NamedTuple):
    """How a paper is called here, its last equation and figure, its sections, the one on training, those of tables."""

    called: str
    equations: int
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
        equations=9,
        figures=11,
        sections=_sections({1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 3, 7: 4, 8: 0}),
        training="6",
        tables={"1": "6.1", "2": "6.1", "3": "6.2", "4": "6.3"},
    ),
    Paper(
        r"Su et al\.",
        equations=16,
        figures=7,
        sections=_sections({1: 0, 2: 0, 3: 3, 4: 4, 5: 0}),
        training="4.1",
        tables={"1": "4.2", "2": "4.2", "3": "4.2", "4": "4.3"},
    ),
    Paper(
        r"Wang et al\.",
        equations=11,
        figures=8,
        sections=_sections({1: 0, 2: 0, 3: 4, 4: 4, 5: 0}),
        training="4.1",
        tables={"1": "4.2", "2": "4.2", "3": "4.3", "4": "4.4", "4a": "4.4", "4b": "4.4", "5": "4.4"},
    ),
    Paper(
        r"McGill and Perona",
        equations=16,
        figures=10,
        sections=_sections({1: 0, 2: 0, 3: 2, 4: 8, 5: 7, 6: 0}),
        training="4.7",
        tables={},
    ),
]
# A number behind a comma belongs to the list unless it counts something.
_NUMBERS = r"\s+(\d[\d.ab]*(?:(?: and | to |-|, )\d[\d.ab]*(?!\d* (?!and|to)[a-z]))*)"


def _numbers(kind: str, text: str) -> set[str]:
    lists = re.findall(rf"\b{kind}{_NUMBERS}", text)
    return {each.rstrip(".") for numbers in lists for each in re.findall(r"\d[\d.]*[ab]?", numbers)}


def references() -> list[tuple[str, Paper, str]]:
    """Where a paper is named with what of it: the file, the paper, and the text behind its name up to the next name."""
    names = "|".join(
        [each.called for each in PAPERS] + [r"He et\s+al\.", r"Xie et al\.", r"Sandler et al\.", "Zagoruyko"]
    )
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
    assert all(int(each) <= paper.equations for each in _numbers(r"Eq\.", text)), file
    assert all(int(each) <= paper.figures for each in _numbers(r"(?:Figs?\.|Figures?)", text)), file
    if sections and tables:
        # A section stands for its parts. How nets of a table were trained may be told elsewhere.
        for place in (paper.tables[table] for table in tables):
            assert any(each in (place, place[0], paper.training) for each in sections), file


def test_references_are_found() -> None:
    assert len(REFERENCES) > 50
    assert {paper.called for _, paper, _ in REFERENCES} == {each.called for each in PAPERS}
    assert _numbers(r"Eq\.", "Eq. 3, 4, 10. And Eq. 9-16.") == {"3", "4", "10", "9", "16"}
    assert _numbers(r"sections?", "sections 3.1 and 4.2, Table 2.") == {"3.1", "4.2"}
