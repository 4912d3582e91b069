"""The words of the command line, in both languages."""

from __future__ import annotations

import importlib
import os
import pkgutil
import string
import subprocess
import sys

import pytest

import edge.cli
import edge.doctor
from edge.cli.words import Catalogue, language_of

MODULES = [
    f"{package.__name__}.{found.name}"
    for package in (edge.cli, edge.doctor)
    for found in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_each_sentence_is_there_twice_and_takes_the_same(name: str) -> None:
    module = importlib.import_module(name)
    for catalogue in (c for c in vars(module).values() if isinstance(c, Catalogue)):
        for key, (english, chinese) in catalogue:
            fields = [
                sorted(str(field) for _, field, _, _ in string.Formatter().parse(text) if field)
                for text in (english, chinese)
            ]
            assert fields[0] == fields[1], key
            assert english.isascii() or "…" in english, key
            a_command = english == chinese
            assert a_command or any("\u4e00" <= letter <= "\u9fff" for letter in chinese), key


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_locale_decides(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_a_command_speaks_chinese_where_the_locale_says_so() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from edge.cli import main; main()", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "zh_CN.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "退出码" in said


def test_a_shell_completes_commands_and_options() -> None:
    def completed(*typed: str) -> list[str]:
        asked = {
            "_LINESIDE_EDGE_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("lineside-edge", *typed)),
            "COMP_CWORD": str(len(typed)),
        }
        return subprocess.run(
            [sys.executable, "-c", _AS_INSTALLED],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **asked},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

    assert completed("jo") == ["journal"]
    assert completed("discover", "s") == ["s7"]
    assert "--config" in completed("doctor", "--")


@pytest.mark.parametrize("locale", ["C.UTF-8", "zh_CN.UTF-8"])
@pytest.mark.parametrize("group", [[], ["discover"]])
def test_a_list_of_commands_says_of_each_what_it_does(locale: str, group: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from edge.cli import main; main()", *group, "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": locale},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = told.partition("Commands:\n")[2]
    assert commands
    assert "..." not in commands


_AS_INSTALLED = "import sys; sys.argv = ['lineside-edge']; from edge.cli import main; main()"


def test_the_agent_holds_no_command_but_its_own() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['lineside-edge', 'run', '--help']\n"
            "from edge.cli import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "print(*(m for m in sys.modules if m.startswith('edge.')))",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[-1]
    held = {name for name in told.split() if name.startswith("edge.cli.")}
    assert held == {"edge.cli.run", "edge.cli.output", "edge.cli.words"}
