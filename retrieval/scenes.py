"""Scenes: neighbouring shots grouped by embedding similarity and time.

Overlapping links (Hanjalic, Lagendijk, Biemond 1999, IEEE Trans. CSVT 9(4)): a shot links to the
last similar shot within a window after it; a scene goes on as long as some link spans the next
cut. So a dialogue that cuts back and forth (A B A B) is one scene though A and B look different.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrieval.types import FloatArray, Scene, Segment, Shot

__all__ = ["SceneOptions", "group_scenes", "longest_shot"]


@dataclass(frozen=True)
class SceneOptions:
    """How shots are grouped.

    Attributes:
        window_shots: How many shots ahead a link may reach. Shot and counter-shot alternate within
            a handful of shots; longer reaches join scenes at one location over a whole film.
        window_seconds: How much time a link may skip between the end of one shot and the start of
            the other. Half a minute lets an insert pass, and keeps a later return to a place a new
            scene.
        max_seconds: A scene ends after this long even where links go on: a film shot in one room
            is still browsed scene by scene.
        link_strength: Where the link threshold lies between what any two shots of this video have
            in common (0) and identity (1). Encoders differ in how high unrelated pictures score,
            so the threshold is measured per video and not a fixed cosine.
        min_cosine, max_cosine: The threshold stays between these, for videos of few or equal shots.
    """

    window_shots: int = 8
    window_seconds: float = 30.0
    max_seconds: float = 300.0
    link_strength: float = 0.4
    min_cosine: float = 0.5
    max_cosine: float = 0.85


def group_scenes(
    shots: Sequence[Shot], embeddings: FloatArray | None, *, options: SceneOptions | None = None
) -> tuple[list[Shot], list[Scene]]:
    """Group the shots of one video into scenes; every shot is in exactly one.

    Args:
        shots: N shots of one video, in order.
        embeddings: (N, D) float32 unit norm, of their keyframes; None makes each shot a scene.
        options: None for the defaults.

    Returns:
        The shots with their `scene_number` set, and the scenes in order. Time and memory grow
        with N x window_shots.

    Raises:
        ValueError: There is not one embedding for each shot.
    """
    chosen = options or SceneOptions()
    if embeddings is not None and len(embeddings) != len(shots):
        raise ValueError(f"got {len(embeddings)} embeddings for {len(shots)} shots")
    starts = _scene_starts(shots, embeddings, chosen)
    bounds = list(zip(starts, [*starts, len(shots)][1:], strict=True))
    scenes = [_scene(shots[first:end], number) for number, (first, end) in enumerate(bounds)]
    numbered = [
        replace(shot, scene_number=number)
        for number, (first, end) in enumerate(bounds)
        for shot in shots[first:end]
    ]
    return numbered, scenes


def _scene_starts(
    shots: Sequence[Shot], embeddings: FloatArray | None, options: SceneOptions
) -> list[int]:
    """Places of the first shot of each scene."""
    if embeddings is None or len(shots) < 2:
        return list(range(len(shots)))
    reach = _link_reach(shots, embeddings, options)
    starts = [0]
    spanned = reach[0]
    for place in range(1, len(shots)):
        too_long = (
            shots[place].segment.end_seconds - shots[starts[-1]].segment.start_seconds
            > options.max_seconds
        )
        if place > spanned or too_long:
            starts.append(place)
            spanned = place
        spanned = max(spanned, reach[place])
    return starts


def _link_reach(shots: Sequence[Shot], embeddings: FloatArray, options: SceneOptions) -> list[int]:
    """For each shot the place of the last shot that it links to (its own without a link)."""
    threshold = _threshold(embeddings, options)
    reach = list(range(len(shots)))
    for place, shot in enumerate(shots):
        ahead = embeddings[place + 1 : place + 1 + options.window_shots] @ embeddings[place]
        for step in np.flatnonzero(ahead >= threshold)[::-1]:
            other = place + 1 + int(step)
            gap = shots[other].segment.start_seconds - shot.segment.end_seconds
            if gap <= options.window_seconds:
                reach[place] = other
                break
    return reach


def _threshold(embeddings: FloatArray, options: SceneOptions) -> float:
    """Link threshold: `link_strength` of the way from the usual cosine of two shots to one.

    The usual cosine is the squared length of the mean embedding without its diagonal: the mean
    over all pairs i != j of e_i . e_j is (|sum e|^2 - N) / (N^2 - N), in O(N).
    """
    count = len(embeddings)
    total = embeddings.sum(axis=0, dtype=np.float64)
    usual = (float(total @ total) - count) / (count * count - count)
    threshold = usual + options.link_strength * (1.0 - usual)
    return float(np.clip(threshold, options.min_cosine, options.max_cosine))


def _scene(shots: Sequence[Shot], number: int) -> Scene:
    """The scene of these shots."""
    return Scene(
        video_id=shots[0].video_id,
        number=number,
        segment=Segment(shots[0].segment.start_seconds, shots[-1].segment.end_seconds),
        first_shot=shots[0].number,
        last_shot=shots[-1].number,
    )


def longest_shot(shots: Sequence[Shot], scene: Scene) -> int:
    """Number of the scene's longest shot, which stands for it; the first of equals."""
    inside = shots[scene.first_shot : scene.last_shot + 1]
    return max(inside, key=lambda shot: shot.segment.duration_seconds).number
