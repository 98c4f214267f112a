"""Tables in Markdown have as many cells in each line as there are headings."""

from tf_routing.support.tables import markdown_table


def test_lines_are_headings_a_rule_and_rows() -> None:
    assert markdown_table(["a", "b"], [["x", 1], ["", None]]) == "| a | b |\n| --- | --- |\n| x | 1 |\n|  | None |\n"


def test_bars_in_cells_do_not_end_them() -> None:
    line = markdown_table(["type"], [["`int | None`"]]).splitlines()[2]
    assert line == "| `int \\| None` |"
