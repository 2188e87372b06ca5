"""The manual of the daemon and what it does; rules that every source keeps.

The tables of keys and verbs are compared with their manuals in
tests/unit/test_conf_docs.c and test_ctl.py.
"""

import re
import subprocess

import pytest

from simlib import SOURCE, program

SOURCES = sorted(p for pattern in ("*/*.[ch]", "*/*/*.[ch]")
                 for p in SOURCE.glob(pattern)
                 if not p.relative_to(SOURCE).parts[0].startswith("build"))


def test_every_option_of_cctgd_is_in_its_manual():
    usage = subprocess.run([program("cctgd"), "--help"], text=True,
                           capture_output=True, check=True).stdout
    manual = (SOURCE / "man/cctgd.8").read_text()
    source = (SOURCE / "supervisor/cctgd.c").read_text()
    told = set(re.findall(r"Fl -([a-z-]+)", manual))
    known = set(re.findall(r'\{"([a-z-]+)", (?:no|required)_argument',
                           source))
    assert known and told == known
    assert set(re.findall(r"--([a-z-]+)", usage)) <= known


@pytest.mark.parametrize("args, code", [
    (["--version"], 0), (["--help"], 0), (["--no-such-option"], 64),
    (["operand"], 64), (["--ready-fd", "x"], 64),
    (["--check", "--config", "/nonexistent"], 78)])
def test_exit_codes_are_those_of_the_manual(tmp_path, args, code):
    out = subprocess.run([program("cctgd"), *args], text=True,
                         capture_output=True, cwd=tmp_path, check=False,
                         env={"HOME": str(tmp_path)}, timeout=10)
    assert out.returncode == code, out.stderr
    assert out.stdout if code == 0 else out.stderr
    manual = (SOURCE / "man/cctgd.8").read_text()
    assert f"\n.It {code}\n" in manual.split(".Sh EXIT STATUS")[1]


def test_what_the_installation_has():
    prefix = program("cctgd").parent.parent
    if not (prefix / "sbin/cctgd").exists():
        pytest.skip("not installed")
    for path in ("bin/cctgctl", "libexec/cctg/cctg-queue",
                 "etc/cctg/cctgd.conf", "share/man/man8/cctgd.8",
                 "share/man/man1/cctgctl.1", "share/man/man5/cctgd.conf.5",
                 "share/man/man5/cctg-events.5",
                 "share/man/man7/cctg-protocol.7",
                 "share/bash-completion/completions/cctgctl",
                 "lib/systemd/user/cctgd.service",
                 "lib/sysusers.d/cctg.conf", "lib/tmpfiles.d/cctg.conf",
                 "share/cctg/openrc/cctgd"):
        assert (prefix / path).is_file(), path
    unit = (prefix / "lib/systemd/system/cctgd.service").read_text()
    assert f"ExecStart={prefix}/sbin/cctgd\n" in unit
    assert "@" not in unit


def test_the_readme_names_what_there_is():
    readme = (SOURCE / "README.md").read_text()
    verbs = subprocess.run([program("cctgctl"), "--help"], text=True,
                           capture_output=True, check=True).stdout
    for verb in re.findall(r"cctgctl ([a-z]+)", readme):
        assert f"\n  {verb} " in verbs, verb
    for path in re.findall(r"`((?:supervisor|workers|ipc|common|ctl|tests|"
                           r"bench|man|etc)/[a-z_/.-]*)`", readme):
        assert (SOURCE / path).exists(), path


def test_house_rules():
    assert len(SOURCES) > 100
    broken = [f"{path.relative_to(SOURCE)}: {what}"
              for path in SOURCES for what in broken_rules(path.read_text())]
    assert not broken, "\n".join(broken)


def broken_rules(text):
    if not text.startswith("/*"):
        yield "no comment says what the file owns"
    if re.search(r"\b(FIXME|TODO:|XXX:)", text):
        yield "something is left to do"
    begin = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            begin = number
        elif line == "}" and begin:
            if number - begin > 80:
                yield f"the function at line {begin} has over 80 lines"
            begin = 0
