"""Finds the pictures to train a copy descriptor on: a folder, an archive, or Flickr8k's layout."""

from __future__ import annotations

from pathlib import Path

from adapters.training.pairs import read_archive, read_folder

__all__ = ["read_pictures"]


def read_pictures(data_dir: Path) -> tuple[list[str], list[bytes]]:
    """Reads all pictures, sorted by file name.

    Args:
        data_dir: a `.tar` archive; or a folder with `train.tar` or `train/`, as Flickr8k is laid
            out here; or a folder of JPEG and PNG files, looked through with its subfolders.

    Returns:
        Names and encoded bytes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds no picture, or one is too large.
    """
    if not data_dir.exists():
        raise FileNotFoundError(f"no folder or archive {data_dir}")
    archive = data_dir if data_dir.is_file() else data_dir / "train.tar"
    if archive.is_file():
        found = dict(read_archive(archive))
    else:
        root = data_dir / "train" if (data_dir / "train").is_dir() else data_dir
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        found = {
            f"{folder.relative_to(root)}/{name}": data
            for folder in folders
            for name, data in read_folder(folder)
        }
    if not found:
        raise ValueError(f"{data_dir} holds no JPEG or PNG picture")
    names = sorted(found)
    return names, [found[name] for name in names]
