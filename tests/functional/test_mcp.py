"""cctgctl mcp: the protocol, what is wrong with it, and the tools that need no
daemon."""

import json
import os
import re
import subprocess
import time

import pytest

from mcplib import (LEGACY, META, MODERN, OURS, TOOLS, Mcp, alone,  # noqa: F401
                    env, text_of)
from simlib import SOURCE, program

RPC = {"jsonrpc": "2.0"}
MODERN_META = {META + "protocolVersion": MODERN,
               META + "clientCapabilities": {}}


# -- the protocol -----------------------------------------------------------

@pytest.mark.parametrize("asked, spoken", [
    *((v, v) for v in LEGACY), ("1999-01-01", LEGACY[-1]),
    (MODERN, LEGACY[-1])])
def test_initialize(alone, asked, spoken):
    result = alone.initialize(asked)
    assert result["protocolVersion"] == spoken
    assert result["serverInfo"]["name"] == "cctg"
    assert set(result["capabilities"]) == {"tools", "resources"}
    assert alone.result("ping") == {}
    assert alone.result("logging/setLevel", {"level": "debug"}) == {}


def test_initialize_without_a_version(alone):
    error = alone.request("initialize", {})["error"]
    assert error["code"] == -32602 and "protocolVersion" in error["message"]


def test_tools_are_those_of_the_predecessor_and_ours(alone):
    tools = alone.result("tools/list")["tools"]
    names = [t["name"] for t in tools]
    assert sorted(names) == sorted(TOOLS + OURS)
    for tool in tools:
        schema = tool["inputSchema"]
        assert tool["description"] and schema["type"] == "object"
        assert set(schema.get("required", [])) <= set(schema["properties"])
        for key, value in schema["properties"].items():
            assert value["type"] and value["description"], (tool, key)


def test_the_manual_names_every_tool():
    text = (SOURCE / "man/cctgctl.1").read_text(encoding="utf-8")
    for name in TOOLS + OURS:
        assert re.search(rf"\b{name}\b", text), name


def test_resources(alone):
    resources = alone.result("resources/list")["resources"]
    assert [r["uri"] for r in resources] == [
        "cctelegram://event-types", "cctelegram://bridge-status",
        "cctelegram://responses", "cctelegram://event-templates"]
    assert alone.result("resources/templates/list") == {
        "resourceTemplates": []}
    assert alone.result("prompts/list") == {"prompts": []}
    for uri in ("event-types", "responses", "event-templates"):
        uri = "cctelegram://" + uri
        content, = alone.result("resources/read", {"uri": uri})["contents"]
        assert content["uri"] == uri
        assert content["mimeType"] == "application/json"
        assert isinstance(json.loads(content["text"]), list)
    error = alone.request("resources/read", {"uri": "file:///x"})["error"]
    assert error["code"] == -32002 and error["data"]["uri"] == "file:///x"
    assert alone.request("resources/read", {})["error"]["code"] == -32602


def test_lists_have_one_page(alone):
    for method in ("tools/list", "resources/list"):
        error = alone.request(method, {"cursor": "2"})["error"]
        assert error["code"] == -32602 and "cursor" in error["message"]


@pytest.mark.parametrize("line", [
    "nonsense", "{", '{"jsonrpc":"2.0"', "{'jsonrpc':'2.0'}",
    '{"jsonrpc":"2.0","id":1,"method":"ping"} x', b'{"a":"\xff\xfe"}',
    "[" * 100])
def test_not_json(alone, line):
    assert alone.error(line)["code"] == -32700
    assert alone.result("ping") == {}


@pytest.mark.parametrize("message", [
    1, "x", None, True, {}, {"id": 7, "method": "ping"},
    {"jsonrpc": "1.0", "id": 7, "method": "ping"},
    {**RPC, "id": 7}, {**RPC, "id": 7, "method": 5},
    {**RPC, "id": None, "method": "ping"},
    {**RPC, "id": [1], "method": "ping"},
    {**RPC, "id": 1.5, "method": "ping"}])
def test_invalid_requests(alone, message):
    alone.write(json.dumps(message))
    id = message.get("id") if isinstance(message, dict) else None
    answer = alone.answer(id if id == 7 else None)
    assert answer["error"]["code"] == -32600
    assert alone.result("ping") == {}


