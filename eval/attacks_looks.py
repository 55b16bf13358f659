"""Edits of the picture that leave it in place: overlays, quality, colour."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from eval.attacks_frame import BILINEAR, FrameEdit, PictureEdit, even, level, on_image, to_bytes
from eval.attacks_material import Picture

__all__ = ["LOOKS"]

_WORDS = (
    *("the", "a", "of", "light", "river", "never", "night", "we", "open"),
    *("door", "summer", "back", "home", "over", "again", "they", "stone"),
)


# --- overlays


def _logo(strength: int, rng: np.random.Generator) -> FrameEdit:
    """One, two or four badges: rings and discs with letters."""
    count = (1, 2, 4)[strength - 1]
    spots, sides = rng.uniform(0.05, 0.75, (count, 2)), rng.uniform(0.12, 0.24, count)
    colours = rng.integers(60, 256, (count, 3)).tolist()

    def change(image: Image.Image) -> Image.Image:
        draw = ImageDraw.Draw(image)
        w, h = image.size
        for spot, side, colour in zip(spots, sides, colours, strict=True):
            x, y, s = spot[0] * w, spot[1] * h, side * h
            draw.ellipse((x, y, x + s, y + s), fill=tuple(colour), outline=(20, 20, 20), width=3)
            draw.text((x + s * 0.25, y + s * 0.2), "TV", fill=(10, 10, 10), font_size=s * 0.5)
        return image

    return on_image(lambda image: change(image.copy()))


def _emoji(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Large smiling faces that hop about."""
    count, side = (1, 3, 5)[strength - 1], level(strength, 0.25, 0.3, 0.35)
    spots = rng.uniform(0.0, 0.8, (count, 2))

    def edit(image: Picture, seconds: float, _other: Picture | None) -> Picture:
        canvas = Image.fromarray(image).copy()
        draw, (w, h) = ImageDraw.Draw(canvas), canvas.size
        for number, spot in enumerate(spots):
            s = side * h
            x, y = spot[0] * w, spot[1] * h + 0.05 * h * np.sin(2 * seconds + number)
            draw.ellipse((x, y, x + s, y + s), fill=(250, 210, 50), outline=(90, 60, 0), width=2)
            for eye in (0.3, 0.6):
                draw.ellipse((x + eye * s, y + 0.3 * s, x + (eye + 0.1) * s, y + 0.45 * s), fill=0)
            draw.arc((x + 0.2 * s, y + 0.3 * s, x + 0.8 * s, y + 0.8 * s), 20, 160, fill=0, width=4)
        return np.asarray(canvas)

    return edit


