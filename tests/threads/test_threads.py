"""Threads by name: begun, forked, taken back, renamed, kept on disk and shared between processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nbassist import Assistant
from nbassist.core.conversation import Conversation
from nbassist.core.events import Event, TextDelta, TurnEnded, TurnStarted
from nbassist.core.messages import Text
from nbassist.errors import ConversationError
from nbassist.testing import Say, ScriptedBackend
from nbassist.threads import History, Threads, ThreadStorage, place
from nbassist.threads import stored_run as keeping


def turn(conversation: Conversation, prompt: str, cell: str = "") -> None:
    conversation.add_user(Text(prompt), cell=cell)
    for event in (TurnStarted(), TextDelta(f"re: {prompt}"), TurnEnded("stop", cursor={"thread_id": "t"})):
        conversation.fold(event)


@pytest.fixture(params=["in memory", "on disk"])
def threads(request: pytest.FixtureRequest, tmp_path: Path) -> Threads:
    return Threads(ThreadStorage(tmp_path, "/notebooks/a.ipynb") if request.param == "on disk" else None)


@pytest.fixture
def three(threads: Threads) -> Threads:
    for prompt in ("one", "two", "three"):
        turn(threads[""], prompt, cell=f"cell-{prompt}")
    threads.save()
    return threads


def prompts(conversation: Conversation) -> list[str]:
    return [conversation.messages[at].text for at in conversation.turns]


def test_a_fork_has_the_first_turns_and_leaves_the_thread_as_it_was(three: Threads) -> None:
    fork = three.fork(2)
    assert prompts(fork) == ["one", "two"]
    assert fork.cursor == {}, "the endpoint holds nothing of it yet"
    assert three.current == "main-2"
    assert prompts(three["main"]) == ["one", "two", "three"]
    assert three["main"].cursor == {"thread_id": "t"}


def test_a_fork_without_a_position_has_all_and_may_be_empty(three: Threads) -> None:
    assert len(three.fork(name="all").turns) == 3
    assert len(three.fork(0, "none", of="main")) == 0
    assert three.names()[0] == "main"


def test_turns_are_taken_back(three: Threads) -> None:
    assert three.undo(2) == 4
    assert prompts(three[""]) == ["one"]
    with pytest.raises(ConversationError, match="has 1 prompts: it can't take back 2"):
        three.undo(2)


def test_renaming_and_deleting(three: Threads) -> None:
    three.rename("ideas")
    assert (three.current, three.names(), three["ideas"].name) == ("ideas", ["ideas"], "ideas")
    three.delete("ideas")
    assert (three.current, three.names()) == ("main", [])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda t: t.known("mian"), "did you mean main?"),
        (lambda t: t.use("x" * 9), "there are main"),
        (lambda t: t.new("main"), "there is a thread 'main' already"),
        (lambda t: t.fork(name="main"), "there is a thread 'main' already"),
        (lambda t: t.fork(4), "no turn 4 to fork after"),
        (lambda t: t.rename("a:b"), "no : and no ~"),
        (lambda t: t.delete("nothing"), "there is no thread 'nothing'"),
        (lambda t: t.hold("main", turn=7).begin(), "no turn 7 to go on from"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_changes_nothing(three: Threads, act: object, words: str) -> None:
    with pytest.raises(ConversationError, match=words):
        act(three)  # type: ignore[operator]
    assert prompts(three["main"]) == ["one", "two", "three"]


def test_a_cell_that_ran_as_the_last_replaces_its_turn(three: Threads) -> None:
    placing = place(three[""], "cell-three")
    assert (placing.action, placing.turn, placing.note) == ("replace", 3, "run again: replaces turn 3")
    conversation, _ = three.hold(cell="cell-three").begin()
    assert prompts(conversation) == ["one", "two"]
    assert three.names() == ["main"]


def test_a_cell_that_ran_earlier_goes_on_from_there_and_what_followed_is_kept(three: Threads) -> None:
    conversation, placing = three.hold(cell="cell-one").begin()
    assert (placing.action, len(conversation)) == ("fork", 0)
    assert prompts(three["main~1"]) == ["one", "two", "three"]


def test_a_new_cell_and_one_without_identity_append(three: Threads) -> None:
    assert place(three[""], "new").action == place(three[""], "").action == "append"


def test_only_the_newest_forks_are_kept(three: Threads) -> None:
    names = [three.put_aside("main") for _ in range(8)]
    assert [n for n in three.names() if "~" in n] == names[-5:]


def test_where_nothing_came_the_turns_that_were_to_be_replaced_are_there_again(three: Threads) -> None:
    for cell in ("cell-three", "cell-one"):
        hold = three.hold(cell=cell)
        hold.begin()
        hold.settle()
        assert prompts(three["main"]) == ["one", "two", "three"]
        assert three.names() == ["main"]


def test_threads_survive_a_restart_and_are_seen_from_another_notebook(tmp_path: Path) -> None:
    mine = Threads(ThreadStorage(tmp_path, "/notebooks/a.ipynb"))
    turn(mine["späße/1"], "hello", cell="c")
    mine.save("späße/1")
    again = Threads(ThreadStorage(tmp_path, "/notebooks/a.ipynb"))
    assert again.names() == ["späße/1"]
    assert again["späße/1"].messages[0].cell == "c"
    other = Threads(ThreadStorage(tmp_path, "/notebooks/b.ipynb"))
    assert other.names() == []
    assert prompts(other["a.ipynb:späße/1"]) == ["hello"]
    turn(other["a.ipynb:späße/1"], "from b")
    other.save("a.ipynb:späße/1")
    assert prompts(again["späße/1"]) == ["hello", "from b"], "a change by another process is seen"
    with pytest.raises(ConversationError, match="has no thread 'none'; it has späße/1"):
        other["a.ipynb:none"]
    with pytest.raises(ConversationError, match=r"no notebook 'z.ipynb' keeps threads"):
        other["z.ipynb:main"]


def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path) -> None:
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    threads = Threads(shelf)
    turn(threads["main"], "hello")
    threads.save("main")
    (file,) = shelf.folder.glob("*.thread.json")
    file.write_text('{"version": 1, "mess')
    with pytest.raises(ConversationError, match="put aside as"):
        Threads(shelf)["main"]
    assert len(list(shelf.folder.glob("*.damaged"))) == 1
    assert len(Threads(shelf)["main"]) == 0


def test_a_run_that_was_left_in_the_middle_is_mended_when_it_is_read(tmp_path: Path) -> None:
    from nbassist.core.events import ToolCallReady, ToolCallStarted

    threads = Threads(ThreadStorage(tmp_path, "/a.ipynb"))
    conversation = threads["main"]
    conversation.add_user(Text("count"))
    for event in (TurnStarted(), ToolCallStarted("c", "f"), ToolCallReady("c", "f", "{}"), TurnEnded("tool_calls")):
        conversation.fold(event)
    threads.save("main")
    again = Threads(ThreadStorage(tmp_path, "/a.ipynb"))["main"]
    assert again.open_calls == ()
    assert again.messages[-1].parts[0].error == "not run: the session ended first"  # type: ignore[union-attr]


APPEND = """
import sys
from pathlib import Path
from nbassist.core.messages import Text
from nbassist.core.events import TextDelta, TurnEnded, TurnStarted
from nbassist.threads import Threads, ThreadStorage

