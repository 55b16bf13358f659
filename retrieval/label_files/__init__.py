"""Readers of label files, one format each: CVAT, Pascal VOC, YOLO, COCO, clips, CSV, JSON lines.

They know neither the library nor any film: a reader gives what is written, with the line where it
stands (`base.FileLabel`); `retrieval.label_import` makes labels of it.
"""

from retrieval.label_files.base import FileLabel, LabelFile, Moment, Where
from retrieval.label_files.registry import FORMATS, read_labels

__all__ = ["FORMATS", "FileLabel", "LabelFile", "Moment", "Where", "read_labels"]
