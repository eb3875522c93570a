"""How often file search finds the passage: recall at 5 and at 10, the mean reciprocal rank, and the time of a question.

    python benchmarks/retrieval.py --quick
    python benchmarks/retrieval.py --questions FILE.json --root py=/usr/share/doc/python3.11/html --root git=…
    python benchmarks/retrieval.py … --local
    python benchmarks/retrieval.py … --embeddings URL MODEL

A file of questions is a list of `{"q", "docs": ["py/library/os.html"], "phrase"}`: a hit is a chunk of one of the
documents that holds the phrase. Without one, a dozen questions about this project's own documentation are asked. The
store is SQLite in a temporary folder; `--store URL` takes another, empty one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nbassist.documents.chunking import cut
from nbassist.documents.file_types import kind_of, tidied
from nbassist.documents.parsers import PARSERS
from nbassist.documents.reader import Page
from nbassist.server.engine.llama_cpp import EmbeddingEngine
from nbassist.server.hosted.search import indexing_leases, vectors
from nbassist.server.hosted.search.embedding import Embedder
from nbassist.server.hosted.search.passages import SearchQuery, find
from nbassist.server.hosted.search.vector_cache import VectorCache
from nbassist.server.hosted.stores import members, stores
from nbassist.server.store import files
from nbassist.server.store.database import Database

ROOT = Path(__file__).resolve().parent.parent
OWN: list[dict[str, Any]] = [
    {"q": "How do I send a whole table to the model?", "docs": ["docs/notebooks.md"], "phrase": None},
    {"q": "keep an old program's assistant ids", "docs": ["docs/moving.md"], "phrase": "import"},
    {
        "q": "several users of one server, each with a key",
        "docs": ["docs/team.md", "docs/moving.md"],
        "phrase": "token",
    },
    {"q": "which files can be searched?", "docs": ["docs/files.md"], "phrase": "PowerPoint"},
    {"q": "what does a provider want back in the next request", "docs": ["docs/providers.md"], "phrase": None},
    {"q": "does it work in VS Code?", "docs": ["docs/frontends.md"], "phrase": "VS Code"},
    {"q": "report a security problem", "docs": ["SECURITY.md"], "phrase": None},
    {"q": "how to write a backend of my own", "docs": ["CONTRIBUTING.md"], "phrase": "backend"},
]


def own_documents() -> Iterator[tuple[str, bytes]]:
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        yield str(path.relative_to(ROOT)), path.read_bytes()


def documents(questions: Sequence[dict[str, Any]], roots: dict[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the documents that hold the answers, and then others, in an order that has nothing to do with these."""
    answers = sorted({name for question in questions for name in question["docs"]})
    others = [
        f"{short}/{path.relative_to(root)}" for short, root in sorted(roots.items()) for path in root.rglob("*.html")
    ]
    others.sort(key=lambda name: zlib.crc32(name.encode()))
    for name in [*answers, *(name for name in others if name not in answers)]:
        short, _, inner = name.partition("/")
        if (path := roots[short] / inner).is_file():
            yield name, path.read_bytes()


def fill(database: Database, found: Iterator[tuple[str, bytes]], most: int) -> tuple[str, int, int]:
    """Index documents until they have `most` bytes of text; return the store's id, and how many bytes and chunks."""
    store_id = database.transact(True, lambda connection: stores.create(connection, {}, 1)["id"])
    size = number = 0
    for name, content in found:
        pages = [Page(page, tidied(text)) for page, text in PARSERS[kind_of(name, content) or "text"](content)]
        cuts = list(cut(pages, 800, 400))

        def work(connection: Any, name: str = name, content: bytes = content, cuts: Any = cuts) -> None:
            file_id = files.create(connection, name, "assistants", b"", 1)["id"]
            members.add(connection, store_id, [members.Addition(file_id)], 1)
            waiting = indexing_leases.claim(connection, "bench", time.time() + 60, time.time())
            assert waiting is not None
            indexing_leases.add_chunks(connection, "bench", waiting, 0, cuts)
            indexing_leases.finish(connection, "bench", waiting.row["seq"], 1)

        if cuts:
            database.transact(True, work)
        size += sum(len(page.text.encode()) for page in pages)
        number += len(cuts)
        if size > most:
            break
    return store_id, size, number