def test_unknown_methods_and_wrong_params(alone):
    assert alone.request("nosuch/method")["error"]["code"] == -32601
    for params in ([], [1], "x", 3):
        answer = alone.answer(alone.start("tools/list", params))
        assert answer["error"]["code"] == -32602
    # What is no request gets no answer.
    alone.notify("nosuch/notification")
    alone.write({**RPC, "method": "tools/list"},
                {**RPC, "id": 99, "result": {}},
                {**RPC, "id": 99, "error": {"code": 1, "message": "x"}})
    assert alone.result("ping") == {} and not alone.lines


def test_ids_come_back_as_they_are(alone):
    for id in ("", "7", 0, -1, 2 ** 53, "ü\u0000x"):
        alone.write({**RPC, "id": id, "method": "ping"})
        answer = alone.answer(id)
        assert answer == {**RPC, "id": id, "result": {}}
        assert type(answer["id"]) is type(id)


def test_a_line_has_a_limit(alone):
    message = json.dumps({**RPC, "id": 1, "method": "ping",
                          "params": {"x": "y" * (1 << 20)}})
    assert alone.error(message)["code"] == -32600
    assert alone.error("x" * (5 << 20))["code"] == -32600
    fits = json.dumps({**RPC, "id": 2, "method": "ping",
                       "params": {"x": "y" * ((1 << 20) - 200)}})
    alone.write(fits)
    assert alone.answer(2)["result"] == {}


def test_batches(alone):
    batch = [{**RPC, "id": 1, "method": "ping"},
             {**RPC, "method": "notifications/initialized"},
             {**RPC, "id": 2, "method": "nosuch"}, 5,
             {**RPC, "id": 3, "method": "tools/call",
              "params": {"name": "list_event_types"}}]
    assert alone.error(batch)["code"] == -32600
    alone.initialize("2025-11-25")
    assert alone.error(batch)["code"] == -32600
    alone.initialize("2025-03-26")
    alone.write(batch)
    answers = alone.find(lambda m: isinstance(m, list))
    assert {a["id"]: a.get("error", {}).get("code") for a in answers} == {
        1: None, 2: -32601, None: -32600, 3: None}
    assert alone.error([])["code"] == -32600
    alone.write([{**RPC, "method": "notifications/x"}])
    again = {"protocolVersion": LEGACY[0], "capabilities": {}}
    alone.write([{**RPC, "id": 9, "method": "initialize", "params": again}])
    answer, = alone.find(lambda m: isinstance(m, list))
    assert answer["error"]["code"] == -32600
    assert alone.result("ping") == {} and not alone.lines


def test_unknown_tools_and_wrong_calls(alone):
    call = {"name": "nosuch", "arguments": {}}
    error = alone.request("tools/call", call)["error"]
    assert error["code"] == -32602 and "nosuch" in error["message"]
    for params in ({}, {"name": 5}, {"name": "todo", "arguments": []},
                   {"name": "todo", "arguments": "x"}):
        assert alone.request("tools/call", params)["error"]["code"] == -32602
    assert alone.request("tools/call")["error"]["code"] == -32602


@pytest.mark.parametrize("tool, arguments, field", [
    ("send_telegram_event", {}, "type"),
    ("send_telegram_event", {"type": "x", "title": "t", "description": "d"},
     "type"),
    ("send_telegram_event", {"type": "task_failed", "title": "t" * 201,
                             "description": "d"}, "title"),
    ("send_telegram_event", {"type": "task_failed", "title": "t",
                             "description": "d", "data": []}, "data"),
    ("send_telegram_message", {"message": ""}, "message"),
    ("send_telegram_message", {"message": 5}, "message"),
    ("send_telegram_message", {"message": "😀" * 501}, "message"),
    ("send_task_completion", {"title": "x"}, "task_id"),
    ("send_task_completion", {"task_id": "a", "title": "x",
                              "duration_ms": -1}, "duration_ms"),
    ("send_task_completion", {"task_id": "a", "title": "x",
                              "files_affected": ["x"] * 51},
     "files_affected"),
    ("send_performance_alert", {"title": "x", "current_value": "much",
                                "threshold": 1}, "current_value"),
    ("send_performance_alert", {"title": "x", "current_value": 1,
                                "threshold": 1, "severity": "bad"},
     "severity"),
    ("send_approval_request", {"title": "x", "description": "y",
                               "options": []}, "options"),
    ("send_approval_request", {"title": "x", "description": "y",
                               "options": ["a"] * 11}, "options"),
    ("send_approval_request", {"title": "x", "description": "y",
                               "options": ["a", 5]}, "options"),
    ("get_telegram_responses", {"limit": 0}, "limit"),
    ("get_telegram_responses", {"limit": 101}, "limit"),
    ("clear_old_responses", {"older_than_hours": 0}, "older_than_hours"),
    ("process_pending_responses", {"since_minutes": 1441}, "since_minutes"),
    ("get_task_status", {"task_system": "x"}, "task_system"),
    ("get_task_status", {"summary_only": 1}, "summary_only"),
    ("todo", {"sections": ["x"]}, "sections"),
    ("register_claude_todos", {}, "todos"),
    ("register_claude_todos", {"todos": ["x"]}, "todos"),
    ("ask", {}, "question"),
    ("ask", {"question": "x", "timeout_seconds": 0}, "timeout_seconds"),
    ("get_event", {}, "id")])
