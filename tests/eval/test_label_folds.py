from pathlib import Path

from eval.label_folds import film_folds, gather_shots
from tests.eval.labelled_films import NoisyEncoder, five_films, say


def test_folds_share_no_footage(tmp_path: Path) -> None:
    encoder = NoisyEncoder()
    with five_films(tmp_path / "library", encoder) as catalog:
        say(catalog, range(5))
        rows = gather_shots(catalog, encoder, catalog.label_groups()[0])
    assert len(set(rows.units.tolist())) == 4
    assert len(set(rows.units[rows.films >= 3].tolist())) == 1
    folds = film_folds(rows, 3)
    assert set(folds.tolist()) == {0, 1, 2}
    for unit in set(rows.units.tolist()):
        assert len(set(folds[rows.units == unit].tolist())) == 1