async def embed(database: Database, embedder: Embedder) -> None:
    while missing := database.transact(False, lambda connection: vectors.missing(connection, embedder.model, 64)):
        made = await embedder.embed([text for _, text in missing])
        kept = {chunk: vector for (chunk, _), vector in zip(missing, made, strict=True)}
        database.transact(True, lambda connection, kept=kept: vectors.keep(connection, embedder.model, kept))


def embedder_of(options: argparse.Namespace) -> Embedder | None:
    if options.local:
        engine = EmbeddingEngine()
        return Embedder(engine.base_url, engine.default_model, {"Authorization": f"Bearer {engine.api_key}"}, "local")
    if not options.embeddings:
        return None
    url, model = options.embeddings

    async def base_url() -> str:
        return str(url)

    return Embedder(base_url, model, {}, url)


def measure(
    database: Database, store_id: str, questions: Sequence[dict[str, Any]], meanings: dict[str, bytes], model: str
) -> dict[str, float]:
    ranks, seconds, cache = [], [], VectorCache()
    for question in questions:
        near = [meanings[question["q"]]] if meanings else []
        query = SearchQuery([question["q"]], most=10, meanings=near, model=model, cache=cache)
        began = time.perf_counter()
        found = database.transact(False, lambda connection, query=query: find(connection, [store_id], query))
        seconds.append(time.perf_counter() - began)
        hits = (
            place
            for place, passage in enumerate(found, 1)
            if passage.filename in question["docs"] and (question["phrase"] or "") in passage.text
        )
        ranks.append(next(hits, 0))
    return {
        "R@5": sum(0 < rank <= 5 for rank in ranks) / len(ranks),
        "R@10": sum(rank > 0 for rank in ranks) / len(ranks),
        "MRR": sum(1 / rank for rank in ranks if rank) / len(ranks),
        "median ms": statistics.median(seconds) * 1000,
        "worst ms": max(seconds) * 1000,
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="this project's own documentation alone")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--root", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--size", type=float, default=3.0, metavar="MB", help="of text (default: %(default)s)")
    parser.add_argument("--store", default="", metavar="URL")
    parser.add_argument("--embeddings", nargs=2, metavar=("URL", "MODEL"))
    parser.add_argument("--local", action="store_true", help="with the model of `nbassist model get embeddings`")
    options = parser.parse_args()
    own = options.quick or options.questions is None
    questions = OWN if own else json.loads(options.questions.read_text(encoding="utf-8"))
    roots = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.root)}
    found = own_documents() if own else documents(questions, roots)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.store or f"sqlite:///{folder}/store.db")
        began = time.perf_counter()
        store_id, size, number = fill(database, found, int(options.size * 1e6))
        took = time.perf_counter() - began
        print(f"{size / 1e6:.1f} MB of text, {number} chunks, indexed in {took:.1f} s; {len(questions)} questions\n")
        rows = {"words": measure(database, store_id, questions, {}, "")}
        if embedder := embedder_of(options):
            began = time.perf_counter()
            await embed(database, embedder)
            print(f"vectors in {time.perf_counter() - began:.0f} s\n")
            asked = [question["q"] for question in questions]
            meanings = {question: (await embedder.embed_queries([question]))[0] for question in asked}
            rows["vectors too"] = measure(database, store_id, questions, meanings, embedder.model)
            await embedder.close()
        database.close()
    print("| way | " + " | ".join(rows["words"]) + " |\n|---|" + "---|" * len(rows["words"]))
    for way, figures in rows.items():
        print(f"| {way} | " + " | ".join(f"{value:.2f}" for value in figures.values()) + " |")
    if own and rows["words"]["R@10"] < 0.5:
        raise SystemExit("half of the questions are not answered by their documents")


if __name__ == "__main__":
    asyncio.run(main())
