"""How fast the local model reads and writes, on all cores but one: python benchmarks/model.py

Prints tokens a second as llama.cpp counts them, for a prompt that it has not seen and one that its cache holds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import urllib.request
from typing import Any

from nbassist.server.engine.llama_cpp import Engine, spare_cores

QUESTION = "Continue this list of words, one a line, for as long as you can."


def ask(url: str, key: str, prompt: str, tokens: int) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "temperature": 0, "stop": []}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=600) as answer:
        return dict(json.load(answer)["timings"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter prompt and reply")
    words, tokens = (60, 30) if parser.parse_args().quick else (600, 200)
    engine = Engine()
    began = time.perf_counter()
    url = asyncio.run(engine.base_url())
    print(f"loaded in {time.perf_counter() - began:.1f} s, {spare_cores()} thread(s)")
    prompt = f"{QUESTION}\n" + "\n".join(f"word {number}" for number in range(words))
    for name in ("new prompt", "cached prompt"):
        seen = ask(url, engine.api_key, prompt, tokens)
        print(
            f"{name:<14} read {seen['prompt_n']:>5} tokens at {seen['prompt_per_second']:6.1f}/s, "
            f"wrote {seen['predicted_n']:>4} at {seen['predicted_per_second']:5.1f}/s"
        )
    engine.close()


if __name__ == "__main__":
    main()
