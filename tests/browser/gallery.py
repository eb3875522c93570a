"""Every state that a reply can be in, for pictures of them; imported by notebooks of the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator

from scripted import ANSWER, ASKED, CODE, QUERY, TABLE, TRACEBACK, call, picture, tokens

from nbassist.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    CitationAdded,
    Event,
    ImageReady,
    ReasoningDelta,
    RefusalDelta,
    Retrying,
    RunEnded,
    RunStarted,
    ServerToolEvent,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
    Warned,
)

QUESTION = ASKED % json.dumps(QUERY)
MODEL = "qwen2.5-coder-1.5b"
USED = Usage(1180, 412, 640, known=True)
ARGUMENTS = '{"table": "orders", "columns": ["region", "status"], "limit": 20}'
MATH = r"""The variance is $\sigma^2 = \frac{1}{n}\sum_{i=1}^{n}(x_i - \bar{x})^2$, so

$$
\hat{\beta} = (X^\top X)^{-1} X^\top y
$$
"""
RTL = """در این جدول **۱۲۰۴ سفارش** هست و `orders` نام آن است.

- سفارش‌های شمال: ۵۱۲
- سفارش‌های جنوب: ۳۹۰
"""
MARKS = """<details><summary>How it was counted</summary>

By `row_count`, and once more with <kbd>Ctrl</kbd> held.

</details>

```diff
- keep = orders
+ keep = orders[orders.status != "void"]
```

Term
: its meaning
"""
LONG = "| Region | Orders | Share | Since |\n|:--|--:|--:|:--|\n" + "".join(
    f"| Region {n} | {n * 37} | {n * 1.7:.1f}% | 2026-{n % 12 + 1:02} |\n" for n in range(1, 15)
)


def begun(*events: Event) -> list[Event]:
    """Give the beginning of a run."""
    return [RunStarted(MODEL, "assistants"), TurnStarted(), *events]


def live() -> dict[str, list[Event]]:
    """Give runs that are not finished, each in another state."""
    started = [ToolCallStarted("1", "describe"), *(ToolArgumentsDelta("1", piece) for piece in tokens(ARGUMENTS[:48]))]
    ready = [ToolCallStarted("1", "describe"), ToolCallReady("1", "describe", ARGUMENTS), TurnEnded("tool_calls")]
    counted = list(call("row_count", '{"table": "orders"}', "1204", "0", seconds=0.021))
    return {
        "waiting": begun(),
        "retrying": begun(Retrying(12.0, 1, "429 Too Many Requests")),
        "thinking": begun(ReasoningDelta("The question needs the number of rows of `orders`. There is a tool for it")),
        "arguments": begun(TextDelta("Let me look at the columns first."), *started),
        "running": begun(TextDelta("Let me look at the columns first."), *counted, TurnStarted(), *ready),
        "service": begun(ServerToolEvent("s", "code_interpreter", "running", CODE)),
        "writing": begun(*counted, TurnStarted(), *(TextDelta(piece) for piece in tokens(ANSWER[:420]))),
        "code": begun(TextDelta("This drops them:\n\n```python\n" + CODE)),
    }


def asked() -> list[Event]:
    """Give a run that asks, without the question itself."""
    return begun(
        TextDelta("I would delete the rows that are void."),
        ToolCallStarted("a1", "delete_rows"),
        ToolCallReady("a1", "delete_rows", QUESTION),
        TurnEnded("tool_calls"),
    )


def ended() -> dict[str, list[Event]]:
    """Give runs that are finished, each another way."""

    def end(*events: Event, finish: str = "completed", detail: str = "", **more: object) -> list[Event]:
        last = RunEnded(finish, USED, detail, 14.2, **more)  # type: ignore[arg-type]
        return [*begun(*events), TurnEnded("stop", USED), last]

    def text(words: str) -> TextDelta:
        return TextDelta(words)

    shown = ({"text/html": TABLE, "text/plain": "3 rows"},)
    failed = call(
        "describe", ARGUMENTS, "KeyError: 'ordres'", error="KeyError: 'ordres'", seconds=0.004, traceback=TRACEBACK
    )
    refused: Iterator[Event] = iter(
        [
            *asked()[2:],
            ApprovalAsked("a1", "delete_rows", ARGUMENTS),
            ApprovalAnswered("a1", "refused", "make a copy of the table first"),
            ToolFinished("a1", "delete_rows", "The person refused: make a copy of the table first", "not allowed"),
            TurnStarted(),
        ]
    )
    image = {"image/png": picture(240, 120), "text/plain": "a figure"}
    return {
        "whole": end(
            ReasoningDelta("There is a tool for it."),
            *call("row_count", '{"table": "orders"}', "1204", seconds=0.021, display=shown),
            TurnStarted(),
            text(ANSWER),
            CitationAdded("Orders handbook", "https://example.org/handbook"),
            cost=0.0012,
            turns=2,
        ),
        "failed-tool": end(*failed, TurnStarted(), text("There is no table of that name."), turns=2),
        "refused": end(*refused, text("Then I leave it as it is."), turns=2),
        "figure": end(
            *call("plot", '{"table": "orders"}', "a figure", display=(image,), seconds=1.31),
            TurnStarted(),
            text("The figure stands above."),
            turns=2,
        ),
        "image": end(ImageReady("image/png", picture(240, 120)), text("![A map](https://maps.example/a.png) is one.")),
        "sources": end(
            text("North leads【1†handbook】, and South follows【2†news】."),
            CitationAdded("Orders handbook", "https://example.org/handbook", "【1†handbook】"),
            CitationAdded("News of the South", "https://example.org/news", "【2†news】"),
        ),
        "table": end(text(LONG)),
        "math": end(text(MATH)),
        "right-to-left": end(text(RTL)),
        "marks": end(text(MARKS)),
        "refusal": end(RefusalDelta("I can't help with that.")),
        "warned": end(Warned("the model's context is nearly full"), text("That is all.")),
        "cached": end(text("We have **1,204 orders**."), replayed=True),
        "interrupted": end(text("We have **1,204"), finish="interrupted", detail="interrupted: what came is kept"),
        "cut": end(text("We have **1,204"), finish="incomplete", detail="the stream ended early: it may be cut short"),
        "error": end(finish="failed", detail="429: the quota of this key is used up (insufficient_quota)"),
    }
