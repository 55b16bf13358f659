"""The `clap` family: LAION-CLAP sound-text checkpoints through transformers and torch.

`clap:ORG/REPO` fetches published weights (`clap:laion/clap-htsat-unfused`), `clap:/path/to/folder`
reads a folder with the weights, the tokenizer and the feature extractor. Only safetensors are read.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from retrieval.encoders.base import SoundTextEncoder
from retrieval.encoders.hub import full_name, load_offline, model_folder
from retrieval.encoders.runtime import RuntimeOptions
from retrieval.encoders.text_cache import TextCache
from retrieval.encoders.torch_weights import (
    MAX_CHARACTERS,
    choose_torch_device,
    features,
    first_line,
    hash_tensors,
    refuse_lost_tensors,
)
from retrieval.errors import InvalidInputError, MissingDependencyError
from retrieval.types import FloatArray

__all__ = ["ClapEncoder", "load"]


class ClapEncoder(SoundTextEncoder):
    """A CLAP network with its feature extractor and tokenizer; made by `load`."""

    batch_size = 8
    window_seconds = 5.0

    def __init__(self, name: str, model: Any, processor: Any, *, device: str) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._tokenizer = processor.tokenizer
        self._extractor = processor.feature_extractor
        self._device = device
        self._cache = TextCache()
        described = json.dumps(self._extractor.to_dict(), sort_keys=True, default=str)
        digest = hashlib.sha256(described.encode())
        self.name = name
        self.hash = hash_tensors(model, digest)
        self.dim = int(model.config.projection_dim)
        self.sample_rate_hz = int(self._extractor.sampling_rate)
        self.temperature = float(model.logit_scale_t.exp())

    def _encode_text_batch(self, texts: Sequence[str]) -> FloatArray:
        return self._cache.encode(texts, self._run_text)

    def _run_text(self, texts: Sequence[str]) -> FloatArray:
        short = [text[:MAX_CHARACTERS] for text in texts]
        tokens = self._tokenizer(short, padding=True, truncation=True, return_tensors="pt")
        return features(self._model.get_text_features, **tokens.to(self._device))

    def _encode_sound_batch(self, sounds: Sequence[FloatArray]) -> FloatArray:
        # A sound longer than the network listens to is cut in its middle part, not at random, so
        # that the same sound always has the same embedding.
        longest = int(self._extractor.nb_max_samples)
        starts = [max(0, (len(sound) - longest) // 2) for sound in sounds]
        cut = [sound[at : at + longest] for sound, at in zip(sounds, starts, strict=True)]
        batch = self._extractor(
            cut, sampling_rate=self.sample_rate_hz, truncation="rand_trunc", return_tensors="pt"
        )
        return features(self._model.get_audio_features, **batch.to(self._device))


def load(rest: str, *, runtime: str, options: RuntimeOptions) -> ClapEncoder:
    """Load a checkpoint by the name after `clap:`; torch runs it.

    Raises:
        InvalidInputError: an empty name, a runtime, or a folder that holds no CLAP.
        NotFoundError: weights that are not there and cannot be fetched.
        MissingDependencyError: transformers, torch or the asked-for device is not installed.
    """
    if runtime != "auto" or not rest:
        raise InvalidInputError(
            f"got encoder 'clap:{rest}' with {runtime = }, expected clap:ORG/REPO or "
            "clap:/path/to/folder with runtime auto: it is run by torch"
        )
    try:
        from retrieval.encoders.torchvision_cure import cure_torchvision

        cure_torchvision()
        import torch
        from transformers import ClapModel, ClapProcessor
    except ImportError as exc:
        raise MissingDependencyError(
            f"clap encoders need torch and transformers ({exc}); "
            "run: pip install torch transformers"
        ) from exc
    device = choose_torch_device(torch, options.device)
    folder = model_folder(rest, name=f"clap:{rest}")
    try:
        with load_offline():
            loaded: Any = ClapModel.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True
            )
            model, report = loaded
            refuse_lost_tensors(report)
            processor = ClapProcessor.from_pretrained(folder)
    except Exception as exc:  # transformers raises many unrelated classes
        raise InvalidInputError(
            f"clap:{rest} cannot be loaded: {first_line(exc)}; give a folder of a CLAP checkpoint"
        ) from exc
    return ClapEncoder(full_name("clap", rest), model, processor, device=device)
