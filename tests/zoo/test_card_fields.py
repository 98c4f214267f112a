"""Fields of cards are written as calls and tables have them."""

from tf_routing.zoo.card_fields import write_arguments, write_by_data, write_number, write_size


def test_fields_as_text() -> None:
    assert write_size((224, 224, 3)) == "224x224x3"
    assert write_arguments({"paths": 3, "router": "cc", "width_multiplier": 0.5}, ["width_multiplier"]) == (
        "paths=3, router=cc"
    )
    assert write_arguments({}) == ""
    assert write_by_data({"cifar10": 5.5, "cifar100": 25}, "\n") == "cifar10 5.5\ncifar100 25"
    assert (write_by_data({}), write_number(None), write_number(0)) == ("-", "-", "0")
    assert write_number(1234567) == "1,234,567"
