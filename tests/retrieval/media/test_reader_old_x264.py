"""The first packet of 4:4:4 H.264 is read before a seek: it alone tells which x264 wrote it."""

from pathlib import Path

import av
import pytest

from retrieval.media.reader import open_pictures
from tests.films import textured


def _film(path: Path, pixel_format: str) -> Path:
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"g": "25"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel_format
        for number in range(60):
            image = textured(number // 25, 96, 64)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("pixel_format", "is_shown"), [("yuv444p", True), ("yuv420p", False)])
def test_the_first_packet_is_decoded_before_a_seek(
    tmp_path: Path, pixel_format: str, is_shown: bool
) -> None:
    with open_pictures(_film(tmp_path / "film.mp4", pixel_format)) as reader:
        reader.seek(2.0)
        assert reader.stream.codec_context.is_open == is_shown
        assert next(reader.pictures()).seconds == pytest.approx(2.0)
