"""The papers whose networks the zoo holds, and how to cite them."""

import json
from typing import NamedTuple

from tf_routing.support.package_files import read_package_file
from tf_routing.support.validation import one_of


class Paper(NamedTuple):
    """A paper of `papers.json`.

    Args:
        title: As rows of `reported.json` name it.
        authors: Each as `"Family, Given"`.
        year: Of the preprint.
        arxiv: Its identifier.
    """

    title: str
    authors: list[str]
    year: int
    arxiv: str


def find_paper(title: str) -> Paper:
    """Returns the paper of a title.

    Raises:
        ValueError: If `papers.json` does not have it.
    """
    papers = {row["title"]: Paper(**row) for row in json.loads(read_package_file("tf_routing.zoo", "papers.json"))}
    one_of("title", title, papers)
    return papers[title]


def call_paper(paper: Paper) -> str:
    """Returns who wrote a paper, and when, as texts cite it.

    Example:

    >>> call_paper(find_paper("Convolutional Networks with Adaptive Inference Graphs"))
    'Veit and Belongie (2017)'
    """
    families = [author.partition(",")[0] for author in paper.authors]
    called = " and ".join(families) if len(families) < 3 else f"{families[0]} et al."
    return f"{called} ({paper.year})"


def write_reference(paper: Paper) -> str:
    """Returns a paper in one line.

    Example:

    >>> print(write_reference(find_paper("Dynamic Multi-path Neural Network")))
    Su et al. (2019), Dynamic Multi-path Neural Network, arXiv:1902.10949
    """
    return f"{call_paper(paper)}, {paper.title}, arXiv:{paper.arxiv}"


def write_bibtex(paper: Paper) -> str:
    """Returns the entry of a paper for BibTeX.

    Example:

    >>> print(write_bibtex(find_paper("Deciding How to Decide: Dynamic Routing in Artificial Neural Networks")))
    @misc{mcgill2017deciding,
      title = {{Deciding How to Decide: Dynamic Routing in Artificial Neural Networks}},
      author = {McGill, Mason and Perona, Pietro},
      year = {2017},
      eprint = {1703.06217},
      archivePrefix = {arXiv}
    }
    """
    first, family = paper.title.split()[0], paper.authors[0].partition(",")[0]
    key = "".join(letter for letter in f"{family}{paper.year}{first}".lower() if letter.isalnum())
    fields = {
        # Braces around keep capitals.
        "title": f"{{{paper.title}}}",
        "author": " and ".join(paper.authors),
        "year": paper.year,
        "eprint": paper.arxiv,
        "archivePrefix": "arXiv",
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}\n}}"