def test_wrong_arguments(alone, tool, arguments, field):
    said, failed = alone.tool(tool, **arguments)
    assert failed and said["field"] == field, said
    assert field in said["message"]


SAMPLES = {"string": "x", "number": 1, "boolean": True, "object": {}}


def sample(schema):
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [sample(schema["items"])]
    if schema["type"] == "number":
        return schema.get("minimum", 1)
    return SAMPLES[schema["type"]]


def wrong_values(schema):
    """Values that this argument must not have."""
    kind = schema["type"]
    for other, value in {**SAMPLES, "array": ["x"], "null": None}.items():
        if other != kind:
            yield value
    if kind == "string":
        yield from ("", "a\u0000b")
    if "enum" in schema:
        yield "none of them"
    if "maxLength" in schema:
        yield "ä" * (schema["maxLength"] + 1)
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if kind in ("number", "boolean"):
        yield from ("", "5x", "yes", "nan", "1e999")
    if kind == "array":
        yield from ([value] for value in wrong_values(schema["items"]))
        if "maxItems" in schema:
            yield [sample(schema["items"])] * (schema["maxItems"] + 1)
        if schema.get("minItems"):
            yield []


def test_every_argument_of_every_tool_is_checked(alone):
    """By what tools/list says of it."""
    tried = 0
    for tool in alone.result("tools/list")["tools"]:
        schema = tool["inputSchema"]
        good = {name: sample(schema["properties"][name])
                for name in schema.get("required", [])}
        for name in good:
            said, failed = alone.tool(tool["name"], **{
                k: v for k, v in good.items() if k != name})
            assert failed and said["field"] == name, (tool["name"], said)
        for name, rules in schema["properties"].items():
            for value in wrong_values(rules):
                if value is None and name not in good:
                    continue  # as if it were not there
                said, failed = alone.tool(tool["name"],
                                          **{**good, name: value})
                assert failed and said["code"] == "VALIDATION_FAILED", (
                    tool["name"], name, value, said)
                assert said["field"] == name
                tried += 1
    assert tried > 200


def test_convertible_arguments_are_taken(alone):
    assert alone.call("get_telegram_responses", limit="5")["count"] == 0
    said = alone.call("get_task_status", summary_only="true", unknown=1)
    assert said["summary_only"] is True


# -- 2026-07-28 -------------------------------------------------------------

def test_discover(alone):
    for params in (None, {}, {"_meta": MODERN_META}):
        result = alone.result("server/discover", params)
        assert result["supportedVersions"] == [MODERN, *reversed(LEGACY)]
        assert set(result["capabilities"]) == {"tools", "resources"}
        assert result["_meta"][META + "serverInfo"]["name"] == "cctg"
        assert result["resultType"] == "complete"
        assert result["ttlMs"] >= 0 and result["cacheScope"] == "public"


def test_requests_that_bring_their_version(alone):
    listed = alone.result("tools/list", {"_meta": MODERN_META})
    assert listed["resultType"] == "complete" and listed["ttlMs"] > 0
    assert len(listed["tools"]) == len(TOOLS + OURS)
    called = alone.result("tools/call", {
        "name": "list_event_types", "arguments": {}, "_meta": MODERN_META})
    assert called["resultType"] == "complete"
    assert called["_meta"][META + "serverInfo"]["name"] == "cctg"
    assert text_of(called)[0]["count"] == 47
    read = alone.result("resources/read", {
        "uri": "cctelegram://event-types", "_meta": MODERN_META})
    assert read["ttlMs"] == 0 and read["cacheScope"] == "private"
    for method in ("ping", "initialize", "logging/setLevel"):
        error = alone.request(method, {"_meta": MODERN_META})["error"]
        assert error["code"] == -32601
    error = alone.request("resources/read", {
        "uri": "x:y", "_meta": MODERN_META})["error"]
    assert error["code"] == -32602


