"""cctgd.conf as cctgd and cctgctl take it, and the real tree under
cctgctl."""

import json
import os
import subprocess
import threading

import pytest

from simlib import SOURCE, build_dir, wait_for
from treelib import FOREIGN, Tree

TOKEN = "123456:SECRET-token-of-the-tests"


@pytest.fixture
def check(tmp_path):
    """Run `cctgd --check` on a text; returns exit code and output."""
    path = tmp_path / "cctgd.conf"

    def run(text, **env):
        path.write_text(text)
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(FOREIGN)}
        clean.update({"HOME": str(tmp_path), **env})
        out = subprocess.run(
            [str(build_dir() / "cctgd"), "--check", "--config", str(path)],
            text=True, capture_output=True, timeout=10, env=clean,
            cwd=tmp_path)
        return out.returncode, (out.stdout + out.stderr).replace(
            str(path), "FILE")

    return run


def test_good_configurations(check):
    sample = (SOURCE / "etc/cctgd.conf").read_text()
    for text in ("", sample, "telegram { allowed_users = {1, 2} }\n"):
        code, out = check(text, TELEGRAM_BOT_TOKEN=TOKEN)
        assert code == 0, out
        assert "configuration OK" in out
        assert TOKEN not in out and "SECRET" not in out


@pytest.mark.parametrize("text, line, message", [
    ("# a\n# b\nmodee = local\n", 3, "modee"),
    ("\n\nmode = loud\n", 3, "mode"),
    ("telegram {\n # x\n\n tokn = 1\n}\n", 4, "tokn"),
    ("telegram {\n rate {\n  global = 1\n  private = -1\n } }\n", 4,
     "private"),
    ("route \"r\" {\n # who\n\n chat = {\"nobody\"}\n}\n", 4, "nobody"),
    ("# zone\ntimezone = \"Middle/Earth\"\n", 2, "Middle/Earth"),
    ("telegram {\n\n api_url = \"http://api.example.org\"\n}\n", 3, "http"),
    ("chat \"a\" { id = 1 }\nchat \"a\" { id = 2 }\n", 2, "duplicate"),
    ("chat \"a\" {\n thread = 1 }\n", 1, "id"),
    ("a = 1\n", 1, "a"),
    ("mode = local\ntelegram {\n", 2, "brace"),
    ("style = \"concise\n", 1, "quote"),
    ("ttl = soon\n", 1, "ttl"),
    ("telegram {\n webhook {\n  url = \"https://example.org/x\"\n} }\n", 3,
     "intake.http"),
    ("intake { http = \"127.0.0.1:9\" }\ntelegram { webhook {\n"
     " url = \"http://example.org/x\"\n} }\n", 3, "https"),
    ("intake { http = \"127.0.0.1:9\" }\ntelegram { webhook {\n"
     " url = \"https://example.org:8080/x\"\n} }\n", 3, "8443"),
    ("chat \"a\" {\n id = -5 thread = 7 topic = auto\n}\n", 1, "topic"),
    ("quiet_hours = \"25:00-26:00\"\n", 1, "quiet_hours")])
def test_errors_have_file_line_and_key(check, text, line, message):
    code, out = check(text, TELEGRAM_BOT_TOKEN=TOKEN)
    assert code == 78
    assert f"FILE:{line}: " in out and message in out
    assert "OK" not in out


def test_all_errors_are_told_at_once(check):
    code, out = check("a = 1\nb { c = 2 }\nmode = x\nttl = y\n"
                      "workers { format = 99 }\n")
    assert code == 78
    assert [out.count(f"FILE:{line}: ") for line in range(1, 6)] == [1] * 5


def test_a_missing_file_is_an_error(tmp_path):
    out = subprocess.run(
        [str(build_dir() / "cctgd"), "--check", "--config",
         str(tmp_path / "none.conf")],
        text=True, capture_output=True, timeout=10)
    assert out.returncode == 78 and "none.conf" in out.stderr


def test_a_readable_token_file_is_a_warning(check, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o644)
    code, out = check(f'telegram {{ token_file = "{token}" }}\n')
    assert code == 0 and "warning" in out and "SECRET" not in out
    token.chmod(0o600)
    code, out = check(f'telegram {{ token_file = "{token}" '
                      'allowed_users = {1} }\n')
    assert code == 0 and "warning" not in out


