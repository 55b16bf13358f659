"""The same three statements about one film in every format that can hold them.

`night.mp4` is 10 s at 25 frames/s and 200 x 100 pixels. A bike is in its left half in frames 50 to
74, a dog in its right half in frame 100.
"""

import json
from fractions import Fraction
from pathlib import Path

from retrieval.catalog import VideoRecord
from retrieval.types import Segment, Shot, Video

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>t</name><labels><label><name>bike</name></label>
    <label><name>dog</name></label></labels>
    <original_size><width>200</width><height>100</height></original_size>
    <source>night.mp4</source></task></meta>
  <track id="0" label="bike" source="manual">
    <box frame="50" outside="0" occluded="0" keyframe="1" xtl="0" ytl="0" xbr="100" ybr="100"/>
    <box frame="60" outside="0" occluded="0" keyframe="0" xtl="0" ytl="0" xbr="100" ybr="100"/>
    <box frame="75" outside="1" occluded="0" keyframe="1" xtl="0" ytl="0" xbr="100" ybr="100"/>
  </track>
  <image id="100" name="frame_000100" width="200" height="100">
    <box label="dog" occluded="0" xtl="100" ytl="0" xbr="200" ybr="100"/>
  </image>
</annotations>
"""

VOC = """<annotation>
  <folder>night</folder><filename>frame_000100.png</filename>
  <size><width>200</width><height>100</height><depth>3</depth></size>
  <object><name>dog</name>
    <bndbox><xmin>100</xmin><ymin>0</ymin><xmax>200</xmax><ymax>100</ymax></bndbox></object>
  <object><name>bike</name>
    <bndbox><xmin>0</xmin><ymin>0</ymin><xmax>100</xmax><ymax>100</ymax></bndbox></object>
</annotation>
"""

COCO = {
    "images": [
        {"id": 1, "file_name": "night/frame_000100.png", "width": 200, "height": 100},
    ],
    "categories": [{"id": 1, "name": "bike"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [100, 0, 100, 100]},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100]},
    ],
}

CSV = """video,start,end,label,group
night.mp4,2,3,bike,things
night.mp4,00:00:04.000,00:00:04:01,dog,things
"""

JSONL = """{"frame_id": 125, "scene_type": "indoor, night", "audio_emotion": null, \
"text_description": "a room"}
"""


def film(
    name: str, *, seconds: float = 10.0, folder: str = "/films", number: int = 0
) -> VideoRecord:
    """A film of shots of 2.5 s at 25 frames a second, 200 x 100 pixels, without vectors."""
    video = Video(
        video_id=f"v{Path(name).stem}{number or ''}", path=Path(folder) / name, size_bytes=1,
        modified_ns=1, duration_seconds=seconds, container="mp4", width=200, height=100,
        frame_rate=Fraction(25), video_codec="h264",
    )  # fmt: skip
    starts = [2.5 * number for number in range(int(seconds / 2.5))]
    shots = [
        Shot(0, video.video_id, n, Segment(s, s + 2.5), int(s * 25), int(s * 25) + 62, s + 1)
        for n, s in enumerate(starts)
    ]
    return VideoRecord(video, shots=shots)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_coco(folder: Path) -> Path:
    return write(folder, "instances_test.json", json.dumps(COCO, indent=1))


def write_yolo(folder: Path) -> Path:
    write(folder, "classes.txt", "bike\ndog\n")
    write(folder, "night_000100.txt", "1 0.75 0.5 0.5 1\n0 0.25 0.5 0.5 1\n")
    return folder
