"""Says which device `auto` became, once for each answer: the command line shows this log."""

import logging
from functools import cache

__all__ = ["say_picked"]

logger = logging.getLogger(__name__)


@cache
def say_picked(what: str, device: str, reason: str) -> None:
    """Log a choice, at its first time.

    Args:
        what: what computes: a runtime, or torch.
        device: what `auto` became.
        reason: why not another.
    """
    logger.info("device auto: picked %s for %s (%s)", device, what, reason)
