import sys

import pytest

from retrieval.encoders.inventory import download, kind_of, list_encoders
from retrieval.encoders.known import find_known, known_encoders
from retrieval.encoders.registry import SOUND_FAMILIES, TEXT_FAMILIES, hub_sources
from retrieval.errors import InvalidInputError, MissingDependencyError


def test_names_are_of_known_families_and_once() -> None:
    names = [known.name for known in known_encoders()]
    assert len(set(names)) == len(names)
    families = {name.partition(":")[0] for name in names}
    assert families <= set(SOUND_FAMILIES) | set(TEXT_FAMILIES)
    assert find_known(names[0]) == known_encoders()[0]
    assert find_known("open_clip:nothing/like-it") is None


def test_repositories_are_those_that_a_load_asks_for() -> None:
    pytest.importorskip("open_clip")
    for known in known_encoders():
        needed = dict.fromkeys(source.repository for source in hub_sources(known.name))
        assert tuple(needed) == known.hub, known.name


def test_dims_are_those_of_the_architecture() -> None:
    open_clip = pytest.importorskip("open_clip")
    for known in known_encoders():
        family, _, rest = known.name.partition(":")
        if family == "open_clip":
            config = open_clip.get_model_config(rest.partition("/")[0])
            assert config["embed_dim"] == known.dim, known.name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("builtin", "picture-text"),
        ("open_clip:RN50/openai", "picture-text"),
        ("clap:x/y", "sound-text"),
        ("sentence-transformers:x/y", "text"),
    ],
)
def test_kind_of_a_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_kind_of_no_family() -> None:
    with pytest.raises(InvalidInputError, match="unknown family"):
        kind_of("nope:x")


def test_listing_without_the_package_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    here = {one.known.name: one.is_here for one in list_encoders()}
    assert here["builtin"] is True
    assert set(here.values()) == {True, None}
    with pytest.raises(MissingDependencyError, match=r"sceneprint\[clip\]"):
        download("transformers:x/y")