def test_versions_that_nobody_speaks(alone):
    for method in ("server/discover", "tools/list"):
        error = alone.request(method, {"_meta": {
            **MODERN_META, META + "protocolVersion": "2099-01-01"}})["error"]
        assert error["code"] == -32022
        assert error["data"]["requested"] == "2099-01-01"
        assert MODERN in error["data"]["supported"]
    for meta in ({META + "protocolVersion": MODERN},
                 {META + "protocolVersion": 5,
                  META + "clientCapabilities": {}}):
        error = alone.request("tools/list", {"_meta": meta})["error"]
        assert error["code"] == -32602


def listen(mcp, notifications, meta=None):
    """Open a subscription: its id, and what was agreed to."""
    id = mcp.start("subscriptions/listen", {
        "_meta": meta or MODERN_META, "notifications": notifications})
    params = mcp.find(lambda m: m.get("method") ==
                      "notifications/subscriptions/acknowledged")["params"]
    assert params["_meta"] == {META + "subscriptionId": id}
    return id, params["notifications"]


def updated(mcp):
    params = mcp.find(lambda m: m.get("method") ==
                      "notifications/resources/updated")["params"]
    assert params["uri"] == RESPONSES
    return params["_meta"][META + "subscriptionId"]


RESPONSES = "cctelegram://responses"


def test_listen(alone, tmp_path):
    """A stream that tells of new answers, and nothing that was not asked."""
    found = alone.result("server/discover")["capabilities"]
    assert found["resources"] == {"subscribe": True}
    directory = tmp_path / "responses"
    wanted = {"resourceSubscriptions": [RESPONSES, "file:///x", 5],
              "toolsListChanged": True, "unknown": []}
    # There is nothing to watch yet.
    nothing, agreed = listen(alone, wanted)
    assert agreed == {}
    directory.mkdir()
    first, agreed = listen(alone, wanted)
    assert agreed == {"resourceSubscriptions": [RESPONSES]}
    second, agreed = listen(alone, {"resourceSubscriptions": [RESPONSES]})
    other, agreed = listen(alone, {"resourceSubscriptions": "x"})
    assert agreed == {}
    part = directory / ".part"
    part.write_text("{}")
    part.rename(directory / "1.json")
    assert {updated(alone), updated(alone)} == {first, second}
    alone.notify("notifications/cancelled", requestId=first)
    assert alone.result("ping") == {}
    response(directory, "2.json", timestamp="2026-11-21T05:00:00Z")
    assert updated(alone) == second
    (directory / "no.txt").write_text("x")
    assert alone.result("ping") == {}
    assert not [m for m in alone.lines if "method" in m
                and m["params"]["_meta"][META + "subscriptionId"] != second]
    # In use, as with calls.
    alone.write({**RPC, "id": second, "method": "ping"})
    assert alone.answer(second)["error"]["code"] == -32600
    assert alone.close() == 0
    ends = {m["id"]: m["result"] for m in alone.lines if "result" in m}
    assert set(ends) == {nothing, second, other}
    for id, result in ends.items():
        assert result["resultType"] == "complete"
        assert result["_meta"][META + "subscriptionId"] == id


def test_subscribe(alone, tmp_path):
    """The same for clients before 2026-07-28."""
    directory = tmp_path / "responses"
    directory.mkdir()
    found = alone.initialize()["capabilities"]
    assert found["resources"] == {"subscribe": True}
    for uri in (RESPONSES, "cctelegram://event-types"):
        assert alone.result("resources/subscribe", {"uri": uri}) == {}
    response(directory, "1.json", timestamp="2026-11-21T05:00:00Z")
    told = alone.find(lambda m: "method" in m)
    assert told == {**RPC, "method": "notifications/resources/updated",
                    "params": {"uri": RESPONSES}}
    assert alone.result("resources/unsubscribe", {"uri": RESPONSES}) == {}
    response(directory, "2.json", timestamp="2026-11-21T05:00:00Z")
    assert alone.result("ping") == {} and not alone.lines
    for method in ("resources/subscribe", "resources/unsubscribe"):
        assert alone.request(method, {"uri": "x:y"})["error"]["code"] == \
            -32002
        assert alone.request(method, {})["error"]["code"] == -32602
        assert alone.request(method, {
            "uri": RESPONSES, "_meta": MODERN_META})["error"]["code"] == \
            -32601


