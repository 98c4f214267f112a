"""The fields of a card as Hugging Face reads them."""

from typing import Any

import yaml


def read_card(text: str) -> tuple[dict[str, Any], str]:
    """Returns the fields above a card, and the page below them."""
    before, fields, page = text.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(fields), page.lstrip()
