"""Files, vector stores and file search beside recordings of the hosted service, where they are there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

RECORDED = Path(__file__).resolve().parents[4] / "shared/data/hosted/recorded"
ID = re.compile(r"(?:file-|vs_|vsfb_|asst_|thread_|msg_|run_|step_|call_)[A-Za-z0-9]+")
VOLATILE = {"created_at", "completed_at", "started_at", "expires_at", "last_active_at", "score", "usage_bytes"}
PROGRESS = {"status", "file_counts"}
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside this checkout")
NAMES = [
    *("CanCreateGetAndDeleteVectorStores", "CanEnumerateVectorStores", "CanAssociateFiles", "CanUseBatchIngestion"),
    *("CanApplyChunkingStrategyAuto", "CanApplyChunkingStrategyStatic", "CanPaginateGetVectorStoreFilesInBatch"),
    *("DeleteFileCanParseServiceError", "DownloadFileCanParseServiceError", "GetFileCanParseServiceError"),
    *("DeleteFileTrue", "GetFile", "NonAsciiFilename", "UserDataPurpose"),
]


def entries(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["Entries"]
    return found


class Replay:
    """Sends what was recorded, with the ids of our server in place of the recorded ones."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http
        self.ids: dict[str, str] = {}

    def send(self, entry: dict[str, Any]) -> httpx2.Response:
        target = urlsplit(entry["RequestUri"])
        path = self.ours(target.path.removeprefix("/v1")) + (f"?{self.ours(target.query)}" if target.query else "")
        if entry["RequestMethod"] == "POST" and path == "/files":
            wanted = entry["ResponseBody"]
            upload = {"file": (wanted["filename"], b"x" * wanted["bytes"])}
            return self.http.post(path, files=upload, data={"purpose": wanted["purpose"]})
        body = entry.get("RequestBody")
        content = None if body is None else self.ours(json.dumps(body))
        headers = {"Content-Type": "application/json"}
        return self.http.request(entry["RequestMethod"], path, content=content, headers=headers)

    def ours(self, text: str) -> str:
        return ID.sub(lambda found: self.ids.get(found.group(), found.group()), text)

    def learn(self, theirs: Any, ours: Any) -> None:
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs.keys() & ours.keys():
                self.learn(theirs[key], ours[key])
        elif isinstance(theirs, list) and isinstance(ours, list):
            for one, other in zip(theirs, ours, strict=False):
                self.learn(one, other)
        elif isinstance(theirs, str) and ID.fullmatch(theirs) and isinstance(ours, str):
            self.ids.setdefault(theirs, ours)

    def plain(self, value: Any, ours: bool) -> Any:
        """A value with all ids as ours, and without what is never the same twice, or depends on how fast one is."""
        if isinstance(value, dict):
            left = VOLATILE | PROGRESS | {"nbassist_search"}
            return {key: self.plain(item, ours) for key, item in value.items() if key not in left}
        if isinstance(value, list):
            return [self.plain(item, ours) for item in value]
        return value if ours or not isinstance(value, str) else self.ours(value)


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_that_were_recorded(http: httpx2.Client, name: str) -> None:
    replay = Replay(http)
    for entry in entries(name):
        answer, wanted = replay.send(entry), entry["ResponseBody"]
        assert answer.status_code == entry["StatusCode"], answer.text
        body = answer.json()
        if entry["RequestMethod"] == "GET" and "data" in wanted:
            # A store that other tests share holds more than the recorded one: those that were recorded, in their order.
            theirs = [item for item in wanted["data"] if item["id"] in replay.ids]
            known = {replay.ids[item["id"]]: item for item in theirs}
            wanted = {**wanted, "data": theirs}
            # Some recordings are older than attributes.
            shown = [item for item in body["data"] if item["id"] in known]
            body["data"] = [{key: item[key] for key in known[item["id"]]} for item in shown]
            cursor = {"first_id", "last_id", "has_more"}
            body, wanted = ({k: v for k, v in one.items() if k not in cursor} for one in (body, wanted))
        replay.learn(wanted, body)
        assert replay.plain(body, True) == replay.plain(wanted, False)
        keys = [key for key in body if key != "nbassist_search"]
        assert keys == list(wanted)


def test_a_run_that_searches_answers_as_recorded(http: httpx2.Client, upstream: Any, until: Any) -> None:
    replay, recorded = Replay(http), entries("FileSearchWorks")
    foods = "Summanus Ferdinand: tacos\nTekakwitha Effie: pizza\nFilip Carola: cake"
    text = f"This file describes the favorite foods of several people.\n\n{foods}"
    messages = next(e["ResponseBody"] for e in recorded if "/messages" in e["RequestUri"])
    call_id = "call_pClJkG2IKRb0oPoa0AKoUI5f"
    upstream.calls((call_id, "file_search", '{"query": "Filip favorite food"}'), usage=(830, 19))
    upstream.says(messages["data"][0]["content"][0]["text"]["value"], usage=(1270, 20))
    for entry in recorded:
        wanted = entry["ResponseBody"]
        if entry["RequestUri"].endswith("/files"):
            body = http.post(
                "/files", files={"file": ("favorite_foods.txt", text)}, data={"purpose": "assistants"}
            ).json()
            assert body["bytes"] == wanted["bytes"]
        elif entry["RequestMethod"] == "GET" and wanted.get("object") == "thread.run":
            body = until(lambda entry=entry: (run := replay.send(entry).json())["status"] == "completed" and run)
            assert body["usage"] == wanted["usage"]
        else:
            body = replay.send(entry).json()
        for one, other in zip(body.get("data") or (), wanted.get("data") or (), strict=True):
            if one["object"] == "thread.message":
                # The recorded list left out the states of messages, which the description demands.
                for key in one.keys() - other.keys():
                    del one[key]
        replay.learn(wanted, body)
        assert replay.plain(body, True) == replay.plain(wanted, False), entry["RequestUri"]