def test_listen_is_of_the_new_era_and_has_limits(alone):
    assert alone.request("subscriptions/listen", {"notifications": {}})[
        "error"]["code"] == -32601
    for wrong in ({}, {"notifications": []}, {"notifications": None}):
        assert alone.request("subscriptions/listen", {
            "_meta": MODERN_META, **wrong})["error"]["code"] == -32602
    ids = [listen(alone, {})[0] for _ in range(64)]
    error = alone.request("subscriptions/listen", {
        "_meta": MODERN_META, "notifications": {}})["error"]
    assert error["code"] == -32603 and "64" in error["message"]
    alone.notify("notifications/cancelled", requestId=ids[7])
    assert listen(alone, {})[1] == {}


# -- its life ---------------------------------------------------------------

def test_ends_with_its_input(env):
    mcp = Mcp(env=env)
    mcp.process.stdin.write(json.dumps({
        **RPC, "id": 1, "method": "tools/call",
        "params": {"name": "list_event_types"}}).encode())  # no newline
    begin = time.monotonic()
    assert mcp.close() == 0
    assert time.monotonic() - begin < 3
    assert text_of(mcp.lines[0]["result"])[0]["count"] == 47


def test_ends_when_nobody_reads(env):
    process = subprocess.Popen([str(program("cctgctl")), "mcp"], env=env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.close()
    try:
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it has seen it before
    assert process.wait(10) == 0


def test_a_client_that_reads_late(env):
    """Many answers wait for it, without a deadlock."""
    process = subprocess.Popen([str(program("cctgctl")), "mcp"], env=env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    n = 300
    process.stdin.write(b"".join(json.dumps(
        {**RPC, "id": i, "method": "tools/list"}).encode() + b"\n"
        for i in range(n)))
    process.stdin.close()
    assert [json.loads(line)["id"] for line in process.stdout] == list(
        range(n))
    assert process.wait(10) == 0
    process.stdout.close()


def test_without_a_daemon_calls_are_errors(alone):
    alone.initialize()
    for tool, arguments in (
            ("send_telegram_message", {"message": "x"}),
            ("send_approval_request", {"title": "x", "description": "y"}),
            ("ask", {"question": "x"}), ("get_event", {"id": "x"}),
            ("stop_bridge", {}), ("restart_bridge", {}),
            ("switch_to_mute_mode", {}), ("check_bridge_process", {}),
            ("get_bridge_status", {})):
        said, failed = alone.tool(tool, **arguments)
        assert failed, (tool, said)
        assert "not running" in said["message"], (tool, said)
    said, _ = alone.tool("get_bridge_status")
    assert said["running"] is False and said["health"] == "unhealthy"
    assert "last_event_time" not in said
    said, _ = alone.tool("send_telegram_message", message="x")
    assert said["code"] == "BRIDGE_NOT_RUNNING"


# -- tools that need no daemon ----------------------------------------------


def response(directory, name, age_s=0, **fields):
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(json.dumps(fields), encoding="utf-8")
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_responses(alone, tmp_path):
    directory = tmp_path / "responses"
    assert alone.call("get_telegram_responses") == {
        "count": 0, "total": 0, "responses": []}
    press = dict(response_type="callback_query", user_id=42, username="a",
                 first_name="A")
    response(directory, "1.json", timestamp="2026-11-21T05:00:00+00:00",
             callback_data="approve_t_1", **press, extra=[1, {"x": 2.50}])
    response(directory, "2.json", timestamp="2026-11-21T07:00:00+01:00",
             callback_data="deny_t2", **press)
    response(directory, "3.json", timestamp="2026-11-21T05:30:00.5Z",
             message_type="text", message_text="ü <>&")
    response(directory, "old.json", age_s=2000, callback_data="approve_t3",
             timestamp="2026-11-20T05:30:00Z", **press)
    response(directory, "older.json", age_s=90000,
             timestamp="2026-11-19T05:30:00Z")
    (directory / "broken.json").write_text('{"timestamp":')
    (directory / "mode.json").write_text('"Local"')
    (directory / "other.txt").write_text("{}")
    said = alone.call("get_telegram_responses", limit=2)
    assert (said["count"], said["total"]) == (2, 5)
    assert [r["timestamp"][:13] for r in said["responses"]] == [
        "2026-11-21T07", "2026-11-21T05"]
    assert said["responses"][1]["message_text"] == "ü <>&"
    said = alone.call("process_pending_responses")
    assert said["summary"] == {
        "total_recent_responses": 3, "actionable_responses": 2,
        "pending_approvals": 1, "pending_denials": 1,
        "time_window_minutes": 10}
    deny, approve = said["actionable_responses"]
    assert (deny["action"], deny["task_id"]) == ("deny", "t2")
    assert (approve["action"], approve["task_id"]) == ("approve", "t_1")
    assert approve["response_data"]["extra"] == [1, {"x": 2.5}]
    # Nothing is consumed.
    assert alone.call("process_pending_responses", since_minutes=60)[
        "summary"]["pending_approvals"] == 2
    assert alone.call("clear_old_responses")["deleted_count"] == 1
    assert not (directory / "older.json").exists()
    assert alone.call("clear_old_responses")["deleted_count"] == 0


def test_event_types(alone):
    said = alone.call("list_event_types")
    assert said["count"] == len(said["event_types"]) == 47
    said = alone.call("list_event_types", category="task")
    assert {t["category"] for t in said["event_types"]} == {
        "Task Management"}
    assert said["count"] == 5


def test_todos(alone, tmp_path):
    said = alone.call("get_task_status")
    assert not said["claude_code_tasks"]["available"]
    assert not said["taskmaster_tasks"]["available"]
    todos = [{"id": "1", "content": "Fix", "status": "in_progress"},
             {"id": "2", "content": "Test ✓", "status": "pending"},
             {"id": "3", "content": "Read", "status": "completed"}]
    said = alone.call("register_claude_todos", session_id="s", todos=todos)
    assert said["success"] and said["todo_count"] == 3
    file = json.loads((tmp_path / "claude_current_session_todos.json")
                      .read_text(encoding="utf-8"))
    assert file["session_id"] == "s" and file["todos"] == todos
    assert file["timestamp"]
    assert [p.name for p in tmp_path.glob("claude*")] == [
        "claude_current_session_todos.json"]
    said = alone.call("get_task_status", status_filter="pending")
    assert said["claude_code_tasks"]["total_count"] == 3
    assert [t["id"] for t in said["claude_code_tasks"]["tasks"]] == ["2"]
    assert said["combined_summary"]["total_completed"] == 1
    said = alone.call("todo", task_system="claude-code")
    assert "🔄 **Fix**" in said and "✅ **Read**" in said


@pytest.mark.parametrize("form", [
    lambda t: t, lambda t: {"tasks": t}, lambda t: {"data": {"tasks": t}},
    lambda t: {"master": {"tasks": t}},
    lambda t: {"tags": {"master": {"tasks": t}}}])
def test_taskmaster(alone, tmp_path, form):
    project = tmp_path / "project"
    path = project / ".taskmaster/tasks/tasks.json"
    path.parent.mkdir(parents=True)
    tasks = [{"id": i, "title": f"done {i}", "status": "done"}
             for i in range(1, 8)]
    tasks.append({"id": 8, "title": "now", "status": "in-progress",
                  "priority": "high", "subtasks": [
                      {"id": 1, "title": "part", "status": "pending"}]})
    path.write_text(json.dumps(form(tasks)), encoding="utf-8")
    said = alone.call("get_task_status", project_root=str(project),
                      task_system="taskmaster")["taskmaster_tasks"]
    assert said["summary"] == {"pending": 1, "in_progress": 1,
                               "completed": 7, "blocked": 0}
    assert (said["main_tasks_count"], said["subtasks_count"]) == (8, 1)
    assert said["tasks"][-1]["id"] == "8.1"
    said = alone.call("todo", project_root=str(project), limit_completed=2)
    assert "done 7" in said and "done 5" not in said
    assert "**now** [high]" in said and "→ 📋 **part**" in said
    said = alone.call("todo", project_root=str(project),
                      sections=["completed"], show_subtasks=False)
    assert "now" not in said and "done 3" in said
