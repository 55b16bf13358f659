"""The three training stages of the built-in encoder and their measures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from adapters.alignment import ResidualHead
from adapters.training import public
from adapters.training.bert import Bert
from adapters.training.checkpoint import Checkpoint
from adapters.training.config import BuiltinConfig, Progress, Recall
from adapters.training.efficientnet import EfficientNetLite
from adapters.training.export import write_encoder
from adapters.training.fit import Group, Rows, fit
from adapters.training.parallel import Workers
from adapters.training.sides import Side, cache_sides, initial_networks
from adapters.training.team import ALONE, Team
from adapters.training.towers import ImageTower, TextTower

START_SCALE = 20.0
CHUNK = 32
"""Rows a worker takes at once: small enough for a core's cache."""


class Stages:
    """The state of one training run; the methods are its stages, in order."""

    def __init__(
        self,
        data_dir: Path,
        work_dir: Path,
        config: BuiltinConfig,
        recall: Recall,
        progress: Progress,
        workers: Workers,
        team: Team = ALONE,
    ) -> None:
        self._config, self._recall, self._progress = config, recall, progress
        self._work_dir, self._workers, self._team = work_dir, workers, team
        self._generator = torch.Generator().manual_seed(config.seed)
        network, text = initial_networks(config)
        self._train, self._test = team.in_turn(
            lambda: cache_sides(data_dir, work_dir, config, network, text, progress)
        )
        self._image, self._text = self._towers(network, text)
        self._image.to(team.device), self._text.to(team.device)
        self._multilingual = self._head(self._train.sentences.shape[1]).to(team.device)
        self._references = F.normalize(self._pooled_texts(self._train), dim=-1).to(team.device)
        self._log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE), device=team.device))
        order = torch.randperm(len(self._train.rows), generator=self._generator).tolist()
        self._val, self._fit = sorted(order[: config.holdout]), sorted(order[config.holdout :])

    def fit_towers_or_resume(self) -> None:
        """Stages 1 and 2, or what an earlier run with the same settings left in `work_dir`."""
        path = self._work_dir / f"towers-{self._config.towers_digest()}.safetensors"
        if path.exists():
            self._load(path)
            return
        self.fit_heads()
        self.fit_towers()
        if self._team.is_first:
            save_file(self._state(), path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
            for stage in ("heads", "towers"):
                self._checkpoint(stage).path.unlink(missing_ok=True)
        self._team.wait()

    def fit_heads(self) -> None:
        """Stage 1: both heads over frozen networks, from pooled vectors."""
        config = self._config
        pooled = self._pooled_images(self._train, config.frozen_views)
        texts = self._pooled_texts(self._train)
        kept = torch.tensor(self._fit)
        image, text = self._image.head.train(), self._text.head.train()

        def embed(pictures: Tensor, views: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
            pair = pooled[views, kept[pictures]], texts[captions]
            return image(pair[0].to(self._device)), text(pair[1].to(self._device))

        fit(
            embed,
            [Group(parameters=[*image.parameters(), *text.parameters()], rate=config.head_rate)],
            self._log_scale,
            self._rows(config.frozen_views),
            config.heads,
            generator=self._generator,
            team=self._team,
            checkpoint=self._checkpoint("heads"),
        )
        if self._team.is_first:
            self._report("heads", config.heads.epochs, config.heads.epochs, math.nan)

    def fit_towers(self) -> None:
        """Stage 2: heads and the late blocks of both networks, from cached activations."""
        config, image, text = self._config, self._image, self._text
        kept = torch.tensor(self._fit)
        groups = self._tuned_groups()

        def embed(pictures: Tensor, views: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
            image.train(), text.train()
            window = self._window()
            jobs = [
                partial(self._late_image, kept[rows], chosen, window)
                for rows, chosen in zip(_chunks(pictures), _chunks(views), strict=True)
            ]
            jobs += [partial(self._late_text, rows) for rows in _chunks(captions)]
            both = self._workers.train(jobs)
            return both[: len(pictures)], both[len(pictures) :]

        fit(
            embed,
            groups,
            self._log_scale,
            self._rows(config.num_views),
            config.towers,
            generator=self._generator,
            team=self._team,
            checkpoint=self._checkpoint("towers"),
            after_epoch=lambda epoch, loss: self._report(
                "towers", epoch + 1, config.towers.epochs, loss
            ),
        )

    def fit_multilingual(self) -> None:
        """Stage 3: the head over sentence vectors, against the finished space.

        The target of a caption is a random mixture of its picture's embedding and its own English
        embedding: the first is what is searched, the second has less noise.
        """
        config, head = self._config, self._multilingual.train()
        views = [self._embed_images(self._train, view) for view in range(config.frozen_views)]
        images, english = torch.stack(views), self._embed_texts(self._train)
        kept, sentences = torch.tensor(self._fit), self._train.sentences

        def embed(pictures: Tensor, views: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
            share = self._drawn(torch.rand, len(pictures), 1)
            target = torch.lerp(images[views, kept[pictures]], english[captions], share)
            vectors = sentences[captions]
            noise = self._drawn(torch.randn, *vectors.shape) * config.noise
            noisy = vectors + noise / vectors.shape[1] ** 0.5
            return F.normalize(target, dim=-1).to(self._device), head(noisy.to(self._device))

        fit(
            embed,
            [Group(parameters=list(head.parameters()), rate=config.head_rate)],
            nn.Parameter(self._log_scale.detach().clone()),
            self._rows(config.frozen_views),
            config.multilingual,
            generator=self._generator,
            team=self._team,
            checkpoint=self._checkpoint("multilingual"),
        )

    def measure(self) -> dict[str, float]:
        """Returns recall in per cent on the held-out pictures and on the test split."""
        figures = {"logit_scale": self._scale()}
        if self._val:
            figures |= self._measure_side(self._train, self._val, "val")
        if self._test is not None:
            figures |= self._measure_side(self._test, list(range(len(self._test.rows))), "test")
        self._progress("measure", 1, 1, figures)
        return figures

    def write(self, out_dir: Path, card: str) -> None:
        """Exports everything as an encoder folder."""
        config = self._config
        for network in (self._image, self._text, self._multilingual):
            network.cpu()
        write_encoder(
            out_dir,
            name=config.name,
            image=self._image,
            text=self._text,
            multilingual=self._multilingual,
            tokenizer=public.tokenizer_path(),
            size=config.size,
            dim=config.dim,
            max_length=config.max_length,
            logit_scale=self._scale(),
            card=card,
            trained_on=f"{len(self._fit)} pictures with captions from the training folder",
        )
        self._checkpoint("multilingual").path.unlink(missing_ok=True)

    def _state(self) -> dict[str, Tensor]:
        state = {f"image.{name}": value for name, value in self._image.state_dict().items()}
        state |= {f"text.{name}": value for name, value in self._text.state_dict().items()}
        return {**state, "log_scale": self._log_scale.detach()}

    def _load(self, path: Path) -> None:
        state = load_file(path)
        with torch.no_grad():
            self._log_scale.copy_(state.pop("log_scale"))
        for prefix, tower in (("image.", self._image), ("text.", self._text)):
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            tower.load_state_dict(own)

    def _scale(self) -> float:
        return float(self._log_scale.detach().exp())

    # -- set-up -----------------------------------------------------------------------------

    @property
    def _device(self) -> torch.device:
        return self._team.device

    def _checkpoint(self, stage: str) -> Checkpoint:
        settings = hashlib.sha256(repr(self._config).encode())
        settings.update(repr((self._train.rows, tuple(self._train.maps.shape))).encode())
        return Checkpoint(
            path=self._work_dir / f"fit-{stage}.safetensors", key=settings.hexdigest()
        )

    def _drawn(self, draw: Callable[..., Tensor], rows: int, width: int) -> Tensor:
        """This process's rows of what all draw alike for the whole batch."""
        return self._team.share(draw(rows * self._team.size, width, generator=self._generator))

    def _towers(self, network: EfficientNetLite, text: Bert) -> tuple[ImageTower, TextTower]:
        config = self._config
        image = ImageTower(
            network,
            from_block=config.from_block,
            dim=config.dim,
            hidden=config.hidden,
            pool_groups=config.pool_groups,
            dropout=config.dropout,
        )
        tower = TextTower(
            text,
            from_layer=config.from_layer,
            dim=config.dim,
            hidden=config.hidden,
            dropout=config.dropout,
        )
        return image, tower

    def _head(self, inputs: int) -> ResidualHead:
        config = self._config
        return ResidualHead(
            inputs, config.dim, hidden=config.hidden, dropout=config.sentence_dropout
        )

    def _rows(self, num_views: int) -> Rows:
        captions = [self._train.rows[row] for row in self._fit]
        return Rows(captions=captions, num_views=num_views, references=self._references)

    def _tuned_groups(self) -> list[Group]:
        """Freezes all but the heads and the late blocks, and groups what is left by rate."""
        config, image, text = self._config, self._image, self._text
        heads = [*image.head.parameters(), *image.pool.parameters(), *text.head.parameters()]
        blocks = image.network.tunable_parameters(from_block=config.from_block)
        layers = text.network.layers[config.from_layer :]
        late = [parameter for layer in layers for parameter in layer.parameters()]
        image.requires_grad_(False), text.requires_grad_(False)
        for parameter in [*heads, *blocks, *late]:
            parameter.requires_grad_(True)
        return [
            Group(parameters=heads, rate=config.tuned_head_rate),
            Group(parameters=blocks, rate=config.image_rate),
            Group(parameters=late, rate=config.text_rate),
        ]

    # -- embedding what is cached -------------------------------------------------------------

    def _window(self) -> tuple[int, int, int]:
        """Draws (top, left, size) of the window that is cut out of all maps of a batch."""
        side = int(self._train.maps.shape[2])
        least = max(1, side - self._config.map_crop)
        size = int(torch.randint(least, side + 1, (1,), generator=self._generator))
        top, left = torch.randint(side - size + 1, (2,), generator=self._generator).tolist()
        return top, left, size

    def _late_image(self, pictures: Tensor, views: Tensor, window: tuple[int, int, int]) -> Tensor:
        top, left, size = window
        maps = self._train.map_batch(pictures, views)
        window_of_maps = maps[:, :, top : top + size, left : left + size]
        return self._image.late(window_of_maps.to(self._device))

    def _late_text(self, captions: Tensor) -> Tensor:
        tokens, mask = self._train.captions.batch(captions)
        return self._text.late(tokens.to(self._device), mask.to(self._device))

    def _pooled_images(self, side: Side, num_views: int) -> Tensor:
        network, block = self._image.network.eval(), self._config.from_block

        def pool(pictures: Tensor, view: int) -> Tensor:
            maps = side.map_batch(pictures, torch.full_like(pictures, view))
            return network.late(maps.to(self._device), from_block=block).mean((2, 3)).cpu()

        chunks = _chunks(torch.arange(len(side.rows)))
        views = [
            self._workers.infer([partial(pool, chunk, view) for chunk in chunks])
            for view in range(num_views)
        ]
        return torch.stack(views)

    def _pooled_texts(self, side: Side) -> Tensor:
        network, layer = self._text.network.eval(), self._config.from_layer

        def pool(captions: Tensor) -> Tensor:
            tokens, mask = (part.to(self._device) for part in side.captions.batch(captions))
            return network.late(tokens, mask, from_layer=layer).cpu()

        chunks = _chunks(torch.arange(len(side.captions.starts) - 1))
        return self._workers.infer([partial(pool, chunk) for chunk in chunks])

    def _embed_images(self, side: Side, view: int, pictures: Tensor | None = None) -> Tensor:
        tower = self._image.eval()
        chosen = torch.arange(len(side.rows)) if pictures is None else pictures

        def embed(rows: Tensor) -> Tensor:
            maps = side.map_batch(rows, torch.full_like(rows, view))
            return tower.late(maps.to(self._device)).cpu()

        return self._workers.infer([partial(embed, rows) for rows in _chunks(chosen)])

    def _embed_texts(self, side: Side, captions: Tensor | None = None) -> Tensor:
        tower = self._text.eval()
        chosen = torch.arange(len(side.captions.starts) - 1) if captions is None else captions

        def embed(rows: Tensor) -> Tensor:
            tokens, mask = (part.to(self._device) for part in side.captions.batch(rows))
            return tower.late(tokens, mask).cpu()

        return self._workers.infer([partial(embed, rows) for rows in _chunks(chosen)])

    # -- measuring ----------------------------------------------------------------------------

    def _report(self, stage: str, done: int, total: int, loss: float) -> None:
        figures = {"loss": loss, "scale": self._scale()}
        if self._val:
            figures |= self._measure_side(self._train, self._val, "val", multilingual=False)
        self._progress(stage, done, total, figures)

    def _measure_side(
        self, side: Side, pictures: list[int], name: str, *, multilingual: bool = True
    ) -> dict[str, float]:
        captions = torch.tensor([row for picture in pictures for row in side.rows[picture]])
        counts = torch.tensor([len(side.rows[picture]) for picture in pictures])
        right = torch.arange(len(pictures)).repeat_interleave(counts).numpy()
        images = self._embed_images(side, 0, torch.tensor(pictures))
        texts = {"en": self._embed_texts(side, captions)}
        if multilingual:
            with torch.no_grad():
                sentences = side.sentences[captions].to(self._device)
                texts["use"] = self._multilingual.eval()(sentences).cpu()
        return {
            f"{name}_{language}_r{k}": 100 * self._recall((rows @ images.T).numpy(), right, k)
            for language, rows in texts.items()
            for k in (1, 5, 10)
        }


def _chunks(rows: Tensor) -> list[Tensor]:
    """Cuts row numbers into what a worker takes at once."""
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
