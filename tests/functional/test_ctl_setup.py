"""cctgctl setup: files of others are changed with care."""

import json
import os
import shlex
import stat

import pytest

from ctllib import CTL, run  # noqa: F401

WANTED = {"PermissionRequest", "Notification", "Stop", "StopFailure",
          "PostToolUse", "PostToolUseFailure", "UserPromptSubmit",
          "SessionEnd"}
OTHERS = {
    "model": "x", "big": 12345678901234567890, "rate": 1.10,
    "hooks": {
        "Stop": [{"hooks": [{"type": "command", "command": "say done"}]}],
        "PreCompact": [{"matcher": "auto", "hooks": []}],
        "PostToolUse": [{"matcher": "Edit", "hooks": [
            {"type": "command", "command": "fmt", "timeout": 5}]}]},
    "env": {"ä/b": "é"}}


@pytest.fixture
def settings(tmp_path):
    (tmp_path / ".claude").mkdir()
    return tmp_path / ".claude/settings.json"


def ours(doc):
    return {event: hook["command"] for event, entries in doc["hooks"].items()
            for entry in entries for hook in entry["hooks"]
            if "hook claude" in hook["command"]}


def backups(path):
    return sorted(path.parent.glob(path.name + ".*.bak"))


def test_new_files(run, tmp_path):
    out = run("setup", "claude")
    assert out.returncode == 0, out.stderr
    doc = json.loads((tmp_path / ".claude/settings.json").read_text())
    assert set(ours(doc)) == WANTED
    for event, command in ours(doc).items():
        words = shlex.split(command)
        assert words[0] == CTL and words[1:3] == ["hook", "claude"]
        assert os.path.isabs(words[0])
    ask, = doc["hooks"]["PermissionRequest"]
    assert ask["hooks"][0]["timeout"] > 600
    doc = json.loads((tmp_path / ".claude.json").read_text())
    assert doc["mcpServers"] == {"cctg": {"type": "stdio", "command": CTL,
                                          "args": ["mcp"]}}
    assert stat.S_IMODE((tmp_path / ".claude.json").stat().st_mode) == 0o600
    assert not backups(tmp_path / ".claude.json")


def test_where_claude_has_its_settings(run, tmp_path):
    """Both files move with CLAUDE_CONFIG_DIR; nothing goes into the home."""
    moved = tmp_path / "xdg/claude"
    env = {"CLAUDE_CONFIG_DIR": str(moved)}
    assert run("setup", "claude", env=env).returncode == 0
    assert set(ours(json.loads((moved / "settings.json").read_text()))) == \
        WANTED
    assert "cctg" in json.loads((moved / ".claude.json").read_text())[
        "mcpServers"]
    assert not (tmp_path / ".claude").exists()
    assert not (tmp_path / ".claude.json").exists()
    assert run("setup", "claude", env=env).stdout == "nothing to change\n"
    assert run("setup", "claude", "--remove", env=env).returncode == 0
    assert json.loads((moved / "settings.json").read_text()) == {}
    run("setup", "claude", env={"CLAUDE_CONFIG_DIR": ""})
    assert (tmp_path / ".claude/settings.json").exists()


def test_hooks_may_run_as_long_as_a_question_is_open(run, tmp_path):
    conf = tmp_path / "long.conf"
    conf.write_text('hooks { timeout = "2h" }')
    assert run("--config", conf, "setup", "claude").returncode == 0
    hooks = json.loads((tmp_path / ".claude/settings.json").read_text())[
        "hooks"]
    took = {event: hook["timeout"] for event, entries in hooks.items()
            for entry in entries for hook in entry["hooks"]}
    assert took.pop("PermissionRequest") == 7260
    assert set(took.values()) == {10}