def _text(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Burned subtitles (1), a headline too (2), text all over (3)."""
    lines = [" ".join(rng.choice(_WORDS, 6)) for _ in range(40)]

    def edit(image: Picture, seconds: float, _other: Picture | None) -> Picture:
        canvas = Image.fromarray(image).copy()
        draw, (w, h) = ImageDraw.Draw(canvas), canvas.size
        number = int(seconds / 2.5)
        rows = (0.85, 0.04, 0.3, 0.5)[: (1, 2, 4)[strength - 1]]
        for row, at in enumerate(rows):
            text = lines[(number + 11 * row) % len(lines)]
            spot, font = (w * 0.06, h * at), _font(round(h * (0.07 + 0.02 * strength)))
            draw.text(
                spot, text, fill=(255, 255, 255), font=font, stroke_width=2, stroke_fill=(0, 0, 0)
            )
        return np.asarray(canvas)

    return edit


_FONTS: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if size not in _FONTS:
        _FONTS[size] = ImageFont.load_default(size)
    return _FONTS[size]


# --- quality


def _blur(strength: int, rng: np.random.Generator) -> FrameEdit:
    radius = level(strength, 1.5, 3.0, 5.0)
    return on_image(lambda image: image.filter(ImageFilter.BoxBlur(radius)))


def _sharpen(strength: int, rng: np.random.Generator) -> FrameEdit:
    factor = level(strength, 3.0, 6.0, 12.0)
    return on_image(lambda image: ImageEnhance.Sharpness(image).enhance(factor))


def _noise(strength: int, rng: np.random.Generator) -> FrameEdit:
    spread = level(strength, 12.0, 25.0, 45.0)
    grain = rng.normal(0, spread, (700, 1400, 1)).astype(np.int16)

    def edit(image: Picture, _seconds: float, _other: Picture | None) -> Picture:
        h, w = image.shape[:2]
        y, x = int(rng.integers(max(1, 700 - h))), int(rng.integers(max(1, 1400 - w)))
        return to_bytes(image + grain[y : y + h, x : x + w])

    return edit


def _jpeg(strength: int, rng: np.random.Generator) -> FrameEdit:
    quality = int(level(strength, 20, 10, 4))

    def change(image: Image.Image) -> Image.Image:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=quality)
        return Image.open(packed).convert("RGB")

    return on_image(change)


def _small(strength: int, rng: np.random.Generator) -> FrameEdit:
    height = level(strength, 144, 90, 56)

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        return image.resize((even(w * height / h), even(height)), BILINEAR).resize(
            image.size, BILINEAR
        )

    return on_image(change)


def _pixelate(strength: int, rng: np.random.Generator) -> FrameEdit:
    side = int(level(strength, 4, 8, 12))

    def change(image: Image.Image) -> Image.Image:
        return image.reduce(side).resize(image.size, Image.Resampling.NEAREST)

    return on_image(change)


# --- colour


def _curve(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> FrameEdit:
    """Map each channel through a table of 256 values; `curve` works on [0, 1], (256, 3)."""
    steps = np.repeat(np.linspace(0.0, 1.0, 256)[:, None], 3, axis=1)
    table = np.clip(curve(steps) * 255, 0, 255).astype(np.uint8).T.ravel().tolist()
    return on_image(lambda image: image.point(table))


def _tint(strength: int, rng: np.random.Generator) -> FrameEdit:
    reach = level(strength, 0.15, 0.3, 0.5)
    gains = 1.0 + rng.permutation(np.array([reach, -reach, reach / 3]))
    return _curve(lambda steps: steps * gains)


def _hue(strength: int, rng: np.random.Generator) -> FrameEdit:
    turn = int(level(strength, 16, 40, 90))

    def change(image: Image.Image) -> Image.Image:
        hue, saturation, value = image.convert("HSV").split()
        turned = hue.point([(step + turn) % 256 for step in range(256)])
        return Image.merge("HSV", (turned, saturation, value)).convert("RGB")

    return on_image(change)


def _grey(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Grey, sepia, and four shades only."""

    def change(image: Image.Image) -> Image.Image:
        grey = ImageOps.grayscale(image)
        if strength == 1:
            return grey.convert("RGB")
        if strength == 2:
            return ImageOps.colorize(grey, (30, 15, 5), (255, 235, 200))
        return ImageOps.posterize(grey, 2).convert("RGB")

    return on_image(change)


def _brightness(strength: int, rng: np.random.Generator) -> FrameEdit:
    shift = level(strength, 0.15, 0.28, 0.42) * float(rng.choice([-1, 1]))
    return _curve(lambda steps: steps + shift)


def _contrast(strength: int, rng: np.random.Generator) -> FrameEdit:
    factor = level(strength, 1.5, 0.5, 0.3)
    return _curve(lambda steps: 0.5 + (steps - 0.5) * factor)


def _gamma(strength: int, rng: np.random.Generator) -> FrameEdit:
    power = level(strength, 1.5, 2.0, 2.8) ** float(rng.choice([-1, 1]))
    return _curve(lambda steps: steps**power)


def _invert(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Half inverted (solarised) at the first strength, then fully, then with crushed contrast."""
    if strength == 1:
        return _curve(lambda steps: np.where(steps > 0.6, 1.2 - steps, steps))
    return _curve(lambda steps: 0.5 - (steps - 0.5) * (1.0 if strength == 2 else 0.6))


LOOKS: tuple[PictureEdit, ...] = (
    PictureEdit("logo", "overlay", _logo),
    PictureEdit("emoji", "overlay", _emoji),
    PictureEdit("text", "overlay", _text),
    PictureEdit("blur", "quality", _blur),
    PictureEdit("sharpen", "quality", _sharpen),
    PictureEdit("noise", "quality", _noise),
    PictureEdit("jpeg", "quality", _jpeg),
    PictureEdit("small", "quality", _small),
    PictureEdit("pixelate", "quality", _pixelate),
    PictureEdit("tint", "colour", _tint),
    PictureEdit("hue", "colour", _hue),
    PictureEdit("grey", "colour", _grey),
    PictureEdit("brightness", "colour", _brightness),
    PictureEdit("contrast", "colour", _contrast),
    PictureEdit("gamma", "colour", _gamma),
    PictureEdit("invert", "colour", _invert),
)
