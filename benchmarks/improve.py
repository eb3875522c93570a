"""`improve` beside GEPA in DSPy, on one job with as many requests: what the wording that each ends with is worth.

    python benchmarks/improve.py [--quick]

The endpoint is a script with a known truth. A mail is of one of eight kinds; the model labels it right where the prompt
has the rule of its kind, and else in three of ten. Asked for a new wording, it adds the rule of the first kind whose
failures it is shown: the same proposer for both sides. What a wording is worth is the share of the kinds whose rule it
has, counted by the endpoint, on mails that neither side saw. Without DSPy its side says "not installed".
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nbassist import Assistant, Journal, Sweep

KINDS = ("invoice", "password", "holiday", "meeting", "parcel", "contract", "survey", "outage")
START = "Say whether the mail is urgent, yes or no."


def label(kind: str) -> str:
    return "yes" if KINDS.index(kind) % 2 else "no"


def rule(kind: str) -> str:
    return f"A mail about a {kind}: {label(kind)}."


def rules_in(text: str) -> list[str]:
    return [kind for kind in KINDS if rule(kind) in text]


def worth(text: str) -> float:
    """Return the share of all mails that a wording labels right."""
    return statistics.fmean(1.0 if kind in rules_in(text) else 0.3 for kind in KINDS)


def mails(count: int, seed: int) -> list[dict[str, str]]:
    found = []
    for number in range(count):
        kind = KINDS[int(hashlib.sha256(f"{seed}/{number}".encode()).hexdigest(), 16) % len(KINDS)]
        found.append({"text": f"Mail {seed}/{number}, about a {kind}.", "label": label(kind)})
    return found


def proposed(text: str) -> str:
    """Return the wording that stands in a request for a new one, with a rule more."""
    ours = "You improve a prompt" in text
    start, end = (
        ("<prompt>", "</prompt>") if ours else ("[[ ## current_instruction ## ]]", "[[ ## examples_with_feedback")
    )
    now, _, shown = text.rpartition(start)[2].partition(end)
    now = now.strip()
    wrong = []
    for block in re.split(r"Input: |\"Inputs\"", shown):
        about = re.search(r"about a (\w+)\.", block)
        right = about and label(about.group(1))
        if about and (f"Right: {right}" in block or "Not true of it" in block):
            wrong.append(about.group(1))
    missing = next((kind for kind in wrong if kind not in rules_in(now)), "")
    if not missing:
        return now
    return f"{rule(missing)} {now}"


def answer(text: str) -> str:
    if "You improve a prompt" in text:
        return f"It lacked a rule.\n<prompt>\n{proposed(text)}\n</prompt>"
    if "[[ ## current_instruction ## ]]" in text:
        return json.dumps({"new_instruction": proposed(text)})
    mail, about = re.findall(r"(Mail \S+), about a (\w+)\.", text)[-1]
    right = about in rules_in(text) or int(hashlib.sha256(mail.encode()).hexdigest(), 16) % 10 < 3
    said = label(about) if right else ("no" if label(about) == "yes" else "yes")
    return f"[[ ## label ## ]]\n{said}\n\n[[ ## completed ## ]]" if "[[ ##" in text else said


@contextmanager
def endpoint() -> Iterator[tuple[str, list[int]]]:
    """Yield the URL of the scripted endpoint, and a list whose only item counts the requests."""
    count, lock = [0], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                count[0] += 1
            said = answer("\n".join(str(message["content"]) for message in body["messages"]))
            self._send(body, said)

        def _send(self, body: dict[str, Any], said: str) -> None:
            about = {"id": "c", "created": 1, "model": body["model"]}
            usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            if body.get("stream"):
                kind = "text/event-stream"
                choices = [{"delta": {"role": "assistant", "content": said}}, {"delta": {}, "finish_reason": "stop"}]
                pieces = [{"choices": [{"index": 0, **choice}]} for choice in choices] + [
                    {"choices": [], "usage": usage}
                ]
                lines = [json.dumps({**about, "object": "chat.completion.chunk", **piece}) for piece in pieces]
                data = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()
            else:
                kind = "application/json"
                message = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
                data = json.dumps({**about, "object": "chat.completion", "choices": [message], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", count
    finally:
        server.shutdown()


def ours(url: str, rows: list[dict[str, str]], rounds: int, folder: Path) -> str:
    assistant = Assistant(backend="chat", base_url=url, api_key="k", model="m", journal=Journal(folder / "journal.db"))
    template = f"{START} {{{{ row.text }}}}"
    sweep = Sweep(assistant, template, over=rows, jobs=8)
    # What is right stands in the row, which the model reads with each failure, as it does the metric of GEPA.
    runs = sweep.run().check("text == row.label", name="right")
    return str(runs.improve("right", rounds=rounds).best)


def theirs(url: str, rows: list[dict[str, str]], requests: int) -> str:
    import dspy

    lm = dspy.LM("openai/m", api_base=url, api_key="k", cache=False)
    examples = [dspy.Example(mail=row["text"], label=row["label"]).with_inputs("mail") for row in rows]

    def metric(gold: Any, pred: Any, *rest: Any) -> Any:
        right = gold.label == pred.label
        return dspy.Prediction(score=float(right), feedback="" if right else f"Right: {gold.label}")

    with dspy.context(lm=lm):
        program = dspy.Predict(dspy.Signature("mail -> label", START))
        # As `improve` does, half of the rows choose; what a proposal reads comes from the other half here.
        half = len(examples) // 2
        gepa = dspy.GEPA(metric=metric, max_metric_calls=requests, reflection_lm=lm, num_threads=8, seed=0)
        best = gepa.compile(program, trainset=examples[:half], valset=examples[half:])
    return str(best.signature.instructions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="once, in place of five times")
    quick = parser.parse_args().quick
    found: dict[str, list[tuple[float, int]]] = {"nbassist improve": [], "DSPy GEPA": []}
    for seed in range(1 if quick else 5):
        rows = mails(80, seed)
        with endpoint() as (url, count), tempfile.TemporaryDirectory() as folder:
            best = ours(url, rows, 8, Path(folder))
            asked = count[0]
            found["nbassist improve"].append((worth(best), asked))
            if find_spec("dspy"):
                count[0] = 0
                best = theirs(url, rows, asked)
                found["DSPy GEPA"].append((worth(best), count[0]))
    print(f"the wording to begin with is right in {worth(START):.0%} of mails; 80 mails, 8 kinds")
    for name, values in found.items():
        if not values:
            print(f"{name:18} not installed")
            continue
        right = statistics.fmean(share for share, _ in values)
        spread = f"{min(values)[0]:.0%} to {max(values)[0]:.0%}"
        requests = statistics.fmean(asked for _, asked in values)
        print(f"{name:18} right in {right:.0%} of mails ({spread}), after {requests:,.0f} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