def test_random_files_do_no_harm(check):
    code, out = check("}{ = ,\x01 \"\\\n")
    assert code == 78
    for n in range(60):
        blob = bytes((i * 37 + n * 11 + i * i * n) % 127 + 1
                     for i in range(200)).decode("latin-1")
        code, out = check(blob)
        assert code in (0, 78), out


# -- the real tree ----------------------------------------------------------

def test_compression_level_0_stores_as_it_is(tmp_path):
    for level, packed in ((0, False), (1, True)):
        tree = Tree(tmp_path, config=f"compression {{ level = {level} }}\n")
        try:
            tree.send(type="x", title=f"level {level}",
                      description="again " * 5000)
            out = ctl(tree, "metrics")
            jobs, = (line.split()[1] for line in out.stdout.splitlines()
                     if line.startswith("cctg_compress_jobs_total"))
            assert (int(jobs) > 0) == packed
        finally:
            tree.stop()


def test_redis_without_its_program_is_said_and_left_out(tmp_path):
    tree = Tree(tmp_path, config='redis { url = "redis://127.0.0.1:1" }\n')
    try:
        status = tree.status()
        assert status["state"] == "ok" and status["redis"]["state"] == "off"
        assert "cctg-redis" in status["notice"]
        assert "without Redis" in tree.log()
        assert "redis" not in tree.names()
    finally:
        tree.stop()


# -- cctgctl and the real supervisor, with workers that do nothing ----------

@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path, dummy=True, env={"TELEGRAM_BOT_TOKEN": TOKEN})
    yield tree
    tree.stop()


def ctl(tree, *args, timeout=30):
    return subprocess.run(
        [str(build_dir() / "cctgctl"), "--config", str(tree.conf),
         *map(str, args)], text=True, capture_output=True, timeout=timeout,
        env={**tree.env, "NO_COLOR": "1"})


def test_ctl_status_and_workers(tree):
    out = ctl(tree, "status", "--json")
    status = json.loads(out.stdout)
    assert out.returncode == 0 and status["state"] == "ok"
    assert status["schema"] == 1
    out = ctl(tree, "status")
    assert out.returncode == 0 and "format/0" in out.stdout
    assert TOKEN not in out.stdout
    names = [w["name"] for w in
             json.loads(ctl(tree, "workers", "--json").stdout)["workers"]]
    assert "queue" in names and "format/0" in names
    assert ctl(tree, "ping").returncode == 0
    assert ctl(tree, "wait", "ready", "-t", 5).returncode == 0
    assert ctl(tree, "crashes").stdout == "no crashes\n"


def test_ctl_restart_and_wait(tree):
    outs = []
    thread = threading.Thread(target=lambda: outs.append(
        ctl(tree, "wait", "restarted", "format/0", "-t", 10)))
    thread.start()
    # Only a restart after the question counts; when was it asked?
    wait_for(lambda: outs or ctl(tree, "restart", "format/0").returncode)
    thread.join()
    assert outs[0].returncode == 0, outs[0].stderr
    out = ctl(tree, "wait", "restarted", "format/0", "-t", 0.2)
    assert out.returncode == 6
    assert ctl(tree, "restart", "nobody").returncode == 4
    assert ctl(tree, "drain", "nobody").returncode == 4


def test_ctl_reload(tree):
    assert ctl(tree, "reload").returncode == 0
    good = tree.conf.read_text()
    tree.conf.write_text(good + "# note\nmodee = local\n")
    out = ctl(tree, "reload")
    line = good.count("\n") + 2
    assert out.returncode == 78
    assert f"{tree.conf}:{line}: " in out.stderr and "modee" in out.stderr
    assert ctl(tree, "status").returncode == 0
    tree.conf.write_text(good.replace("run\"", "elsewhere\""))
    out = subprocess.run(
        [str(build_dir() / "cctgctl"), "--runtime-dir", str(tree.run),
         "reload"], text=True, capture_output=True, timeout=30)
    assert out.returncode == 0 and "runtime_dir" in out.stderr
    tree.conf.write_text(good)


def test_ctl_log_and_stop(tree):
    assert ctl(tree, "log", "verbose").returncode == 0
    out = ctl(tree, "stop")
    assert out.returncode == 0
    assert tree.process.wait(0.5) == 0
    assert ctl(tree, "status").returncode == 3
