"""Trees of workers that do nothing but misbehave on command.

    with running(tmp_path) as tree:
        tree.order("format/0", "spin")
"""

import signal
import subprocess

from treelib import Tree

SINGLES = ["queue", "intake", "telegram", "monitor"]
POOLS = ["analyze/0", "format/0", "compress/0"]
SMALL = "workers { analyze = 1  format = 1  compress = 1 }\n"
TOKEN = "123456789:AAE-a-token-that-must-not-be-seen-00"


class running:
    """A tree of dummies that is stopped at the end, whatever happens."""

    def __init__(self, path, config=SMALL, **options):
        self.tree = Tree(path, dummy=True, config=config, **options)

    def __enter__(self):
        return self.tree

    def __exit__(self, *exc):
        if self.tree.process is not None and \
                self.tree.process.poll() is None:
            self.tree.process.send_signal(signal.SIGTERM)
            try:
                self.tree.process.wait(8)
            except subprocess.TimeoutExpired:
                self.tree.process.kill()
                raise


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]
