from collections.abc import Iterator

import pytest

from adapters.few_shot import anchored_probe


@pytest.fixture(autouse=True, scope="package")
def few_steps() -> Iterator[None]:
    """Experts learn roughly, so that hundreds of fits take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anchored_probe, "NUM_STEPS", 50)
        yield
