"""llama.cpp inside the server: an `Upstream` that loads its model at the first request."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ...core.installing import install_engine, pip_install
from ...errors import LocalUnavailableError
from .model import DEFAULT, EMBEDDINGS, usable

CONTEXT = 8192
"""Tokens that a prompt and its answer may have together."""

_PROMPT_CACHE = 512  # MiB for the prompts of threads that are not being answered just now
_SLOTS, _LONGEST = 8, 512
"""Of the embedding engine: how many texts at a time, and the tokens of one; more than its models read is cut off."""
_EXTRA: Mapping[str, Any] = {
    "temperature": 0.2,  # a small model calls tools more reliably when it is not left to wander
    "stop": ["\n\n\n"],  # seen: after a tool call it runs on with blank lines
    "max_tokens": 2048,
}
# Seen with the default model: without it, it makes the same call again in place of an answer, in 6 questions of 6;
# with it, it answered 10 of 10. It stands at the end of the prompt, so that the cache of what is before it holds.
_TOOL_NOTE = "Answer the question from this output, in plain words, without another call unless more data is needed."


class Engine:
    """One model in memory, behind llama.cpp's own server on a loopback port that only this process has the key to.

    Parameters
    ----------
    model : str
        A path, ``hf:OWNER/NAME:FILE.gguf``, or empty for the default model; see `nbassist.server.engine.model`.
    threads : int
        0 for all cores but one: llama.cpp's threads spin, and with none left over all else stands still.
    context : int
        Tokens of the context.

    Attributes
    ----------
    state : {"off", "loading", "ready", "failed"}
        How far it is.
    api_key, default_model, extra, tool_note
        See `nbassist.server.runs.upstream.Upstream`.
    seconds : float
        How long it took to load; 0 before that.
    """

    def __init__(self, model: str = "", *, threads: int = 0, context: int = CONTEXT) -> None:
        self.state: Literal["off", "loading", "ready", "failed"] = "off"
        self.seconds = 0.0
        self._model = model
        self._threads = threads or spare_cores()
        self._context = context
        self._key = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._server: Any = None

    def __repr__(self) -> str:
        return f"<Engine {self.default_model}, {self.state}>"

    @property
    def api_key(self) -> str:
        """The key of this engine, made anew for each."""
        return self._key

    @property
    def context(self) -> int:
        """Tokens of the context."""
        return self._context

    @property
    def default_model(self) -> str:
        """The name of the model: its file's, without the ending."""
        return Path((self._model or DEFAULT.name).rpartition(":")[2]).stem

    @property
    def extra(self) -> Mapping[str, Any]:
        """Fields for every request that the client did not set."""
        return _EXTRA

    @property
    def tool_note(self) -> str:
        """What the model is told behind the outputs of its tools."""
        return _TOOL_NOTE

    async def base_url(self) -> str:
        """Return the engine's URL, up to and with ``/v1``; the first call loads the model, which takes seconds.

        Raises
        ------
        ModelFileError
            Where the model is missing, cut or altered.
        LocalUnavailableError
            Where llama.cpp is not installed, or can't load the model. The next call tries again.
        """
        if self._server is None:
            await asyncio.to_thread(self._start)
        return f"{self._server.listening_address}/v1"

    def close(self) -> None:
        """Stop llama.cpp and free its memory; a later `base_url` starts it again."""
        with self._lock:
            # Dropping the object ends its threads and frees the memory.
            self._server = None
            self.state = "off"

    def _start(self) -> None:
        with self._lock:
            # Asked again with the lock held: two first requests load one model.
            if self._server is not None:
                return
            self.state, began = "loading", time.monotonic()
            try:
                self._server = self._load(usable(self._model))
            except BaseException:
                self.state = "failed"
                raise
            self.state, self.seconds = "ready", time.monotonic() - began

    def _load(self, path: Path) -> Any:
        try:
            import xllamacpp
        except ImportError as error:
            raise LocalUnavailableError(f"the engine is not installed ({error}): {install_engine()}") from error
        try:
            return xllamacpp.Server(self._settings(xllamacpp.CommonParams(), path))
        except AttributeError as error:  # its fields are llama.cpp's own, which come and go
            raise LocalUnavailableError(
                f"this version of xllamacpp is not known to nbassist ({error}): {pip_install('local', upgrade=True)}"
            ) from error
        except RuntimeError as error:
            raise LocalUnavailableError(
                f"llama.cpp can't load {path}: it is no model that it knows, or the memory is too small ({error})"
            ) from error

    def _settings(self, settings: Any, path: Path) -> Any:
        settings.model.path = str(path)
        settings.model_alias = {self.default_model}
        settings.n_ctx = self._context
        # llama.cpp divides the context among its slots: with one, a thread may use all of it.
        settings.n_parallel = 1
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = self._threads
        settings.cache_ram_mib = _PROMPT_CACHE
        settings.use_jinja = True
        if path.name == DEFAULT.name:
            settings.force_pure_content_parser = True  # its calls come as text, which our own decoder reads
        settings.warmup = False  # its seconds would be waited for before the first token, not saved
        settings.verbosity = 0
        settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, [self._key]
        # No page and no list of the prompts in work: nothing but this process has business there.
        settings.ui = settings.endpoint_slots = settings.cors_credentials = False
        settings.cors_origins = ""
        return settings


class EmbeddingEngine(Engine):
    """The engine with a model that gives vectors; `base_url` has `/embeddings`.

    A question comes while thousands of chunks wait, so there are slots beside theirs, and a step takes half a second.
    """

    def __init__(self, model: str = "embeddings", *, threads: int = 0) -> None:
        super().__init__(model, threads=threads, context=_SLOTS * _LONGEST)

    @property
    def default_model(self) -> str:
        """The name of the model: its file's, without the ending."""
        return Path(EMBEDDINGS.name).stem if self._model == "embeddings" else super().default_model

    def _settings(self, settings: Any, path: Path) -> Any:
        settings = super()._settings(settings, path)
        settings.embedding = True
        settings.n_parallel = _SLOTS
        settings.cache_ram_mib = 0
        # A text has to fit into one step, whole.
        settings.n_batch = settings.n_ubatch = _LONGEST
        return settings


def spare_cores() -> int:
    """Return how many threads leave a core free: the cores that this process may use, less one, at least one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 2
    return max(cores - 1, 1)
