"""Fixtures of the encoder tests."""

from pathlib import Path

import pytest

from tests.retrieval.encoders.tiny_folder import write_tiny_encoder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder with networks of a few numbers."""
    return write_tiny_encoder(tmp_path_factory.mktemp("encoders") / "tiny")
