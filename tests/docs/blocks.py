"""Reads the code blocks of README and guides, and checks commands without running them.

A block after `<!-- skip: next -->` is left out, and one after `<!-- skip: next
if("torch" not in installed, reason="needs torch") -->` where PyTorch is not.
"""

import functools
import itertools
import pathlib
import re
import shlex
import subprocess
import sys

import sybil
from packaging.requirements import Requirement
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from tests import builds
from tests.builds import ROOT

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

# Others' programs, which need not be here.
FOREIGN = {"cd", "curl", "dask", "df", "docker", "export", "git", "go", "java", "mkdir"}
FOREIGN |= {"mvn", "pre-commit", "prism", "rm", "source", "spark-submit", "wget"}


class BadCommandError(Exception):
    """A command in the documentation could not be run as it is printed."""


def parse(path: pathlib.Path) -> sybil.Document:
    """Returns a document; evaluating its examples runs or checks each block."""
    parsers = [
        SkipParser(),
        CodeBlockParser("python", run),
        *(CodeBlockParser(name, check_block) for name in ("bash", "sh", "shell")),
    ]
    return sybil.Sybil(parsers=parsers, path=str(ROOT)).parse(path)


def run(example: sybil.Example) -> None:
    """Runs a program in a process of its own, and other code in this one."""
    if '__name__ == "__main__"' not in example.parsed:
        return PythonEvaluator()(example)
    pathlib.Path("program.py").write_text(example.parsed)
    subprocess.run([sys.executable, "program.py"], check=True)


def table(path: pathlib.Path, head: str) -> dict[str, list[str]]:
    """Returns the code in a table, by what stands in the first column.

    Args:
        path: The document.
        head: What stands above the first column.
    """
    lines = iter(path.read_text().splitlines())
    next(line for line in lines if line.startswith(f"| {head} |"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    cells = (row.strip("|").split("|", 1) for row in rows if "---" not in row)
    return {name.strip(): re.findall("`(.+?)`", code) for name, code in cells}


def check_block(example: sybil.Example) -> None:
    """Raises a `BadCommandError` where a line of a shell block cannot be right."""
    for line in re.sub(r"\\\n\s*", "", example.parsed).splitlines():
        for command in re.split(r"\s*(?:&&|\||;)\s*", line):
            words = shlex.split(command, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                check_command(words)


def check_command(words: list[str]) -> None:
    """Raises a `BadCommandError` if the program or an option does not exist."""
    program, *rest = words
    if program == "pip":
        check_requirements(rest)
    elif program in FOREIGN or program.startswith(("apache_beam", "SPARK")):
        return
    elif words[:3] == ["python", "-m", "mpii_pose"]:
        parse_as_ours(words[3:])
    elif program == "python" and rest[0] == "-m":
        check_options(["-m", rest[1]], rest[2:])
    elif program == "python":
        check_file(rest[0])
        check_options([rest[0]], rest[1:])
    elif program == "tfds":
        cli = "tensorflow_datasets.scripts.cli.main"
        check_options(["-m", cli, rest[0]], rest[1:])
    elif "/" in program:
        check_file(program)
    elif program not in ("ruff", "mypy", "pytest"):
        raise BadCommandError(f"unknown program {program!r} in {words}")


def check_file(name: str) -> None:
    if not (ROOT / name).is_file():
        raise BadCommandError(f"{name} is no file of the repository")


def parse_as_ours(arguments: list[str]) -> None:
    from mpii_pose.tools.main import make_parser

    try:
        make_parser().parse_args(arguments)
    except SystemExit as error:
        if error.code:
            raise BadCommandError(f"python -m mpii_pose {arguments}") from error


def check_options(command: list[str], arguments: list[str]) -> None:
    known = known_options(tuple(command))
    for word in arguments:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            raise BadCommandError(f"{' '.join(command)} has no option {option}")


@functools.cache
def known_options(command: tuple[str, ...]) -> set[str]:
    """Returns the long options that the help of a Python program names."""
    found = builds.run("python", *command, "--help")
    if found.returncode:
        raise BadCommandError(f"{command} --help failed: {found.stderr[-500:]}")
    return set(re.findall(r"--[a-z][\w-]*", found.stdout))


def check_requirements(arguments: list[str]) -> None:
    """Checks what pip is asked to install, and that we have the extras."""
    text = (ROOT / "setup.py").read_text()
    for word in arguments[1:]:
        if word.startswith("-"):
            continue
        if word.endswith(".txt"):
            check_file(word)
        local = re.fullmatch(r"\.(?:\[(.*)\])?", word)
        if local:
            extras = set((local[1] or "").split(",")) - {""}
        else:
            requirement = Requirement(word)
            extras = requirement.extras if requirement.name == "mpii_pose" else set()
        for extra in extras - {"EXTRA"}:
            if f'"{extra}": [' not in text:
                raise BadCommandError(f"setup.py has no extra {extra}")
