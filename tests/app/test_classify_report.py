from pathlib import Path

import pytest

from app.classify_report import classify_report
from eval.classify_labels import evaluate_labels
from retrieval.label_types import GroupKind
from tests.eval.labelled_films import NoisyEncoder, five_films, say


@pytest.mark.parametrize("kind", ["one_of", "any_of"])
def test_the_page_is_self_contained_and_escaped(kind: GroupKind, tmp_path: Path) -> None:
    encoder = NoisyEncoder()
    with five_films(tmp_path / "library", encoder) as catalog:
        say(catalog, range(5), kind)
        found = evaluate_labels(
            "tint", catalog=catalog, encoder=encoder, adapter="anchored-probe", num_seeds=1
        )
        page = classify_report(found, catalog)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "data:image/jpeg;base64," in page
    assert ("Confusion" in page) == (kind == "one_of")
