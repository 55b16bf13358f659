"""The browser interface: a tab for each verb, labels and the library, over the same Engine.

It is mounted on the HTTP application, whose `/v1/thumbnails` and `/v1/clips` show the pictures and
play the segments.
"""

from app.ui.options import UiOptions
from app.ui.page import build_ui, mount

__all__ = ["UiOptions", "build_ui", "mount"]
