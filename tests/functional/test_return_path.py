"""The way back, from a person's press or words to a response file, through
the whole tree, while its processes are killed, replaced and reconfigured."""

import json
import os
import signal
import time

import pytest

from conftest import USER
from simlib import wait_for


def wait_polling(tree):
    wait_for(lambda: tree.ask("status")["telegram"]["poller"] == "polling")


def pid(tree, name):
    found, = [w["pid"] for w in tree.ask("status")["workers"]
              if w["name"] == name]
    return found


def question(tree, title="Deploy?"):
    """As the MCP server asks: by a file."""
    path = tree.dir / "events" / "question.json"
    path.with_name(".question").write_text(json.dumps({
        "type": "approval_request", "source": "test", "task_id": "task-1",
        "event_id": "event-1", "title": title, "description": "Go?",
        "data": {"approval_prompt": "Go?",
                 "options": ["Fast", "Slow", "Deny it"]}}))
    path.with_name(".question").rename(path)


def responses(tree):
    return [json.loads(path.read_text()) for path in sorted(
        (tree.dir / "responses").glob("*.json"),
        key=lambda path: path.stat().st_mtime_ns)]


def test_press_becomes_a_response(tree, sim):
    question(tree)
    message, = sim.wait_messages(text="Deploy?")
    sim.press(message, "Fast", USER)
    response, = wait_for(lambda: responses(tree))
    assert (response["callback_data"], response["option"]) == (
        "approve_task-1", "Fast")
    wait_for(lambda: sim.answers() and sim.answers()[0]["text"])
    wait_for(lambda: sim.messages()[0]["reply_markup"] is None)
    assert "Fast" in sim.messages()[0]["text"]


@pytest.mark.parametrize("victim", ["queue", "telegram", "intake"])
def test_killed_between_question_and_answer(tree, sim, victim):
    wait_polling(tree)
    question(tree)
    message, = sim.wait_messages(text="Deploy?")
    os.kill(pid(tree, victim), signal.SIGKILL)
    press = sim.press(message, "Deny it", USER)
    response, = wait_for(lambda: responses(tree))
    assert response["callback_data"] == "deny_task-1"
    # Delivered again, as Telegram does when it is not sure.
    sim.redeliver(press["update_id"])
    sim.say("afterwards", chat=USER)
    wait_for(lambda: len(responses(tree)) > 1)
    assert [r.get("message_text") for r in responses(tree)] == [
        None, "afterwards"]
    wait_polling(tree)


@pytest.mark.parametrize("how", ["reload", "restart", "kill"])
def test_nothing_said_is_lost_or_comes_twice(tree, sim, how):
    wait_polling(tree)
    old = pid(tree, "telegram")
    for i in range(20):
        sim.say(f"text {i}", chat=USER)
        if i != 5:
            continue
        if how == "reload":
            tree.conf.write_text(tree.conf.read_text().replace(
                "telegram {", "telegram { poll_timeout = 20", 1))
            assert tree.ask("reload")["ok"]
        elif how == "restart":
            assert tree.ask("restart", worker="telegram")["ok"]
        else:
            os.kill(old, signal.SIGKILL)
    wait_for(lambda: len(responses(tree)) == 20)
    wait_polling(tree)
    time.sleep(0.3)
    assert sorted(r["message_text"] for r in responses(tree)) == sorted(
        f"text {i}" for i in range(20))
    assert "another program" not in tree.log()
    assert (pid(tree, "telegram") == old) == (how == "reload")
