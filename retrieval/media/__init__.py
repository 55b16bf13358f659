"""From a media file to pictures, shots, sound and subtitles, through PyAV (FFmpeg).

The first stage of the picture in ARCHITECTURE.md. Every file goes through one door
(`container.open_media`), which reads local regular files only. Each module imports PyAV where it
needs it; importing this package costs nothing.
"""

from retrieval.media.limits import MediaLimits

__all__ = ["MediaLimits"]
