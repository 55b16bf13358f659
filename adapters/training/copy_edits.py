"""The edits that copies go through, as functions on pictures: what the copy descriptor trains on.

Each edit takes a picture, a random generator and a strength in [0, 1], and returns a picture of
the same size. `EDITS` lists them by kind; `copy_views.py` chains them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

__all__ = ["EDITS", "Edit", "picture_in_picture", "stacked"]

Edit = Callable[[Image.Image, np.random.Generator, float], Image.Image]

_WORDS = (
    *("LIVE", "BREAKING", "subscribe", "part 2", "follow me", "2024", "exclusive", "wow", "HD"),
    *("watch till the end", "www.clips.example", "@moments", "news", "scene", "最新", "Фильм"),
)


def flip(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Mirrors it; rarely, when strong, upside down."""
    if strength > 0.8 and rng.random() < 0.2:
        return ImageOps.flip(picture)
    return ImageOps.mirror(picture)


def crop(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Keeps 95 % down to 25 % of the area, at an aspect up to 1.5 off."""
    width, height = picture.size
    area = 0.95 - 0.7 * strength * float(rng.uniform(0.5, 1.0))
    aspect = math.exp(float(rng.uniform(-0.4, 0.4)) * strength)
    wide = min(width, width * math.sqrt(area * aspect))
    high = min(height, height * math.sqrt(area / aspect))
    left, top = float(rng.uniform(0, width - wide)), float(rng.uniform(0, height - high))
    box = (left, top, left + wide, top + high)
    return picture.resize(picture.size, Image.Resampling.BILINEAR, box=box)


def rotate(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Turns it by up to 30 degrees on a flat ground, or, when strong, by a quarter."""
    if strength > 0.7 and rng.random() < 0.3:
        quarter = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180)[int(rng.integers(2))]
        return picture.transpose(quarter).resize(picture.size)
    angle = float(rng.choice([-1, 1])) * (2 + 28 * strength * float(rng.uniform(0.3, 1.0)))
    grown = rng.random() < 0.3
    turned = picture.rotate(angle, Image.Resampling.BILINEAR, expand=grown, fillcolor=_colour(rng))
    return turned.resize(picture.size, Image.Resampling.BILINEAR)


