"""Fuzzes a reader, guided by coverage: needs `pip install atheris`.

    python -m tests.fuzz cpm -runs=200000

The first argument is one of `targets.TARGETS`, all others are libFuzzer's. Inputs that
crash a reader are written to the current folder.
"""

import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["mpii_pose", "PIL"]):
    from tests.fuzz.targets import TARGETS, seeds

_OPTIONS = ["-rss_limit_mb=3000", "-timeout=20", "-max_len=20000", "-len_control=0"]
# Files in memory, where there is such a folder, are faster.
_MEMORY = pathlib.Path("/dev/shm")


def main() -> None:
    """Fuzzes as the command line says."""
    program, target, *options = sys.argv
    with (
        tempfile.TemporaryDirectory() as corpus,
        tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as work,
    ):
        for i, data in enumerate(seeds(target)):
            (pathlib.Path(corpus) / f"seed_{i}").write_bytes(data)

        def read(data: bytes) -> None:
            TARGETS[target](pathlib.Path(work), data)

        atheris.Setup([program, corpus, *options, *_OPTIONS], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
