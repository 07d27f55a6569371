"""Keeps TensorFlow from greeting: what TF_CPP_MIN_LOG_LEVEL hides is hidden.

The default is 2, which leaves errors; TF_CPP_MIN_LOG_LEVEL=0 shows everything again.
TensorFlow 2.21 reads the variable after it has been loaded, and has greeted by then:
its greetings are taken out of what it writes to stderr while it is imported.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder

GREETING = re.compile(
    rb"^(I\d{4} |WARNING: All log messages before absl::InitializeLog|"
    rb"To enable the following instructions: |"
    rb"E\d{4} .*failed call to cuInit: ).*\n",  # No GPU.
    re.MULTILINE,
)


class QuietFinder:
    """Finds TensorFlow where Python finds it, and makes its import quiet."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: object = None, /
    ) -> ModuleSpec | None:
        """Returns the spec of TensorFlow; None for any other module."""
        spec = PathFinder.find_spec(name, path) if name == "tensorflow" else None
        if spec and spec.loader:
            # A method of this one loader, not of its class.
            load = without_greetings()(spec.loader.exec_module)
            setattr(spec.loader, "exec_module", load)  # noqa: B010
        return spec


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Holds back what is written to stderr, and passes it on without greetings."""
    with contextlib.ExitStack() as stack:
        try:
            stderr = os.dup(2)
            held_back = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # No stderr, or no room: then they are seen.
            yield
            return
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            os.write(2, GREETING.sub(b"", held_back.read()))


def install() -> None:
    """Hides the greetings of a TensorFlow that is not imported yet."""
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if level != "0" and PathFinder in sys.meta_path:
        sys.meta_path.insert(sys.meta_path.index(PathFinder), QuietFinder)
