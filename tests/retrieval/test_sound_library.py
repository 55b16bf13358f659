from dataclasses import replace
from pathlib import Path

from eval.made_sound import RATE_HZ, music
from retrieval.catalog import Catalog
from retrieval.sound_library import LibrarySounds
from retrieval.sound_print import fingerprint
from tests.retrieval.catalog_records import make_record


def test_sound_is_found_with_an_index_that_follows_the_library(tmp_path: Path) -> None:
    song = music(24.0, 1)
    made = fingerprint(song[6 * RATE_HZ : 16 * RATE_HZ], RATE_HZ)
    with Catalog.open(tmp_path / "library", create=True) as catalog:
        sounds = LibrarySounds(catalog)
        assert sounds.find(made, 2.0) == []
        record = make_record("a")
        sound_print = fingerprint(song, RATE_HZ).to_bytes()
        catalog.add_video(replace(record, sound_print=sound_print, sound_print_version=1))
        found = sounds.find(made, 2.0)
        assert found
        assert abs(found[0].ref_segment.start_seconds - 6.0) < 1.0
        assert sounds.path.exists()
        again = LibrarySounds(catalog)  # from its file
        assert again.find(made, 2.0) == found
