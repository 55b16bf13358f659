import pytest

from adapters.few_shot import ADAPTERS, DEFAULT_ADAPTER, adapter_class
from adapters.few_shot.base import FewShotAdapter


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_name_leads_to_its_class(name: str) -> None:
    found = adapter_class(name)
    assert issubclass(found, FewShotAdapter)
    assert found.name == name


def test_the_default_is_registered_and_unknown_names_list_the_known() -> None:
    assert DEFAULT_ADAPTER in ADAPTERS
    with pytest.raises(ValueError, match="anchored-probe, blended-probe"):
        adapter_class("nothing")