def test_others_stay(run, tmp_path, settings):
    text = json.dumps(OTHERS).replace("1.1,", "1.10,")
    settings.write_text(text)
    settings.chmod(0o640)
    (tmp_path / ".claude.json").write_text(json.dumps(
        {"numStartups": 5, "mcpServers": {"db": {"command": "db"}}}))
    assert run("setup", "claude").returncode == 0
    doc = json.loads(settings.read_text())
    assert list(doc) == list(OTHERS) and "1.10" in settings.read_text()
    assert set(ours(doc)) == WANTED
    assert doc["hooks"]["Stop"][0] == OTHERS["hooks"]["Stop"][0]
    assert doc["hooks"]["PostToolUse"][0] == \
        OTHERS["hooks"]["PostToolUse"][0]
    assert doc["env"] == OTHERS["env"] and doc["big"] == OTHERS["big"]
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    backup, = backups(settings)
    assert backup.read_text() == text
    assert set(json.loads((tmp_path / ".claude.json").read_text())
               ["mcpServers"]) == {"db", "cctg"}
    assert run("setup", "claude", "--remove").returncode == 0
    assert json.loads(settings.read_text()) == OTHERS
    assert json.loads((tmp_path / ".claude.json").read_text()) == {
        "numStartups": 5, "mcpServers": {"db": {"command": "db"}}}


def test_twice_is_once(run, tmp_path, settings):
    settings.write_text(json.dumps(OTHERS))
    run("setup", "claude")
    first = (settings.read_bytes(), (tmp_path / ".claude.json").read_bytes())
    out = run("setup", "claude")
    assert (out.returncode, out.stdout) == (0, "nothing to change\n")
    assert first == (settings.read_bytes(),
                     (tmp_path / ".claude.json").read_bytes())
    assert len(backups(settings)) == 1
    run("setup", "claude", "--remove")
    out = run("setup", "claude", "--remove", "--json")
    assert json.loads(out.stdout) == {"changes": [], "dry_run": False}


def test_tuned_hooks_stay_and_moved_ones_go(run, settings):
    settings.write_text(json.dumps({"hooks": {
        "Stop": [{"hooks": [{"type": "command", "command":
                             f"{CTL} hook claude --to ops"}]}],
        "PreToolUse": [{"hooks": [{"type": "command", "command":
                                   f"{CTL} hook claude --on PreToolUse"}]}],
        "Notification": [{"hooks": [
            {"type": "command", "command": "/old/cctgctl hook claude"},
            {"type": "command", "command": "other"}]}]}}))
    assert run("setup", "claude").returncode == 0
    doc = json.loads(settings.read_text())
    assert ours(doc)["Stop"].endswith("--to ops")
    assert len(doc["hooks"]["Stop"]) == 1
    assert ours(doc)["PreToolUse"].endswith("--on PreToolUse")
    assert "/old/" not in settings.read_text()
    assert doc["hooks"]["Notification"][0]["hooks"] == [
        {"type": "command", "command": "other"}]
    run("setup", "claude", "--remove")
    assert json.loads(settings.read_text()) == {"hooks": {"Notification": [
        {"hooks": [{"type": "command", "command": "other"}]}]}}


def test_what_the_configuration_wants_is_called(run, tmp_path, settings):
    """Hooks that are quiet by default are registered when they are on."""
    conf = tmp_path / "cctgd.conf"
    conf.write_text('hooks { on = {"SubagentStop", "SessionEnd", '
                    '"PreToolUse", "idle_prompt"} }')
    assert run("--config", conf, "setup", "claude").returncode == 0
    doc = json.loads(settings.read_text())
    assert set(ours(doc)) == WANTED | {"SubagentStop", "PreToolUse"}
    assert not [c for c in ours(doc).values() if "--o" in c]
    assert doc["hooks"]["PreToolUse"][0]["hooks"][0]["timeout"] == 660
    conf.write_text("")
    out = run("--config", conf, "setup", "claude")
    assert out.stdout == "nothing to change\n"  # people may have tuned it


def test_the_server_follows(run, tmp_path, settings):
    """What people have given it stays; a part that is not ours is none."""
    path = tmp_path / ".claude.json"
    run("setup", "claude")
    doc = json.loads(path.read_text())
    doc["mcpServers"]["cctg"]["env"] = {"TZ": "UTC"}
    path.write_text(json.dumps(doc))
    (tmp_path / "c.conf").write_text("")
    assert run("--config", tmp_path / "c.conf", "setup",
               "claude").returncode == 0
    assert json.loads(path.read_text())["mcpServers"]["cctg"] == {
        "type": "stdio", "command": CTL,
        "args": ["--config", str(tmp_path / "c.conf"), "mcp"],
        "env": {"TZ": "UTC"}}
    path.write_text('{"mcpServers":{"cctg":"x"}}')
    assert run("setup", "claude").returncode == 1
    assert path.read_text() == '{"mcpServers":{"cctg":"x"}}'


