"""Which encoder an engine searches with: that of the library, also when another process changes it.

A reindex exchanges the vectors of a library under a running server. The engine sees it at the next
question, loads the new encoder and its index on a thread of its own, and until they are there
answers with what it has: the old encoder and the old vectors, which belong together.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from retrieval.catalog import Catalog
from retrieval.errors import EncoderMismatchError, InvalidInputError, NotFoundError
from retrieval.types import EncoderId

if TYPE_CHECKING:
    from retrieval.encoders.base import PictureTextEncoder
    from retrieval.vectors import ShotVectors

__all__ = ["EncoderInUse", "Sight"]

T = TypeVar("T")
RETRY_SECONDS = 30.0
"""After which an encoder that could not be loaded is tried again."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sight:
    """An encoder and the library's vectors that it made: what one search needs of both."""

    encoder: "PictureTextEncoder"
    vectors: "ShotVectors"


@dataclass(frozen=True)
class _Coming:
    """What is being loaded in place of what is there."""

    encoder: EncoderId
    sight: "Future[Sight]"
    since: float

    @property
    def is_to_be_tried_again(self) -> bool:
        has_failed = self.sight.done() and self.sight.exception() is not None
        return has_failed and time.monotonic() > self.since + RETRY_SECONDS


class EncoderInUse:
    """The encoder of one library, loaded on first use and changed with the library.

    Args:
        catalog: The library.
        given: A loaded encoder or a name, which a library with other vectors refuses; None for
            the one of the library, and the built-in one where it has none yet.
        load: Loads an encoder by name.
        backend: Name of the index backend.
        default: What a library without vectors gets where nothing is given.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        given: "PictureTextEncoder | str | None",
        load: "Callable[[str], PictureTextEncoder]",
        backend: str,
        default: "PictureTextEncoder | str" = "builtin",
    ) -> None:
        self._catalog = catalog
        self._given = given
        self._default = default
        self._load = load
        self._backend = backend
        self._sight: Sight | None = None
        self._has_fitted = given is None
        self._coming: _Coming | None = None
        self._lock = threading.Lock()

    @property
    def loaded(self) -> Sight | None:
        """What is loaded now; loads nothing."""
        return self._sight

    def for_bank(self, catalog: Catalog) -> "EncoderInUse":
        """The same for a bank: its own encoder, and where it has none yet the one of here."""
        default = self._given or self._default
        active = self._catalog.encoder()
        if self._sight is not None:
            default = self._sight.encoder
        elif self._given is None and active is not None:
            default = active.spec or active.name
        return EncoderInUse(
            catalog, given=None, load=self._load, backend=self._backend, default=default
        )

    def current(self) -> Sight:
        """The library's encoder of now, waited for where it is not loaded yet.

        One that was given and never was the library's stays as it is: reading vectors with it is
        refused, and other work does not need them.
        """
        sight, coming, _ = self._look()
        return sight if coming is None else self._adopt(coming)

    def at_once(self) -> Sight:
        """For a question that should not wait: the encoder before, while the new one is loaded.

        Raises:
            EncoderMismatchError: The encoder that was given is not that of the library.
        """
        sight, coming, is_fitting = self._look()
        if coming is None:
            if not is_fitting:
                self._catalog.require_encoder(sight.encoder.id)
            return sight
        if not coming.sight.done():
            return sight
        if coming.sight.exception() is not None and self._is_kept(sight):
            return sight
        return self._adopt(coming)

    def answer(self, question: Callable[[Sight], T]) -> T:
        """Answer a question at once; anew where the vectors went before they were read.

        Raises:
            EncoderMismatchError: The encoder that was given is not that of the library.
        """
        sight = self.at_once()
        try:
            return question(sight)
        except EncoderMismatchError:
            present = self.current()
            if present is sight:
                raise
            return question(present)

    def _look(self) -> tuple[Sight, _Coming | None, bool]:
        """What is loaded, what comes in its place, and whether it is the library's."""
        with self._lock:
            active = self._catalog.encoder()
            if self._sight is None:
                self._sight = self._make(self._first(active))
            is_fitting = active in (None, self._sight.encoder.id)
            if is_fitting:
                self._has_fitted = self._has_fitted or active is not None
                self._coming = None
            elif active is not None and self._has_fitted:
                coming = self._coming
                if coming is None or coming.encoder != active or coming.is_to_be_tried_again:
                    self._coming = self._start(active)
            return self._sight, self._coming, is_fitting

    def _first(self, active: EncoderId | None) -> "PictureTextEncoder":
        wanted = self._default if self._given is None else self._given
        if self._given is None and active is not None:
            is_default = not isinstance(wanted, str) and wanted.id == active
            wanted = wanted if is_default else self._load_own(active)
        return self._load(wanted) if isinstance(wanted, str) else wanted

    def _load_own(self, active: EncoderId) -> "PictureTextEncoder":
        """Load the library's encoder by the name that it keeps.

        Raises:
            NotFoundError: It is not there, or no longer; says what to do.
        """
        name = active.spec or active.name
        try:
            return self._load(name)
        except (InvalidInputError, NotFoundError) as exc:
            raise NotFoundError(
                f"{self._catalog.library} uses the encoder {active.name}, which cannot be loaded "
                f"as {name}: {exc}; name where it is now with --encoder, and keep that with "
                "`sceneprint reindex --encoder NAME`"
            ) from exc

    def _make(self, encoder: "PictureTextEncoder") -> Sight:
        from retrieval.vectors import ShotVectors

        return Sight(encoder, ShotVectors(self._catalog, encoder.id, backend=self._backend))

    def _start(self, active: EncoderId) -> _Coming:
        logger.info("the library changed to the encoder %s, which is loaded now", active.name)
        coming = _Coming(active, Future(), time.monotonic())
        threading.Thread(target=self._bring, args=(coming,), daemon=True).start()
        return coming

    def _bring(self, coming: _Coming) -> None:
        """Load an encoder and its index; runs on its own thread."""
        wanted = coming.encoder
        try:
            sight = self._make(self._load_own(wanted))
            if sight.encoder.id != wanted:
                self._catalog.require_encoder(sight.encoder.id)
            sight.encoder.warm_up()
            sight.vectors.refresh()
        except BaseException as exc:
            logger.error("the library's encoder %s cannot be loaded: %s", wanted.name, exc)
            coming.sight.set_exception(exc)
        else:
            coming.sight.set_result(sight)

    def _adopt(self, coming: _Coming) -> Sight:
        """Wait for what comes and go on with it."""
        sight = coming.sight.result()
        with self._lock:
            if self._coming is coming:
                self._sight, self._coming = sight, None
        return sight

    def _is_kept(self, sight: Sight) -> bool:
        """Whether the library still has the vectors that an encoder made."""
        return any(one.encoder == sight.encoder.id for one in self._catalog.vector_sets())
