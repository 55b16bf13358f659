"""Label groups: what `classify` may answer, each label with the sentences that describe it.

Groups come from a string (`day,night`), from a label file, or from those that ship in
`adapters/prompts/`. A file is JSON (`{"group": {"label": ["sentence", ...]}}`) or plain text, one
`label: sentence; sentence` a line under optional `[group]` lines; `#` starts a comment.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from retrieval.errors import InvalidInputError, NotFoundError

__all__ = [
    "TEMPLATES",
    "LabelGroup",
    "builtin_groups",
    "load_label_file",
    "parse_label_text",
    "parse_labels",
]

TEMPLATES = ("{}", "a photo of {}", "a picture showing {}", "a film scene of {}")
"""What a label without sentences of its own becomes; averaged, so that no wording decides."""

FORMAT, VERSION = "sceneprint-labels", 1
MAX_FILE_BYTES = 1_000_000
MAX_LABELS = 1_000
MAX_PROMPTS = 200
MAX_CHARS = 1_000


@dataclass(frozen=True)
class LabelGroup:
    """Labels of which one holds; their scores sum to one.

    Attributes:
        name: Of the group, for example `scene_place`.
        prompts: Label -> sentences that describe it, in the order to show.
    """

    name: str
    prompts: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        _check_text("group name", self.name)
        if not 1 <= len(self.prompts) <= MAX_LABELS:
            raise InvalidInputError(
                f"group {self.name!r} has {len(self.prompts)} labels, expected 1 to {MAX_LABELS}"
            )
        for label, prompts in self.prompts.items():
            _check_text("label", label)
            if not 1 <= len(prompts) <= MAX_PROMPTS:
                raise InvalidInputError(
                    f"label {label!r} has {len(prompts)} sentences, expected 1 to {MAX_PROMPTS}"
                )
            for prompt in prompts:
                _check_text(f"sentence of label {label!r}", prompt)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order to show."""
        return tuple(self.prompts)


def parse_labels(text: str, *, name: str = "labels") -> LabelGroup:
    """Make a group from comma-separated labels, each put into the standard templates.

    Raises:
        InvalidInputError: No label, or one twice.
    """
    labels = [label.strip() for label in text.replace("，", ",").split(",")]
    given = [label for label in labels if label]
    if not given:
        raise InvalidInputError(f"got {text!r}, expected labels like 'day,night'")
    _refuse_twice(given)
    return LabelGroup(name, {label: _templated(label) for label in given})


def load_label_file(path: Path) -> list[LabelGroup]:
    """Read label groups from a JSON or plain text file (UTF-8, at most 1 MB).

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is too large, not UTF-8, or not of a known form.
    """
    return parse_label_text(_read(path), where=path.name)


def parse_label_text(text: str, *, where: str = "labels") -> list[LabelGroup]:
    """Read label groups from the text of a label file; `where` is what errors call it.

    Raises:
        InvalidInputError: It is not of a known form.
    """
    if text.lstrip().startswith("{"):
        return _parse_json(text, where=where)
    return _parse_lines(text, where=where)


@cache
def builtin_groups() -> tuple[LabelGroup, ...]:
    """The groups that ship: scene_place, scene_time, scene_action and mood."""
    folder = resources.files("adapters") / "prompts"
    names = ("scene_place", "scene_time", "scene_action", "mood")
    texts = {name: (folder / f"{name}.json").read_text(encoding="utf-8") for name in names}
    return tuple(_parse_json(text, where=f"{name}.json")[0] for name, text in texts.items())


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InvalidInputError(
                f"label file {path.name} has {size} bytes, at most {MAX_FILE_BYTES} are allowed"
            )
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as exc:
        raise NotFoundError(f"there is no label file {path}; give the path of a file") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"label file {path.name} is not readable UTF-8: {exc}") from exc


def _parse_json(text: str, *, where: str) -> list[LabelGroup]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError(f"label file {where} is not valid JSON: {exc}") from exc
    if data.get("format") == FORMAT:
        if data.get("version") != VERSION:
            raise InvalidInputError(
                f"label file {where} has version {data.get('version')!r}, this program reads "
                f"version {VERSION}; update Sceneprint or the file"
            )
        data = {data.get("group"): data.get("labels")}
    groups = [_json_group(name, labels, where=where) for name, labels in data.items()]
    if not groups:
        raise InvalidInputError(f"label file {where} has no groups, expected at least one")
    return groups


def _json_group(name: Any, labels: Any, *, where: str) -> LabelGroup:
    if not isinstance(name, str) or not isinstance(labels, dict):
        raise InvalidInputError(
            f"label file {where}: got {name!r}: {type(labels).__name__}, expected "
            '{"group": {"label": ["sentence", ...]}}'
        )
    prompts: dict[str, tuple[str, ...]] = {}
    for label, given in labels.items():
        if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
            raise InvalidInputError(
                f"label file {where}: label {label!r} needs a list of sentences, got {given!r:.80}"
            )
        prompts[label] = tuple(given) or _templated(label)
    return LabelGroup(name, prompts)


def _parse_lines(text: str, *, where: str) -> list[LabelGroup]:
    groups: dict[str, dict[str, tuple[str, ...]]] = {}
    name = "labels"
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if content.startswith("[") and content.endswith("]"):
            name = content[1:-1].strip()
        elif content:
            label, prompts = _parse_line(content.replace("：", ":").replace("；", ";"))
            labels = groups.setdefault(name, {})
            if label in labels:
                raise InvalidInputError(f"label file {where}, line {number}: {label!r} comes twice")
            labels[label] = prompts
    if not groups:
        raise InvalidInputError(
            f"label file {where} has no labels; expected lines like 'night: a dark night; stars'"
        )
    return [LabelGroup(name, labels) for name, labels in groups.items()]


def _parse_line(content: str) -> tuple[str, tuple[str, ...]]:
    label, _, rest = content.partition(":")
    prompts = tuple(prompt.strip() for prompt in rest.split(";") if prompt.strip())
    return label.strip(), prompts or _templated(label.strip())


def _templated(label: str) -> tuple[str, ...]:
    """Templates are English: a label in another script stands for itself."""
    return tuple(template.format(label) for template in TEMPLATES) if label.isascii() else (label,)


def _refuse_twice(labels: Iterable[str]) -> None:
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise InvalidInputError(f"label {label!r} comes twice, expected each once")
        seen.add(label)


def _check_text(what: str, text: str) -> None:
    if not text.strip() or len(text) > MAX_CHARS:
        raise InvalidInputError(
            f"{what} has {len(text)} characters, expected 1 to {MAX_CHARS} visible ones"
        )
