"""The files of the card of an export: for programs, for people, and for the hub of Hugging Face."""

import json
from collections.abc import Mapping
from typing import Any

from tf_routing.exporting.assets.front_matter import write_front_matter


def card_files(facts: Mapping[str, Any]) -> dict[str, str]:
    """Returns the texts of a card, by their paths in the folder of the export.

    Args:
        facts: What `card_facts.collect_facts` returns.
    """
    from tf_routing.exporting.assets.card_page import write_page

    page = write_page(facts)
    return {
        "assets/card.json": json.dumps(facts, indent=2) + "\n",
        "assets/card.md": page,
        "README.md": f"{write_front_matter(facts)}\n{page}",
    }
