import numpy as np
import pytest

from adapters.few_shot.base import FloatArray
from adapters.fusion import DEFAULT_FUSION, FUSIONS, FusionAdapter, FusionShots, fusion_class
from adapters.fusion.base import ModalityRows, decisive_shares, presence, subsets, with_only
from adapters.fusion.early import one_hidden
from adapters.fusion.experts import fit_experts
from adapters.fusion.gates import fit_gates, thinned
from tests.adapters.fusion.conformance import made_rows, made_shots


@pytest.mark.parametrize("name", FUSIONS)
def test_every_name_leads_to_its_class(name: str) -> None:
    assert issubclass(fusion_class(name), FusionAdapter)
    assert fusion_class(name).name == name


def test_the_default_is_registered_and_unknown_names_list_the_known() -> None:
    assert DEFAULT_FUSION in FUSIONS
    with pytest.raises(ValueError, match="attention, early, gates"):
        fusion_class("nothing")


def test_rows_without_direction_are_absent() -> None:
    rows = ModalityRows.of([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], [True, True, False])
    assert rows.is_present.tolist() == [True, False, False]
    assert not rows.embeddings[1:].any()
    with pytest.raises(ValueError, match="unit norm"):
        ModalityRows.of([[2.0, 0.0]])
    with pytest.raises(ValueError, match="finite"):
        ModalityRows.of([[np.nan, 0.0]])


def test_shots_check_themselves() -> None:
    rows, _ = made_rows(1, seed=0)
    given = {
        "rows": rows,
        "targets": np.eye(4, dtype=np.float32),
        "text_weights": {},
        "temperatures": dict.fromkeys(rows, 10.0),
    }
    FusionShots(**given)  # type: ignore[arg-type]
    for change, message in (
        ({"temperatures": {}}, "temperatures of"),
        ({"text_weights": {"smell": np.eye(4)}}, "smell"),
        ({"targets": np.eye(3, dtype=np.float32)}, "unlike lengths"),
        ({"rows": with_only(rows, [])}, "without any modality"),
        ({"text_weights": {"sound": np.eye(4, dtype=np.float32)}}, "text_weights"),
    ):
        with pytest.raises(ValueError, match=message):
            FusionShots(**{**given, **change})  # type: ignore[arg-type]


def test_what_decided() -> None:
    parts = np.array([[[3.0, -3.0]], [[1.0, -1.0]], [[-2.0, 2.0]]], np.float32)
    np.testing.assert_allclose(decisive_shares(parts, np.array([0])), [[0.75, 0.25, 0.0]])
    np.testing.assert_allclose(decisive_shares(parts, np.array([1])), [[0.0, 0.0, 1.0]])
    assert not decisive_shares(-np.abs(parts), np.array([0])).any()


def test_all_ways_of_dropout() -> None:
    ways = thinned(np.array([[True, True, True], [False, True, False]]))
    assert np.bincount(ways.places).tolist() == [7, 1]
    np.testing.assert_allclose(np.bincount(ways.places, ways.weights), 1, atol=1e-6)
    whole = ways.weights[ways.is_present.all(axis=1)]
    np.testing.assert_allclose(whole, 0.8**3 / (1 - 0.2**3), atol=1e-6)
    hidden = one_hidden(np.ones((50, 3), bool), np.random.default_rng(0))
    assert (hidden.sum(axis=1) == 2).all()
    assert len(np.unique(hidden, axis=0)) == 3
    assert subsets(["a", "b"]) == [("a",), ("b",), ("a", "b")]


def test_gates_learn_whom_to_trust() -> None:
    shots = made_shots(12, absent=0.0)
    rng = np.random.default_rng(4)
    noise = rng.permutation(len(shots))
    noisy = FusionShots(
        rows={**shots.rows, "sound": shots.rows["sound"].subset(noise)},
        targets=shots.targets,
        text_weights=shots.text_weights,
        temperatures=shots.temperatures,
    )
    gates, _ = fit_gates(noisy, fit_experts(noisy, None).held_out)
    assert gates[1] < gates[0]
    assert gates[1] < gates[2]


def test_experts_are_not_asked_about_what_they_learned() -> None:
    """Labels without meaning: an expert that is asked about its own rows would look right."""
    shots = made_shots(10, absent=0.0)
    mixed = FusionShots(
        rows=shots.rows,
        targets=shots.targets[np.random.default_rng(0).permutation(len(shots))],
        text_weights={},
        temperatures=shots.temperatures,
    )
    held = fit_experts(mixed, None).held_out
    own = fusion_class("mean").fit(mixed).logits(mixed.rows)
    truth = mixed.targets.argmax(axis=1)

    def right(logits: FloatArray) -> float:
        return float((logits.argmax(axis=-1) == truth).mean())

    assert right(held.sum(axis=0)) < 0.45 < right(own)


def test_only_keeps_rows_that_have_something() -> None:
    shots = made_shots(8, absent=0.4)
    left = shots.only(["text"])
    assert len(left) == presence({"text": shots.rows["text"]}).sum()
    assert left.modalities == ("text",)


def test_an_adapter_that_is_not_linear_is_named() -> None:
    with pytest.raises(ValueError, match="expected a linear one"):
        fusion_class("mean").fit(made_shots(2), few_shot="nearest")
