"""Formats and URLs that pages use, and that templates escape and miss nothing."""

import pytest
from jinja2 import UndefinedError

from app.templating import clip_url, clock, render


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0:00.0"), (4.2, "0:04.2"), (59.96, "1:00.0"), (727, "12:07.0"), (3723.5, "1:02:03.5")],
)
def test_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_clip_url_names_the_exact_segment() -> None:
    assert clip_url("v1", 1.5, 4.25) == "v1/clips/v1?start=1.500000&end=4.250000"


def test_clip_url_stays_within_what_a_clip_may_be() -> None:
    assert clip_url("v1", 10.0, 500.0) == "v1/clips/v1?start=10.000000&end=129.900000"


def test_clip_url_quotes_the_id() -> None:
    assert clip_url("a/../b", 0, 1).startswith("v1/clips/a%2F..%2Fb?")


def test_templates_escape() -> None:
    page = render("empty.html", title="<script>", text='"&', icon="add")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_missing_name_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("empty.html", title="no text given")