threads = Threads(ThreadStorage(Path(sys.argv[1]), "/shared.ipynb"))
for index in range(5):
    hold = threads.hold("main")
    while not hold.take(0.05):
        pass
    conversation, _ = hold.begin()
    prompt = f"{sys.argv[2]}.{index}"
    conversation.add_user(Text(prompt))
    for event in (TurnStarted(), TextDelta(f"re: {prompt}"), TurnEnded("stop", cursor={"thread_id": "t"})):
        conversation.fold(event)
    assert hold.keep() == ""
    hold.release()
"""


def test_two_processes_on_one_thread_lose_no_message(tmp_path: Path) -> None:
    # Programs, and no functions of this module: a process of its own may not find it by the name that pytest gives it.
    workers = [subprocess.Popen([sys.executable, "-c", APPEND, str(tmp_path), str(number)]) for number in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    kept = Threads(ThreadStorage(tmp_path, "/shared.ipynb"))["main"]
    assert sorted(prompts(kept)) == [f"{number}.{index}" for number in range(2) for index in range(5)]


def test_a_disk_that_can_not_be_written_to_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    threads = Threads(ThreadStorage(tmp_path, "/a.ipynb"))
    hold = threads.hold("main")
    turn(hold.begin()[0], "hello")
    monkeypatch.setattr(ThreadStorage, "write", full)
    assert hold.keep() == "the thread can't be kept on disk: No space left on device"
    assert hold.keep() == ""
    assert prompts(threads["main"]) == ["hello"]


def test_a_file_of_a_thread_is_loaded_under_a_free_name(three: Threads, tmp_path: Path) -> None:
    three["main"].save(tmp_path / "kept.json")
    assert prompts(three.load(tmp_path / "kept.json")) == ["one", "two", "three"]
    assert three.current != "main"
    with pytest.raises(ConversationError, match="can't load a conversation"):
        three.load(tmp_path / "nothing.json")


def test_a_history_has_numbers_and_is_escaped(threads: Threads) -> None:
    turn(threads[""], "one\n<b>two</b>")
    history = History.of(threads[""])
    assert repr(history) == "1. you: one\n     <b>two</b>\n   assistant: re: one\n     <b>two</b>"
    assert "<b>" not in history._repr_html_()
    assert '<th align="left"' in history._repr_html_(), "where styles are stripped, as on GitHub, attributes stay"
    assert "is empty" in repr(History.of(threads["new"]))


def test_the_shelf_says_which_notebook_it_is(tmp_path: Path) -> None:
    shelf = ThreadStorage(tmp_path, "/notebooks/My Notebook.ipynb")
    shelf.write("main", Conversation("main"))
    assert shelf.folder.name.startswith("My-Notebook-")
    assert json.loads((shelf.folder / "notebook.json").read_text())["notebook"] == "/notebooks/My Notebook.ipynb"


def test_what_is_being_written_is_kept_on_the_way_and_found_after_the_process_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_OFTEN", 0.0)
    shelf = ThreadStorage(tmp_path, "/notebooks/a.ipynb")
    backend = ScriptedBackend(Say("the first half and the second"))
    seen = []

    class View:
        def apply(self, event: Event) -> None:
            if isinstance(event, TextDelta):
                found = shelf.read("main")
                assert found is not None
                seen.append(found.messages[-1])

    Assistant(backend=backend, threads=Threads(shelf), tools=[]).ask("Tell me", view=View())
    assert seen[-1].text == "the first half and the second"
    assert not seen[-1].complete
    kept = shelf.read("main")
    assert kept is not None
    assert [(message.text, message.complete) for message in kept.messages] == [
        ("Tell me", True),
        ("the first half and the second", True),
    ]