def test_dry_run(run, tmp_path, settings):
    settings.write_text(json.dumps(OTHERS))
    out = run("setup", "claude", "--dry-run")
    assert out.returncode == 0
    assert f"would change hooks.Stop: {CTL} hook claude" in out.stdout
    assert json.loads(settings.read_text()) == OTHERS
    assert not (tmp_path / ".claude.json").exists()
    assert not backups(settings)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_stays_one(run, tmp_path, settings, depth, dangling):
    target = tmp_path / "dotfiles/settings.json"
    target.parent.mkdir()
    if not dangling:
        target.write_text("{}")
        if depth == 2:
            (tmp_path / "between").symlink_to(target)
            target = tmp_path / "between"
    settings.symlink_to(os.path.relpath(target, settings.parent))
    assert run("setup", "claude").returncode == 0
    assert settings.is_symlink() and settings.resolve().is_file()
    assert set(ours(json.loads(settings.read_text()))) == WANTED
    assert len(backups(settings)) == (0 if dangling else 1)


@pytest.mark.parametrize("name", [".claude/settings.json", ".claude.json"])
@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "5", '"x"', '{"hooks":[],"mcpServers":[]}',
    '{"hooks":null,"mcpServers":null}', "{} // comment",
    '{"hooks":{"Stop":{}},"mcpServers":{"cctg":{"command":"foreign"}}}',
    '{"hooks":{"Other":["x"]},"mcpServers":"x"}',
    '{"hooks":{"Stop":[{"hooks":{}}]},"mcpServers":1}',
    "[" * 100 + "]" * 100])
def test_an_unexpected_shape_is_refused(run, tmp_path, settings, name, text):
    path = tmp_path / name
    path.write_text(text)
    for more in ((), ("--dry-run",), ("--remove",)):
        out = run("setup", "claude", *more)
        if more == ("--remove",) and name == ".claude.json" and \
                out.returncode == 0:
            continue
        assert out.returncode == 1 and name in out.stderr, more
        assert path.read_text() == text
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [
        path.name]


def test_what_is_no_file_or_cannot_be_written(run, tmp_path, settings):
    settings.mkdir()
    assert run("setup", "claude").returncode == 1
    settings.rmdir()
    (tmp_path / ".claude").rmdir()
    (tmp_path / ".claude").write_text("")
    assert run("setup", "claude").returncode == 1
    assert not (tmp_path / ".claude.json").exists()


def test_the_way_to_the_daemon_goes_into_the_commands(run, tmp_path,
                                                      settings):
    conf = tmp_path / "my $conf.conf"
    conf.write_text("")
    assert run("--config", conf, "setup", "claude").returncode == 0
    words = shlex.split(ours(json.loads(settings.read_text()))["Stop"])
    assert words == [CTL, "--config", str(conf), "hook", "claude"]
    assert json.loads((tmp_path / ".claude.json").read_text())[
        "mcpServers"]["cctg"]["args"] == ["--config", str(conf), "mcp"]


def test_systemd(run, tmp_path):
    path = tmp_path / ".config/systemd/user/cctgd.service"
    assert run("setup", "systemd", "--dry-run").returncode == 0
    assert not path.exists()
    out = run("setup", "systemd")
    assert out.returncode == 0 and "systemctl --user" in out.stdout
    text = path.read_text()
    assert "Type=notify" in text and "/sbin/cctgd\n" in text
    assert "@" not in text.split("ExecStart=")[1].splitlines()[0]
    assert run("setup", "systemd").stdout == "nothing to change\n"
    path.write_text("[Unit]\n")
    assert run("setup", "systemd").returncode == 0
    assert path.read_text() == text and len(backups(path)) == 1
    assert run("setup", "systemd", "--remove").returncode == 0
    assert not path.exists()
    assert run("setup", "systemd", "--remove").stdout == \
        "nothing to change\n"
    other = tmp_path / "xdg"
    run("setup", "systemd", env={"XDG_CONFIG_HOME": str(other)})
    assert (other / "systemd/user/cctgd.service").read_text() == text
    assert run("setup", "emacs").returncode == 2
