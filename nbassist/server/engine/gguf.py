"""A GGUF file made of a published BERT: its weights as safetensors, and its vocabulary.

The models of vectors are published so, by their authors and with a digest; a GGUF of them is somebody's copy. The
layout of GGUF 3 is that of ggml's own document `docs/gguf.md`, the names of keys and tensors are llama.cpp's.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_ALIGNMENT = 32
_F32, _Q8_0 = 0, 8
_BLOCK = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_NORMAL, _CONTROL = 1, 3
_MOSTLY_Q8_0 = 7
_MEAN = 1
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_NAMES = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


@dataclass(frozen=True, slots=True)
class Bert:
    """What the weights do not say of a BERT: its heads, its longest text in tokens, and its epsilon."""

    name: str
    heads: int
    longest: int = 512
    epsilon: float = 1e-12


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    kind: int
    data: bytes


def write_bert(target: Path, weights: IO[bytes], vocabulary: str, model: Bert) -> None:
    """Write a GGUF file, of 8 bits a weight, that llama.cpp gives vectors with: the mean over a text's tokens.

    Parameters
    ----------
    target : Path
        The file, which is written anew.
    weights : binary file
        The safetensors, at their beginning; read to their end.
    vocabulary : str
        `vocab.txt`: a piece of a word a line.
    model : Bert
        The rest.

    Raises
    ------
    ValueError
        Where they are no BERT's.
    """
    tensors = list(_tensors(weights))
    words = next((tensor for tensor in tensors if tensor.name == "token_embd.weight"), None)
    pieces = vocabulary.splitlines()
    if words is None or words.shape[0] != len(pieces):
        raise ValueError("the weights and the vocabulary are not of one BERT")
    layers = 1 + max(int(tensor.name.split(".")[1]) for tensor in tensors if tensor.name.startswith("blk."))
    inner = next(tensor.shape[0] for tensor in tensors if tensor.name == "blk.0.ffn_up.weight")
    about = _about(model, layers, words.shape[1], inner) | _tokenizer(pieces)
    with target.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(about)))
        for key, (kind, value) in about.items():
            file.write(_text(key) + struct.pack("<I", kind) + _value(kind, value))
        at = 0
        for tensor in tensors:
            # ggml counts dimensions from the one that lies together in memory.
            shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *reversed(tensor.shape))
            file.write(_text(tensor.name) + shape + struct.pack("<IQ", tensor.kind, at))
            at += _aligned(len(tensor.data))
        file.write(b"\0" * (_aligned(file.tell()) - file.tell()))
        for tensor in tensors:
            file.write(tensor.data.ljust(_aligned(len(tensor.data)), b"\0"))


def _about(model: Bert, layers: int, width: int, inner: int) -> dict[str, tuple[int, Any]]:
    return {
        "general.architecture": (_STRING, "bert"),
        "general.name": (_STRING, model.name),
        "general.file_type": (_UINT32, _MOSTLY_Q8_0),
        "bert.block_count": (_UINT32, layers),
        "bert.context_length": (_UINT32, model.longest),
        "bert.embedding_length": (_UINT32, width),
        "bert.feed_forward_length": (_UINT32, inner),
        "bert.attention.head_count": (_UINT32, model.heads),
        "bert.attention.layer_norm_epsilon": (_FLOAT32, model.epsilon),
        "bert.attention.causal": (_BOOL, False),
        "bert.pooling_type": (_UINT32, _MEAN),
    }


def _tokenizer(pieces: Sequence[str]) -> dict[str, tuple[int, Any]]:
    ids = {name: pieces.index(name) for name in _SPECIAL}
    return {
        "tokenizer.ggml.model": (_STRING, "bert"),
        "tokenizer.ggml.token_type_count": (_UINT32, 2),
        "tokenizer.ggml.tokens": (_ARRAY, (_STRING, [_piece(piece) for piece in pieces])),
        "tokenizer.ggml.token_type": (_ARRAY, (_INT32, [_CONTROL if p in _SPECIAL else _NORMAL for p in pieces])),
        "tokenizer.ggml.unknown_token_id": (_UINT32, ids["[UNK]"]),
        "tokenizer.ggml.bos_token_id": (_UINT32, ids["[CLS]"]),
        "tokenizer.ggml.eos_token_id": (_UINT32, ids["[SEP]"]),
        "tokenizer.ggml.cls_token_id": (_UINT32, ids["[CLS]"]),
        "tokenizer.ggml.seperator_token_id": (_UINT32, ids["[SEP]"]),  # spelt so by llama.cpp
        "tokenizer.ggml.padding_token_id": (_UINT32, ids["[PAD]"]),
        "tokenizer.ggml.mask_token_id": (_UINT32, ids["[MASK]"]),
    }


def _piece(piece: str) -> str:
    """Return a piece as llama.cpp has it: BERT marks what goes on with a word, llama.cpp what begins one."""
    if piece.startswith("[") and piece.endswith("]"):
        return piece
    return piece.removeprefix("##") if piece.startswith("##") else f"\u2581{piece}"


def _tensors(weights: IO[bytes]) -> Iterator[_Tensor]:
    """Yield the tensors of safetensors under llama.cpp's names, in the order of the file; matrices of 8 bits."""
    import numpy as np

    (length,) = struct.unpack("<Q", weights.read(8))
    head: Mapping[str, Any] = json.loads(weights.read(length))
    data = weights.read()
    entries = sorted((entry["data_offsets"], name) for name, entry in head.items() if name != "__metadata__")
    for (begin, end), full_name in entries:
        name = _named(full_name)
        if name is None:
            continue
        if head[full_name]["dtype"] != "F32":
            raise ValueError(f"{full_name} is not of 32-bit floats")
        numbers = np.frombuffer(data[begin:end], dtype="<f4").reshape(head[full_name]["shape"])
        # The small ones stay whole: their error would be in every token.
        whole = numbers.ndim < 2 or name in ("position_embd.weight", "token_types.weight")
        packed = numbers.tobytes() if whole else _eight_bits(numbers)
        yield _Tensor(name, tuple(numbers.shape), _F32 if whole else _Q8_0, packed)


def _named(full_name: str) -> str | None:
    """Return llama.cpp's name of a tensor; None for one that gives no vectors, such as the pooler."""
    name = full_name.removeprefix("bert.")
    if name in _NAMES:
        return _NAMES[name]
    stem, _, last = name.rpartition(".")
    if stem in _NAMES:
        return f"{_NAMES[stem]}.{last}"
    if not name.startswith("encoder.layer."):
        return None
    number, _, inner = stem.removeprefix("encoder.layer.").partition(".")
    return f"blk.{number}.{_NAMES[inner]}.{last}" if inner in _NAMES else None


def _eight_bits(numbers: Any) -> bytes:
    """Return a matrix in ggml's Q8_0: for each 32 numbers a scale of 16 bits, and 32 signed bytes."""
    import numpy as np

    blocks = numbers.reshape(-1, _BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), scales, out=np.zeros_like(scales), where=scales != 0)
    rows = np.empty(len(blocks), dtype=np.dtype([("scale", "<f2"), ("bytes", "i1", _BLOCK)]))
    rows["scale"] = scales[:, 0]
    rows["bytes"] = np.rint(blocks * inverse)
    return rows.tobytes()


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        return _text(value)
    if kind == _ARRAY:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(_value(inner, item) for item in items)
    return struct.pack({_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f", _BOOL: "<?"}[kind], value)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
