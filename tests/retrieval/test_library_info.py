from dataclasses import replace
from pathlib import Path

import numpy as np

from retrieval.catalog import Catalog
from retrieval.library_info import describe_library
from retrieval.sound_print import PRINT_VERSION
from tests.retrieval.catalog_records import ENCODER, make_record
from tests.retrieval.test_catalog_sounds import SOUND


def test_films_that_match_cannot_compare_are_counted(tmp_path: Path) -> None:
    record = make_record("one")
    loud = replace(record, video=replace(record.video, video_codec="h264", audio_codec="aac"))
    with Catalog.open(tmp_path, create=True) as catalog:
        empty = describe_library(catalog, backend="exact", vectors=None)
        assert (empty.copy_encoder, empty.num_without_copies) == (None, 0)
        assert (empty.sound_encoder, empty.num_without_sounds) == (None, 0)
        for version, number in ((None, 1), (PRINT_VERSION - 1, 1), (PRINT_VERSION, 0)):
            catalog.add_video(replace(loud, sound_print_version=version))
            info = describe_library(catalog, backend="exact", vectors=None)
            assert (info.copy_encoder, info.num_without_copies) == (ENCODER, number)


def test_films_that_were_not_heard_are_counted(tmp_path: Path) -> None:
    record = make_record("one")
    loud = replace(record, video=replace(record.video, audio_codec="aac"))
    sounds = np.eye(len(record.shots), SOUND.dim, dtype=np.float32)
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.add_video(loud)
        assert describe_library(catalog, backend="exact", vectors=None).num_without_sounds == 1
        catalog.add_video(replace(loud, shot_sounds=sounds, sound_encoder=SOUND))
        info = describe_library(catalog, backend="exact", vectors=None)
        assert (info.sound_encoder, info.num_without_sounds) == (SOUND, 0)
