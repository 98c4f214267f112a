"""A card is read as a page."""

import pytest

from tf_routing import zoo


@pytest.mark.parametrize("name", ["drn_resnet32", "resnet110", "deepcnn", "decide_chain8"])
def test_a_card_prints_what_it_knows(name: str) -> None:
    card = zoo.card(name)
    lines = str(card).splitlines()
    text = " ".join(line.strip() for line in lines)
    assert lines[0].startswith(f"{name}, of the family {card.family}")
    assert max(map(len, lines)) <= 100
    for row in card.reported:
        assert f"{row.trainable_parameters:,} parameters" in text and row.paper in text
        assert all(f"error {error}% on {data}" in text for data, error in row.error_percent.items())
        assert " ".join(row.note.split()) in text
    for run in card.measured:
        assert f"accuracy {run['accuracy']:.4f} after {run['epochs']} epochs of {run['recipe']}" in text
    assert all(tag in text for tag in card.weights)
