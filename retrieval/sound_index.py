"""All references' prints in one place, to find which of them share quads with a query.

The index is derived from the prints in the catalog: peaks in pages of 256 (a page is of one video),
and postings, which are the quads of the references in the order of their keys. It takes about
140 bytes a second of reference, and is mapped from disk, so a process holds what it touches.

On disk it is a folder of plain arrays beside a header with a version; nothing is pickled.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import CatalogError, CatalogVersionError
from retrieval.sound_print import SoundPrint
from retrieval.sound_quads import NUM_SLOTS, REF_REACH, quads

__all__ = ["PAGE", "SoundIndex"]

PAGE = 256
_FAN = 6
_FORMAT = "sceneprint sound index"
_VERSION = 1


@dataclass(frozen=True)
class SoundIndex:
    """V references. Changes give a new index; the arrays are never written to."""

    video_ids: tuple[str, ...]
    durations: NDArray[np.float64]
    """(V,) seconds."""
    starts: NDArray[np.int64]
    """(V,) where the peaks of each video begin, a multiple of `PAGE`."""
    counts: NDArray[np.int64]
    """(V,) peaks of each video."""
    page_videos: NDArray[np.int32]
    """(pages,) which video a page is of."""
    ticks: NDArray[np.uint32]
    """(pages * `PAGE`,) times of peaks within their video; see `SoundPrint`."""
    bins: NDArray[np.uint8]
    """(pages * `PAGE`,) log-frequencies of peaks."""
    slot_starts: NDArray[np.int64]
    """(`NUM_SLOTS` + 1,) where the postings of each slot begin."""
    posting_spans: NDArray[np.uint8]
    """(P,) spans, ascending within a slot."""
    posting_peaks: NDArray[np.uint32]
    """(P,) anchors as places in `ticks`."""

    @classmethod
    def build(cls, prints: Mapping[str, SoundPrint]) -> "SoundIndex":
        """Index prints by their video ids."""
        refs = [p.select(p.reaches >= REF_REACH) for p in prints.values()]
        counts = np.array([len(ref) for ref in refs], np.int64)
        pages = -(-counts // PAGE)
        starts = (np.cumsum(pages) - pages) * PAGE
        ticks = np.zeros(int(pages.sum()) * PAGE, np.uint32)
        bins = np.zeros(len(ticks), np.uint8)
        slots, spans, peaks = [], [], []
        for ref, start in zip(refs, starts.tolist(), strict=True):
            ticks[start : start + len(ref)] = ref.ticks
            bins[start : start + len(ref)] = ref.bins
            found = quads(ref, fan=_FAN)
            slots.append(found.slots)
            spans.append(found.spans)
            peaks.append(found.anchors + np.uint32(start))
        keys, posting_peaks = _sorted(
            _joined(slots, np.uint32) << 8 | _joined(spans, np.uint8), _joined(peaks, np.uint32)
        )
        durations = np.array([p.duration_seconds for p in prints.values()], np.float64)
        page_videos = np.repeat(np.arange(len(refs), dtype=np.int32), pages)
        return cls(
            tuple(prints), durations, starts, counts, page_videos, ticks, bins,
            *_postings(keys), posting_peaks,
        )  # fmt: skip

    @property
    def hours(self) -> float:
        """Hours of sound in the index."""
        return float(self.durations.sum()) / 3600

    @property
    def num_bytes(self) -> int:
        """Size of the arrays."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def reference(self, number: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Ticks and bins of the peaks of one video, in the order of time."""
        start = int(self.starts[number])
        part = slice(start, start + int(self.counts[number]))
        return self.ticks[part], self.bins[part]

    def add(self, prints: Mapping[str, SoundPrint]) -> "SoundIndex":
        """The index with more prints; a video that is in it already is replaced."""
        base = self.remove([name for name in prints if name in self.video_ids])
        more = SoundIndex.build(prints)
        shift = len(base.ticks)
        places = np.searchsorted(base._keys(), more._keys(), side="right")
        keys = np.insert(base._keys(), places, more._keys())
        anchors = np.insert(base.posting_peaks, places, more.posting_peaks + np.uint32(shift))
        videos = more.page_videos + np.int32(len(base.video_ids))
        return SoundIndex(
            base.video_ids + more.video_ids,
            np.concatenate([base.durations, more.durations]),
            np.concatenate([base.starts, more.starts + shift]),
            np.concatenate([base.counts, more.counts]),
            np.concatenate([base.page_videos, videos]),
            np.concatenate([base.ticks, more.ticks]),
            np.concatenate([base.bins, more.bins]),
            *_postings(keys),
            anchors,
        )

    def remove(self, video_ids: Collection[str]) -> "SoundIndex":
        """The index without some videos; unknown ids are passed over."""
        gone = set(video_ids)
        stays = np.array([name not in gone for name in self.video_ids], bool)
        if stays.all():
            return self
        page_stays = stays[self.page_videos]
        new_page = np.cumsum(page_stays) - 1
        kept = page_stays[self.posting_peaks // PAGE]
        anchors = self.posting_peaks[kept]
        moved = new_page[anchors // PAGE] * PAGE + anchors % PAGE
        peak_stays = np.repeat(page_stays, PAGE)
        pages = -(-self.counts[stays] // PAGE)
        return SoundIndex(
            tuple(name for name in self.video_ids if name not in gone),
            self.durations[stays],
            (np.cumsum(pages) - pages) * PAGE,
            self.counts[stays],
            np.repeat(np.arange(len(pages), dtype=np.int32), pages),
            self.ticks[peak_stays],
            self.bins[peak_stays],
            *_postings(self._keys()[kept]),
            moved.astype(np.uint32),
        )

    def save(self, folder: Path, *, generation: str = "") -> None:
        """Write the index to a new folder and put it in the place of an old one.

        Args:
            folder: where; its parent exists.
            generation: what the catalog calls its state, given back by `saved_generation`.
        """
        fresh = folder.with_name(f"{folder.name}.{uuid4().hex}.new")
        fresh.mkdir()
        try:
            for name in _ARRAYS:
                np.save(fresh / f"{name}.npy", getattr(self, name), allow_pickle=False)
            header = {
                "format": _FORMAT,
                "version": _VERSION,
                "generation": generation,
                "video_ids": self.video_ids,
            }
            (fresh / "header.json").write_text(json.dumps(header), encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> "SoundIndex":
        """Map a saved index.

        Raises:
            CatalogVersionError: another version wrote it.
            CatalogError: it is not there or damaged; build it again from the prints.
        """
        header = _header(folder)
        try:
            arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in _ARRAYS
            }
            index = cls(tuple(header["video_ids"]), **arrays)
            index._check()
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise CatalogError(f"{folder.name} is damaged ({exc}); build it again") from exc
        return index

    @staticmethod
    def saved_generation(folder: Path) -> str:
        """What `save` was given.

        Raises:
            CatalogVersionError: another version wrote it.
            CatalogError: it is not there or damaged.
        """
        return str(_header(folder).get("generation", ""))

    def _keys(self) -> NDArray[np.uint32]:
        """(P,) slot and span of each posting in one number, ascending."""
        slots = np.repeat(np.arange(NUM_SLOTS, dtype=np.uint32), np.diff(self.slot_starts))
        return np.asarray(slots << 8 | self.posting_spans, dtype=np.uint32)

    def _check(self) -> None:
        """Reject arrays whose sizes do not fit together.

        Raises:
            ValueError: says which.
        """
        for name in _ARRAYS:
            if getattr(self, name).dtype != _DTYPES[name]:
                raise ValueError(f"got {name} of {getattr(self, name).dtype}, not {_DTYPES[name]}")
        num_videos, num_peaks = len(self.video_ids), PAGE * len(self.page_videos)
        sizes = {
            "durations": num_videos,
            "starts": num_videos,
            "counts": num_videos,
            "ticks": num_peaks,
            "bins": num_peaks,
            "slot_starts": NUM_SLOTS + 1,
            "posting_spans": int(self.slot_starts[-1]),
            "posting_peaks": int(self.slot_starts[-1]),
        }
        for name, size in sizes.items():
            if getattr(self, name).shape != (size,):
                raise ValueError(f"got {name} of {getattr(self, name).shape}, expected ({size},)")


_ARRAYS = tuple(field.name for field in fields(SoundIndex) if field.name != "video_ids")
_DTYPES = {
    "durations": np.float64,
    "starts": np.int64,
    "counts": np.int64,
    "page_videos": np.int32,
    "ticks": np.uint32,
    "bins": np.uint8,
    "slot_starts": np.int64,
    "posting_spans": np.uint8,
    "posting_peaks": np.uint32,
}


def _header(folder: Path) -> dict[str, list[str]]:
    try:
        header = json.loads((folder / "header.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CatalogError(f"{folder.name} is no sound index ({exc}); build it again") from exc
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise CatalogError(f"{folder.name} is no sound index; build it again")
    if header.get("version") != _VERSION:
        raise CatalogVersionError(
            f"{folder.name} is a sound index of version {header.get('version')}, expected"
            f" {_VERSION}; build it again"
        )
    return header


def _sorted(
    keys: NDArray[np.uint32], peaks: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Both in the order of keys, then peaks; one sort of packed numbers is the fastest."""
    packed = np.sort(keys.astype(np.uint64) << 32 | peaks)
    return (packed >> 32).astype(np.uint32), packed.astype(np.uint32)


def _postings(keys: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Slot starts and spans from ascending keys."""
    edges = np.arange(NUM_SLOTS + 1, dtype=np.uint32) << 8
    return np.searchsorted(keys, edges).astype(np.int64), (keys & 0xFF).astype(np.uint8)


def _joined(parts: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
