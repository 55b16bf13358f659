"""Edits of the picture that move it: geometry, the camera off a screen, and other footage.

`EDITS` is the list of all edits of the picture; those that leave every pixel where it is are in
`attacks_looks.py`.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from eval.attacks_frame import BILINEAR, FrameEdit, PictureEdit, even, level, on_image, to_bytes
from eval.attacks_looks import LOOKS
from eval.attacks_material import Picture

__all__ = ["EDITS"]


# --- geometry


def _crop(strength: int, rng: np.random.Generator) -> FrameEdit:
    side = level(strength, 0.85, 0.7, 0.55)
    x, y = rng.uniform(0, 1 - side, 2)

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        box = (x * w, y * h, (x + side) * w, (y + side) * h)
        return image.resize(image.size, BILINEAR, box=box)

    return on_image(change)


def _hflip(strength: int, rng: np.random.Generator) -> FrameEdit:
    trim = level(strength, 0.0, 0.06, 0.12)

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        box = (trim * w, trim * h, (1 - trim) * w, (1 - trim) * h)
        return ImageOps.mirror(image.resize(image.size, BILINEAR, box=box) if trim else image)

    return on_image(change)


def _vflip(strength: int, rng: np.random.Generator) -> FrameEdit:
    mirrored = _hflip(strength, rng)
    return lambda image, seconds, other: np.rot90(mirrored(image, seconds, other), 2).copy()


def _rotate(strength: int, rng: np.random.Generator) -> FrameEdit:
    angle = level(strength, 5.0, 15.0, 90.0) * float(rng.choice([-1, 1]))
    return on_image(
        lambda image: image.rotate(angle, BILINEAR, expand=strength == 3, fillcolor=(0, 0, 0))
    )


def _squash(strength: int, rng: np.random.Generator) -> FrameEdit:
    factor = level(strength, 0.8, 0.65, 0.5)
    is_wide = rng.random() < 0.5

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        size = (even(w * factor), h) if is_wide else (w, even(h * factor))
        return image.resize(size, BILINEAR)

    return on_image(change)


def _bars(strength: int, *, is_letterbox: bool) -> FrameEdit:
    bar = level(strength, 0.08, 0.14, 0.2)

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        x, y = (0, round(bar * h)) if is_letterbox else (round(bar * w), 0)
        canvas = Image.new("RGB", (w, h))
        canvas.paste(image.resize((w - 2 * x, h - 2 * y), BILINEAR), (x, y))
        return canvas

    return on_image(change)


def _blurred_sides(strength: int, rng: np.random.Generator) -> FrameEdit:
    """A vertical film: the picture across the middle, a blurred copy of it above and below."""
    zoom = level(strength, 1.0, 1.25, 1.6)

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        out_w, out_h = even(h), even(h * 16 / 9)
        back_w = h * out_w / out_h
        box = ((w - back_w) / 2, 0, (w + back_w) / 2, h)
        back = image.resize((out_w // 8, out_h // 8), BILINEAR, box=box)
        canvas = back.filter(ImageFilter.GaussianBlur(3)).resize((out_w, out_h), BILINEAR)
        part = w / zoom
        front = image.resize(
            (out_w, round(h * out_w / part)), BILINEAR, box=((w - part) / 2, 0, (w + part) / 2, h)
        )
        canvas.paste(front, (0, (out_h - front.height) // 2))
        return canvas

    return on_image(change)


def _border(strength: int, rng: np.random.Generator) -> FrameEdit:
    width = level(strength, 0.05, 0.1, 0.17)
    tile = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        canvas = Image.fromarray(tile).resize((w, h), Image.Resampling.NEAREST)
        x, y = round(width * w), round(width * h)
        canvas.paste(image.resize((w - 2 * x, h - 2 * y), BILINEAR), (x, y))
        return canvas

    return on_image(change)


def _drift(strength: int, rng: np.random.Generator) -> FrameEdit:
    """A slow zoom in and out that was not in the film."""
    depth = level(strength, 0.08, 0.16, 0.25)

    def edit(image: Picture, seconds: float, _other: Picture | None) -> Picture:
        trim = depth / 2 * (1 - np.cos(seconds * 0.8))
        h, w = image.shape[:2]
        box = (trim * w / 2, trim * h / 2, w - trim * w / 2, h - trim * h / 2)
        return np.asarray(Image.fromarray(image).resize((w, h), BILINEAR, box=box))

    return edit


def _camcorder(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Filmed off a screen: perspective, moiré, flicker, dim corners, grain."""
    push = level(strength, 0.04, 0.08, 0.13)
    pushes = rng.uniform(0.2, 1.0, 8) * push * np.array([1, 1, 1, -1, -1, -1, -1, 1])
    pitch, turn = rng.uniform(3.0, 6.0), rng.uniform(0.1, 0.6)
    state: dict[tuple[int, int], NDArray[np.float32]] = {}

    def edit(image: Picture, seconds: float, _other: Picture | None) -> Picture:
        h, w = image.shape[:2]
        if (w, h) not in state:
            state[w, h] = _screen(w, h, pitch, turn, 0.05 * strength)
        corners = np.array([[0, 0], [0, h], [w, h], [w, 0]], float) + pushes.reshape(4, 2) * -w
        warped = Image.fromarray(image).transform(
            (w, h), Image.Transform.QUAD, corners.ravel().tolist(), BILINEAR
        )
        light = 1.0 + 0.06 * strength * np.sin(seconds * 23.0)
        grain = rng.integers(-4 * strength, 4 * strength + 1, (h // 2, w // 2, 1))
        grain = np.kron(grain, np.ones((2, 2, 1), dtype=np.int64))[:h, :w]
        lit = np.asarray(warped)[: grain.shape[0], : grain.shape[1]] * state[w, h] * light
        return to_bytes(lit[: grain.shape[0], : grain.shape[1]] + grain)

    return edit


def _screen(w: int, h: int, pitch: float, turn: float, depth: float) -> NDArray[np.float32]:
    """(H, W, 1) gain of moiré lines and dim corners, on even sides."""
    w, h = w // 2 * 2, h // 2 * 2
    y, x = np.mgrid[:h, :w].astype(np.float32)
    lines = 1.0 + depth * np.sin(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / pitch)
    far = ((x / w - 0.5) ** 2 + (y / h - 0.5) ** 2) * 2
    return np.asarray((lines * (1.0 - 4 * depth * far))[:, :, None], dtype=np.float32)


# --- with other footage


def _inset(strength: int, rng: np.random.Generator) -> FrameEdit:
    """The copy in a corner of other footage."""
    share, (x, y) = level(strength, 0.65, 0.5, 0.38), rng.uniform(0.02, 0.98, 2)

    def edit(image: Picture, _seconds: float, other: Picture | None) -> Picture:
        return image if other is None else _pasted(other, image, share, x, y)

    return edit


def _covered(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Other footage in a corner of the copy."""
    share, (x, y) = level(strength, 0.3, 0.42, 0.55), rng.choice([0.03, 0.97], 2)

    def edit(image: Picture, _seconds: float, other: Picture | None) -> Picture:
        return image if other is None else _pasted(image, other, share, x, y)

    return edit


def _stacked(strength: int, rng: np.random.Generator) -> FrameEdit:
    """Two films beside or above each other, one of them the copy."""
    is_beside, is_first = strength != 2, rng.random() < 0.5

    def edit(image: Picture, _seconds: float, other: Picture | None) -> Picture:
        second = image[:, ::-1] if other is None else other
        pair = (image, second) if is_first else (second, image)
        if strength == 3:  # each is cut to its middle half
            w = image.shape[1]
            pair = (pair[0][:, w // 4 : w // 4 + w // 2], pair[1][:, w // 4 : w // 4 + w // 2])
            return np.concatenate(pair, axis=1)
        return np.concatenate([_halved(part) for part in pair], axis=1 if is_beside else 0)

    return edit


def _halved(image: Picture) -> Picture:
    h, w = image.shape[:2]
    return np.asarray(Image.fromarray(image).resize((even(w / 2), even(h / 2)), BILINEAR))


def _blend(strength: int, rng: np.random.Generator) -> FrameEdit:
    share = level(strength, 0.2, 0.33, 0.45)

    def edit(image: Picture, _seconds: float, other: Picture | None) -> Picture:
        if other is None:
            return image
        return np.asarray(Image.blend(Image.fromarray(image), Image.fromarray(other), share))

    return edit


def _pasted(ground: Picture, patch: Picture, share: float, x: float, y: float) -> Picture:
    h, w = ground.shape[:2]
    size = (round(w * share), round(h * share))
    canvas = Image.fromarray(ground).copy()
    small = Image.fromarray(patch).resize(size, BILINEAR)
    canvas.paste(small, (round(x * (w - size[0])), round(y * (h - size[1]))))
    return np.asarray(canvas)


EDITS: tuple[PictureEdit, ...] = (
    PictureEdit("crop", "crop", _crop),
    PictureEdit("hflip", "flip", _hflip),
    PictureEdit("vflip", "flip", _vflip),
    PictureEdit("rotate", "rotate", _rotate),
    PictureEdit("squash", "scale", _squash),
    PictureEdit("letterbox", "bars", lambda strength, rng: _bars(strength, is_letterbox=True)),
    PictureEdit("pillarbox", "bars", lambda strength, rng: _bars(strength, is_letterbox=False)),
    PictureEdit("blurred_sides", "bars", _blurred_sides),
    PictureEdit("border", "bars", _border),
    PictureEdit("drift", "crop", _drift),
    PictureEdit("camcorder", "camcorder", _camcorder),
    PictureEdit("inset", "picture-in-picture", _inset),
    PictureEdit("covered", "picture-in-picture", _covered),
    PictureEdit("stacked", "stacked", _stacked),
    PictureEdit("blend", "blend", _blend),
    *LOOKS,
)
