"""The labels of a library: import, list, export, check, remove. `Engine.labels` is one of these."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.catalog import Catalog
from retrieval.errors import NotFoundError
from retrieval.label_check import NEAR_DUPLICATE_COSINE, Footage, check_labels
from retrieval.label_export import export_labels
from retrieval.label_files import read_labels
from retrieval.label_import import (
    ImportOptions,
    PreparedLabels,
    absolute_folder,
    prepare_labels,
)
from retrieval.label_types import Label, LabelFinding, LabelImport, LabelledGroup
from retrieval.types import FloatArray

if TYPE_CHECKING:
    from retrieval.media.limits import MediaLimits

__all__ = ["ImportOptions", "LabelBook"]


class LabelBook:
    """What people said of the films of one library.

    Args:
        catalog: The library.
        limits: Bounds on media files that are read for their frame times; None for the defaults.
    """

    def __init__(self, catalog: Catalog, *, limits: "MediaLimits | None" = None) -> None:
        self._catalog = catalog
        self._limits = limits

    def import_from(
        self,
        path: Path,
        *,
        format: str = "auto",  # noqa: A002 (the option's name)
        options: ImportOptions | None = None,
    ) -> LabelImport:
        """Read labels from a file or folder into the library: all of them, or none.

        Raises:
            NotFoundError: There is nothing at the path.
            InvalidInputError: Something is wrong; the message names files and lines.
            CatalogBusyError: Another process is writing.
        """
        read = read_labels(path, format=format)
        with self._catalog.writing():  # what was checked is what is there
            prepared = prepare_labels(
                read,
                base=absolute_folder(path),
                catalog=self._catalog,
                options=options or ImportOptions(),
                limits=self._limits,
            ).checked()
            self._catalog.add_labels(prepared.groups, prepared.labels)
        return LabelImport(
            format=prepared.format,
            groups=tuple(prepared.groups),
            num_added=len(prepared.labels),
            num_known=prepared.num_known,
            num_videos=len({label.video_id for label in prepared.labels}),
            notes=tuple(prepared.notes),
        )

    def groups(self) -> list[LabelledGroup]:
        """All groups with their classes."""
        return self._catalog.label_groups()

    def labels(self, *, group: str | None = None, video: str | None = None) -> list[Label]:
        """Labels, of one group or film where named, by group, film and time.

        Raises:
            NotFoundError: There is no such group or film.
        """
        if group is not None:
            self._group(group)
        video_id = None if video is None else self._catalog.resolve_video(video).video_id
        return self._catalog.labels(group=group, video_id=video_id)

    def export(
        self,
        *,
        format: str = "csv",  # noqa: A002 (the option's name)
        group: str | None = None,
        video: str | None = None,
    ) -> str:
        """Write labels as the text of a file that `import_from` reads back to the same labels.

        Raises:
            NotFoundError: There is no such group or film.
            InvalidInputError: Unknown format, or one that would lose something; says what.
        """
        return export_labels(
            self.groups(),
            self.labels(group=group, video=video),
            {one.video_id: one for one in self._catalog.videos()},
            format=format,
            limits=self._limits,
        )

    def check(
        self,
        *,
        group: str | None = None,
        video: str | None = None,
        min_cosine: float = NEAR_DUPLICATE_COSINE,
    ) -> list[LabelFinding]:
        """Find what is doubtful in the stored labels; see `retrieval.label_check`.

        Raises:
            NotFoundError: There is no such group or film.
            InvalidInputError: `min_cosine` is out of range.
        """
        groups = self.groups() if group is None else [self._group(group)]
        labels = self.labels(group=group, video=video)
        return check_labels(groups, labels, self._footage(labels), min_cosine=min_cosine)

    def check_file(
        self,
        path: Path,
        *,
        format: str = "auto",  # noqa: A002 (the option's name)
        options: ImportOptions | None = None,
        min_cosine: float = NEAR_DUPLICATE_COSINE,
    ) -> list[LabelFinding]:
        """Find what is wrong or doubtful in a label file, without importing it.

        Raises:
            NotFoundError: There is nothing at the path.
            InvalidInputError: It cannot be read at all; names file and line.
        """
        prepared = prepare_labels(
            read_labels(path, format=format),
            base=absolute_folder(path),
            catalog=self._catalog,
            options=options or ImportOptions(),
            limits=self._limits,
        )
        told = {(one.kind, one.group) for one in prepared.findings}
        found = check_labels(
            prepared.groups, prepared.labels, self._footage(prepared.labels), min_cosine=min_cosine
        )
        doubts = [one for one in found if (one.kind, one.group) not in told]
        return [*prepared.findings, *self._new_classes(prepared), *doubts]

    def remove(self, group: str, *, name: str | None = None) -> int:
        """Forget a class, or a group; returns how many labels went.

        Raises:
            NotFoundError: There is no such group or class.
        """
        known = self._group(group)
        if name is not None and name not in known.classes:
            raise NotFoundError(
                f"got class {name!r}, group {group!r} has {', '.join(known.classes)}"
            )
        return self._catalog.remove_labels(group=group, name=name)

    def _new_classes(self, prepared: PreparedLabels) -> list[LabelFinding]:
        """Classes that a group of the library does not know yet."""
        stored = {group.name: group for group in self.groups()}
        found = []
        for group in prepared.groups:
            known = stored.get(group.name)
            for name in () if known is None else group.classes:
                if known is None or name in known.classes:
                    continue
                places = [one.where for one in prepared.labels if one.name == name][:1]
                message = f"class {name!r} is new; group {group.name!r} knows " + ", ".join(
                    known.classes[:20]
                )
                found.append(LabelFinding("unknown_class", message, group.name, tuple(places)))
        return found

    def _group(self, name: str) -> LabelledGroup:
        groups = self.groups()
        for group in groups:
            if group.name == name:
                return group
        known = ", ".join(group.name for group in groups) or "none"
        raise NotFoundError(f"got group {name!r}, known groups: {known}")

    def _footage(self, labels: Sequence[Label]) -> Footage:
        """Shots and embeddings of the labelled films."""
        videos = self._catalog.videos_by_ids([label.video_id for label in labels])
        encoder = self._catalog.encoder()
        vectors: dict[int, FloatArray] = {}
        for video_id in videos:
            if encoder is None:
                break
            shot_ids, rows = self._catalog.shot_vectors(encoder, video_id)
            vectors.update(zip(shot_ids.tolist(), rows, strict=True))
        return Footage(videos, {key: self._catalog.shots(key) for key in videos}, vectors)
