"""Films made for measuring fusion: each class is a picture, a sound and words, and no one tells it.

There are three kinds of each modality and nine classes, the rows of an orthogonal array: class
`3 p + s` shows kind p, sounds like kind s and speaks in kind `(p + s) mod 3`. So a modality by
itself leaves three classes, any two leave one, and the third corrects a mistake. Kinds are not
clean: pictures are double exposures with another kind, sounds are mixed with another, and one line
in four could be said anywhere. Some shots are silent, some without a line.

Everything comes from a seed; `dev` and `test` share neither pictures, sounds nor lines.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from eval import made_sound
from eval.attacks_films import write_film
from eval.attacks_material import Picture, Split, seeded
from eval.attacks_sound import RATE_HZ
from retrieval.types import FloatArray, Segment

__all__ = ["CLASSES", "MadeFilm", "make_fusion_films"]

NUM_KINDS = 3
CLASSES = tuple(f"kind {number}" for number in range(1, NUM_KINDS**2 + 1))
"""Names that say nothing: what is learned comes from the shots."""
SHOT_SECONDS = 2.5
SHOTS_A_FILM = 18
RATE = Fraction(10)
SIZE = (192, 108)
ABSENT_SHARE = 0.15
"""Of shots that are silent, and by themselves of those that have no line."""
OPEN_SHARE = 0.25
"""Of lines that could be said anywhere."""
MAX_OTHER_PICTURE, MAX_OTHER_SOUND = 0.5, 0.9
"""How much of another kind a picture or sound has, at most: 0.5 and 1 would be as much."""

_LINES = (
    (
        "Put the gun down, now!", "Nobody moves or he dies.", "They are going to kill us.",
        "Get behind the car, they are shooting!", "Hand over the money.", "He has a knife!",
        "You will pay for what you did to my brother.", "The bomb goes off in ten minutes.",
        "Drop your weapon and raise your hands.", "I swear I will shoot.",
        "Run, the police are at the door!", "There is blood all over the floor.",
    ),
    (
        "I have loved you since the day we met.", "Will you marry me?",
        "I missed you every single night.", "You look beautiful in that dress.",
        "Kiss me before you go.", "My heart is yours and always will be.",
        "We could grow old together, you and I.", "I wrote you a love letter and never sent it.",
        "Hold my hand and stay with me.", "I dreamed about you again.",
        "You make me so happy, darling.", "Let us dance, just the two of us.",
    ),
    (
        "The quarterly report is due on Monday.", "Please send me the invoice by e-mail.",
        "The meeting has been moved to room four.", "We need to cut the budget by ten per cent.",
        "The client wants the contract signed today.", "Your office is on the second floor.",
        "Sales were down again this month.", "Could you print these documents for me?",
        "The board will vote on the merger.", "Let me check the figures with accounting.",
        "The new software goes live next week.", "Fill in this form and sign here.",
    ),
)  # fmt: skip
_OPEN = (
    "Yes.", "I see.", "Wait a moment.", "What did you say?", "All right, then.", "Who is there?",
    "No, not yet.", "I do not know.", "Come in.", "Thank you.", "Are you sure?", "Here it is.",
)  # fmt: skip


@dataclass(frozen=True)
class MadeFilm:
    """A film and the class of each of its shots."""

    path: Path
    shots: tuple[tuple[Segment, str], ...]


def make_fusion_films(folder: Path, *, num_films: int, split: Split) -> Iterator[MadeFilm]:
    """Make films one by one, each with its subtitles beside it; the same from the same split.

    Each class comes twice in a film, in an order in which the picture changes at every cut.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_films):
        rng = seeded("fusion", split, number)
        path = folder / f"{split}-{number:02d}.mp4"
        classes = _order(rng)
        sounds = [_shot_sound(one % NUM_KINDS, rng) for one in classes]
        lines = [_line(_text_kind(one), split, rng) for one in classes]
        views = (_shot_frames(one // NUM_KINDS, rng) for one in classes)
        frames = (frame for view in views for frame in view)
        write_film(path, frames, rate=RATE, sound=np.concatenate(sounds))
        path.with_suffix(".srt").write_text(_subtitles(lines), encoding="utf-8")
        segments = [Segment(k * SHOT_SECONDS, (k + 1) * SHOT_SECONDS) for k in range(len(classes))]
        yield MadeFilm(
            path, tuple((s, CLASSES[one]) for s, one in zip(segments, classes, strict=True))
        )


def _text_kind(number: int) -> int:
    return (number // NUM_KINDS + number % NUM_KINDS) % NUM_KINDS


def _order(rng: np.random.Generator) -> list[int]:
    """Each class twice, no two shots of one kind of picture after each other."""
    classes = list(range(NUM_KINDS**2)) * (SHOTS_A_FILM // NUM_KINDS**2)
    while True:
        order = [classes[place] for place in rng.permutation(len(classes))]
        kinds = [one // NUM_KINDS for one in order]
        for place in range(1, len(order)):
            if kinds[place] != kinds[place - 1]:
                continue
            later = [k for k in range(place + 1, len(order)) if kinds[k] != kinds[place - 1]]
            if later:
                chosen = later[int(rng.integers(len(later)))]
                order[place], order[chosen] = order[chosen], order[place]
                kinds[place], kinds[chosen] = kinds[chosen], kinds[place]
        if all(first != second for first, second in pairwise(kinds)):
            return order


# --- pictures


def _shot_frames(kind: int, rng: np.random.Generator) -> Iterator[Picture]:
    """A double exposure under a camera that pans."""
    other = (kind + int(rng.integers(1, NUM_KINDS))) % NUM_KINDS
    share = float(rng.uniform(0.0, MAX_OTHER_PICTURE))
    picture = Image.blend(_PICTURES[kind](rng), _PICTURES[other](rng), share)
    (x0, y0), (x1, y1) = rng.integers(0, 24, (2, 2)).tolist()
    for place in np.linspace(0.0, 1.0, round(SHOT_SECONDS * RATE)):
        x, y = round(x0 + place * (x1 - x0)), round(y0 + place * (y1 - y0))
        yield np.asarray(picture.crop((x, y, x + SIZE[0], y + SIZE[1])))


def _canvas(top: tuple[int, ...], bottom: tuple[int, ...], rng: np.random.Generator) -> Image.Image:
    """A gradient, larger than a frame."""
    ends = np.array([[top], [bottom]]) + rng.integers(-25, 26, (2, 1, 3))
    corners = Image.fromarray(np.clip(ends, 0, 255).astype(np.uint8))
    return corners.resize((SIZE[0] + 24, SIZE[1] + 24), Image.Resampling.BILINEAR)


def _street(rng: np.random.Generator) -> Image.Image:
    """Houses at night with lit windows."""
    canvas = _canvas((10, 10, 35), (25, 22, 30), rng)
    draw = ImageDraw.Draw(canvas)
    for left in range(0, canvas.width, 30):
        top = int(rng.integers(15, 80))
        draw.rectangle((left, top, left + 24, canvas.height), fill=(38, 36, 44))
        for x in range(left + 4, left + 20, 7):
            for y in range(top + 5, canvas.height - 10, 11):
                if rng.random() < 0.5:
                    draw.rectangle(
                        (x, y, x + 3, y + 5), fill=(250, int(rng.integers(160, 240)), 90)
                    )
    return canvas.filter(ImageFilter.GaussianBlur(0.7))


def _forest(rng: np.random.Generator) -> Image.Image:
    """Trunks before leaves."""
    canvas = _canvas((70, 130, 60), (40, 80, 30), rng)
    draw = ImageDraw.Draw(canvas)
    for _ in range(220):
        x, y, r = *rng.uniform(0, 1, 2) * canvas.size, rng.uniform(3, 9)
        green = (int(rng.integers(20, 90)), int(rng.integers(90, 180)), int(rng.integers(20, 70)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=green)
    for x in rng.uniform(0, canvas.width, 9):
        draw.rectangle((x, 10, x + rng.uniform(3, 9), canvas.height), fill=(75, 52, 35))
    return canvas.filter(ImageFilter.GaussianBlur(0.7))


def _sea(rng: np.random.Generator) -> Image.Image:
    """Waves under a bright sky."""
    canvas = _canvas((170, 210, 245), (225, 235, 245), rng)
    draw = ImageDraw.Draw(canvas)
    horizon = int(rng.integers(40, 75))
    draw.rectangle((0, horizon, canvas.width, canvas.height), fill=(25, 90, 150))
    for _ in range(60):
        x, y = rng.uniform(0, canvas.width), rng.uniform(horizon, canvas.height)
        draw.arc((x - 14, y - 3, x + 14, y + 3), 180, 360, fill=(190, 220, 240), width=1)
    return canvas.filter(ImageFilter.GaussianBlur(0.7))


_PICTURES: tuple[Callable[[np.random.Generator], Image.Image], ...] = (_street, _forest, _sea)


# --- sounds and lines


def _machine(seconds: float, seed: int, *, rate_hz: int) -> FloatArray:
    """A motor: a hum of its own pitch in noise."""
    hz = float(np.random.default_rng([seed, 9]).uniform(50, 140))
    hum = made_sound.hum(seconds, hz, rate_hz=rate_hz)
    noise = made_sound.noise(seconds, seed, rate_hz=rate_hz)
    return np.asarray(0.7 * hum + 0.3 * noise, np.float32)


_SOUNDS: tuple[Callable[..., FloatArray], ...] = (made_sound.speech, made_sound.music, _machine)


def _shot_sound(kind: int, rng: np.random.Generator) -> FloatArray:
    if rng.random() < ABSENT_SHARE:
        return np.zeros(round(SHOT_SECONDS * RATE_HZ), np.float32)
    other = (kind + int(rng.integers(1, NUM_KINDS))) % NUM_KINDS
    own, foreign = (
        _SOUNDS[one](SHOT_SECONDS, int(rng.integers(1 << 30)), rate_hz=RATE_HZ)
        for one in (kind, other)
    )
    return np.asarray(0.5 * (own + rng.uniform(0.0, MAX_OTHER_SOUND) * foreign), np.float32)


def _line(kind: int, split: Split, rng: np.random.Generator) -> str | None:
    if rng.random() < ABSENT_SHARE:
        return None
    lines = _OPEN if rng.random() < OPEN_SHARE else _LINES[kind]
    own = lines[split == "test" :: 2]
    return own[int(rng.integers(len(own)))]


def _subtitles(lines: list[str | None]) -> str:
    """SubRip, one line in the middle of each shot that has one."""
    blocks: list[str] = []
    for place, line in enumerate(lines):
        if line is not None:
            start = place * SHOT_SECONDS
            times = f"{_clock(start + 0.4)} --> {_clock(start + SHOT_SECONDS - 0.4)}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{line}\n")
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{thousandths:03d}"
