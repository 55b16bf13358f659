"""The words of labels check themselves."""

import pytest

from retrieval.label_types import Label, LabelledGroup, TimedBox
from retrieval.types import Box, Segment

BOX = Box(0, 0, 1, 0.5)


@pytest.mark.parametrize("name", ["", " ", "a ", "x" * 201, "a\nb", "a\0"])
def test_names(name: str) -> None:
    with pytest.raises(ValueError, match="got"):
        LabelledGroup(name, "one_of", ("a",))
    with pytest.raises(ValueError, match="got"):
        LabelledGroup("g", "one_of", (name,))
    with pytest.raises(ValueError, match="got"):
        Label("g", name, "v", Segment(0, 1))


def test_groups() -> None:
    assert LabelledGroup("g", "one_of", ("a", "b")).is_exclusive
    assert not LabelledGroup("g", "any_of", ()).is_exclusive
    with pytest.raises(ValueError, match="twice"):
        LabelledGroup("g", "one_of", ("a", "a"))


def test_labels() -> None:
    with pytest.raises(ValueError, match="not empty"):
        Label("g", "a", "v", Segment(1, 1))
    with pytest.raises(ValueError, match="do not rise"):
        Label("g", "a", "v", Segment(0, 1), boxes=(TimedBox(1, BOX), TimedBox(0, BOX)))
    with pytest.raises(ValueError, match="split"):
        Label("g", "a", "v", Segment(0, 1), split="all")  # type: ignore[arg-type]


def test_the_same_statement_from_two_files_is_one() -> None:
    one = Label("g", "a", "v", Segment(0, 1.00001), source="a.csv", line=2)
    two = Label("g", "a", "v", Segment(0, 1.00002), source="b.csv", text="other")
    assert one.key == two.key
    assert one.key != Label("g", "a", "v", Segment(0, 1.1)).key
    assert (one.where, two.where) == ("a.csv, line 2", "b.csv")
