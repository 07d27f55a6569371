"""Fuzzes a reader, guided by coverage: needs `pip install atheris`.

    python -m tests.fuzz matlab -runs=200000

The first argument is one of `targets.TARGETS`, all others are libFuzzer's. Inputs that
crash a reader are written to the current folder.
"""

import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["mpii_pose", "PIL"]):
    from tests.fuzz.targets import TARGETS, seeds


def main() -> None:
    """Fuzzes as the command line says."""
    program, target, *options = sys.argv
    with tempfile.TemporaryDirectory() as corpus:
        for i, data in enumerate(seeds(target)):
            (pathlib.Path(corpus) / f"seed_{i}").write_bytes(data)
        options += [
            "-rss_limit_mb=3000",
            "-timeout=20",
            "-max_len=20000",
            "-len_control=0",
        ]
        atheris.Setup([program, corpus, *options], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