def perspective(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Moves the corners, as a camera before a screen does, over a dark room."""
    width, height = picture.size
    reach = 0.03 + 0.2 * strength
    shifts = rng.uniform(-reach * 0.4, reach, (4, 2))
    square, inward = (
        np.array([[0, 0], [1, 0], [1, 1], [0, 1]]),
        [[1, 1], [-1, 1], [-1, -1], [1, -1]],
    )
    corners = square + shifts * inward
    size = np.array([width, height])
    whole = square * size
    return picture.transform(
        picture.size,
        Image.Transform.PERSPECTIVE,
        _homography(corners * size, whole),
        Image.Resampling.BILINEAR,
        fillcolor=_dark(rng),
    )


def bars(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Shrinks it in one direction (letterbox, pillarbox) or both (padding) over a ground."""
    width, height = picture.size
    kept = 1 - (0.08 + 0.45 * strength * float(rng.uniform(0.3, 1.0)))
    kind = int(rng.integers(3))
    wide = width if kind == 0 else round(width * kept)
    high = height if kind == 1 else round(height * kept)
    ground = _ground(picture, rng)
    left, top = (width - wide) // 2, (height - high) // 2
    if kind == 2 and rng.random() < 0.4:
        left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    ground.paste(picture.resize((wide, high), Image.Resampling.BILINEAR), (left, top))
    return ground


def colour(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Saturation, hue and a tint."""
    pixels = _floats(picture)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * (1 + strength * float(rng.uniform(-1, 1.2)))
    pixels = pixels * (1 + 0.35 * strength * rng.uniform(-1, 1, 3))
    if rng.random() < 0.25 * strength:
        pixels = pixels[..., rng.permutation(3)]
    return _picture(pixels)


def grey(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Black and white, or sepia."""
    light = ImageOps.grayscale(picture)
    if rng.random() < 0.25:
        return ImageOps.colorize(light, "#180c02", "#fff0d0")
    return light.convert("RGB")


def light(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Brightness, contrast and gamma."""
    for kind, reach in ((ImageEnhance.Brightness, 0.6), (ImageEnhance.Contrast, 0.7)):
        picture = kind(picture).enhance(1 + reach * strength * float(rng.uniform(-1, 1)))
    gamma = math.exp(0.8 * strength * float(rng.uniform(-1, 1)))
    return picture.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)


def blur(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Soft focus."""
    radius = 0.5 + 3.5 * strength * float(rng.uniform(0.3, 1))
    return picture.filter(ImageFilter.GaussianBlur(radius))


def sharpen(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Too much unsharp mask."""
    return picture.filter(ImageFilter.UnsharpMask(2, round(80 + 250 * strength), 2))


def recompress(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Coarse JPEG, as a stand-in for every block coder."""
    quality = round(50 - 45 * strength * float(rng.uniform(0.4, 1.0)))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=max(3, quality))
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def shrink(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Down to 144 or fewer lines and up again, then JPEG: a re-encode at a low resolution."""
    kept = 0.6 - 0.45 * strength * float(rng.uniform(0.3, 1.0))
    width, height = (max(8, round(side * kept)) for side in picture.size)
    small = picture.resize((width, height))
    resample = Image.Resampling.NEAREST if rng.random() < 0.2 else Image.Resampling.BILINEAR
    return recompress(small.resize(picture.size, resample), rng, 0.3 * strength)


def noise(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Gaussian grain, in colour or not."""
    channels = 3 if rng.random() < 0.5 else 1
    grain = rng.normal(0, 6 + 40 * strength, (*picture.size[::-1], channels))
    return _picture(_floats(picture) + grain)


def moire(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Stripes of two frequencies that beat, and uneven light, as a filmed screen has."""
    width, height = picture.size
    rows, columns = np.mgrid[0:height, 0:width] / max(width, height)
    pattern = np.zeros((height, width, 1))
    for _ in range(2):
        angle, cycles = rng.uniform(0, math.pi), rng.uniform(15, 90)
        wave = columns * math.cos(angle) + rows * math.sin(angle)
        pattern[..., 0] += np.sin(2 * math.pi * cycles * (wave + 0.02 * np.sin(9 * rows)))
    slope = 1 - 0.5 * strength * (columns * rng.uniform(-1, 1) + rows * rng.uniform(-1, 1))
    pixels = _floats(picture) * (1 + 0.18 * strength * pattern) * slope[..., None]
    return _picture(pixels + 25 * strength)


def text(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """One to four lines of words, some on a box."""
    picture, (width, height) = picture.copy(), picture.size
    draw = ImageDraw.Draw(picture)
    for _ in range(1 + int(3 * strength * rng.random() + 0.5)):
        font = ImageFont.load_default(height * float(rng.uniform(0.05, 0.07 + 0.16 * strength)))
        words = " ".join(rng.choice(_WORDS, int(rng.integers(1, 4))))
        at = (float(rng.uniform(-0.05, 0.6)) * width, float(rng.uniform(0.0, 0.9)) * height)
        if rng.random() < 0.4:
            draw.rectangle(draw.textbbox(at, words, font=font), fill=_colour(rng))
        stroke = int(rng.integers(0, 3))
        ink, edge = _colour(rng), _dark(rng)
        draw.text(at, words, font=font, fill=ink, stroke_width=stroke, stroke_fill=edge)
    return picture


def emoji(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Drawn faces, hearts and stars."""
    picture, side = picture.copy(), min(picture.size)
    for _ in range(1 + int(4 * strength * rng.random())):
        size = round(side * float(rng.uniform(0.1, 0.15 + 0.35 * strength)))
        sticker = _sticker(size, rng)
        left, top = (int(rng.integers(-size // 4, edge - size // 2)) for edge in picture.size)
        picture.paste(sticker, (left, top), sticker)
    return picture


def logo(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """A half-transparent mark in a corner or, when strong, across the picture."""
    width, height = picture.size
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    share = 0.1 + 0.4 * strength * float(rng.random())
    wide, high = width * share, height * share * float(rng.uniform(0.4, 1.0))
    left = float(rng.choice([0.03, 0.97 - share])) * width
    top = float(rng.choice([0.03, 0.97 - share])) * height
    ink = (*_colour(rng), int(rng.integers(110, 256)))
    if rng.random() < 0.5:
        draw.rounded_rectangle((left, top, left + wide, top + high), high / 4, fill=ink)
    else:
        draw.ellipse((left, top, left + wide, top + high), outline=ink, width=max(2, int(high / 6)))
    font = ImageFont.load_default(max(6.0, high * 0.5))
    word = str(rng.choice(_WORDS))
    draw.text((left + wide * 0.1, top + high * 0.2), word, font=font, fill="white")
    if strength > 0.6 and rng.random() < 0.3:
        ghost = ImageFont.load_default(height * 0.2)
        draw.text((0, height * 0.4), str(rng.choice(_WORDS)), font=ghost, fill=(255, 255, 255, 110))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def strip(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """A caption band over the top or bottom, as news and reposts carry."""
    picture, (width, height) = picture.copy(), picture.size
    high = round(height * (0.08 + 0.2 * strength * float(rng.random())))
    top = 0 if rng.random() < 0.5 else height - high
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, top, width, top + high), fill=_colour(rng))
    font = ImageFont.load_default(max(6.0, high * 0.45))
    words = " ".join(rng.choice(_WORDS, 4))
    draw.text((width * 0.03, top + high * 0.2), words, font=font, fill=_colour(rng))
    return picture


def screen(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """A phone's or player's frame around it: bars, buttons, a progress line."""
    width, height = picture.size
    shade = int(rng.choice([0, 20, 245, 255]))
    ground = Image.new("RGB", picture.size, (shade,) * 3)
    top = round(height * (0.05 + 0.2 * strength * float(rng.random())))
    high = round(height * (0.9 - 0.35 * strength * float(rng.random()))) - top
    ground.paste(picture.resize((width, max(8, high)), Image.Resampling.BILINEAR), (0, top))
    draw = ImageDraw.Draw(ground)
    for _ in range(int(rng.integers(2, 9))):
        x = float(rng.uniform(0, width))
        y = float(rng.choice([top * 0.5, (top + high + height) / 2]))
        radius = width * float(rng.uniform(0.01, 0.03))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(rng))
    return ground


EDITS: dict[str, tuple[Edit, ...]] = {
    "place": (flip, crop, rotate, perspective, bars, crop, flip),
    "light": (colour, grey, light, light),
    "coding": (blur, sharpen, recompress, shrink, noise, moire),
    "over": (text, emoji, logo, strip, screen),
}
"""Edits by kind; one that is listed twice is drawn twice as often."""


def picture_in_picture(
    inner: Image.Image, outer: Image.Image, rng: np.random.Generator, strength: float
) -> Image.Image:
    """Sets `inner` into `outer`, at 85 % down to 45 % of its side."""
    width, height = outer.size
    share = 0.85 - 0.4 * strength * float(rng.uniform(0.4, 1.0))
    wide, high = round(width * share), round(height * share)
    picture = outer.copy()
    at = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    picture.paste(inner.resize((wide, high), Image.Resampling.BILINEAR), at)
    return picture


def stacked(
    first: Image.Image, second: Image.Image, rng: np.random.Generator, strength: float
) -> Image.Image:
    """Shows two pictures side by side or one above the other, squeezed or cut."""
    width, height = first.size
    share = 0.5 + (1 - strength) * float(rng.uniform(0.0, 0.2))
    side_by_side = rng.random() < 0.5
    wide, high = (round(width * share), height) if side_by_side else (width, round(height * share))
    picture = second.copy()
    if rng.random() < 0.5:
        part = first.resize((wide, high), Image.Resampling.BILINEAR)
    else:
        left, top = (width - wide) // 2, (height - high) // 2
        part = first.crop((left, top, left + wide, top + high))
    at = (0, 0) if rng.random() < 0.5 else (width - wide, height - high)
    picture.paste(part, at)
    return picture


def _ground(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """What lies beside a picture that does not fill the frame: black, a colour, or itself."""
    draw = rng.random()
    if draw < 0.5:
        return Image.new("RGB", picture.size, _dark(rng))
    if draw < 0.75:
        return Image.new("RGB", picture.size, _colour(rng))
    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) / 15))


def _sticker(size: int, rng: np.random.Generator) -> Image.Image:
    size = max(size, 8)
    sticker = Image.new("RGBA", (size, size))
    draw = ImageDraw.Draw(sticker)
    ink, dark = _colour(rng), _dark(rng)
    kind = int(rng.integers(3))
    if kind == 0:
        draw.ellipse((0, 0, size - 1, size - 1), fill=(255, 210, 50))
        for x in (0.3, 0.62):
            draw.ellipse((size * x, size * 0.28, size * (x + 0.1), size * 0.45), fill=dark)
        mouth = (size * 0.2, size * 0.3, size * 0.8, size * 0.8)
        draw.arc(mouth, 10, 170, dark, max(1, size // 14))
    elif kind == 1:
        draw.pieslice((0, 0, size * 0.52, size * 0.6), 180, 360, fill=ink)
        draw.pieslice((size * 0.48, 0, size - 1, size * 0.6), 180, 360, fill=ink)
        draw.polygon([(0, size * 0.3), (size - 1, size * 0.3), (size / 2, size - 1)], fill=ink)
    else:
        angles = np.arange(10) * math.pi / 5 - math.pi / 2
        radii = np.where(np.arange(10) % 2, 0.2, 0.5) * size
        points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1) + size / 2
        draw.polygon([(float(x), float(y)) for x, y in points], fill=ink)
    return sticker.rotate(float(rng.uniform(-30, 30)), Image.Resampling.BILINEAR)


def _homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, ...]:
    """The eight numbers that map (x, y) of `source` to `target`, as Pillow wants them."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(values)).tolist())


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.35:
        return (255, 255, 255)
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _dark(rng: np.random.Generator) -> tuple[int, int, int]:
    level = 0 if rng.random() < 0.6 else int(rng.integers(0, 50))
    return level, level, level


def _floats(picture: Image.Image) -> NDArray[np.float32]:
    return np.asarray(picture, dtype=np.float32)


def _picture(pixels: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
