"""Shows progress on stderr: bars on terminals and in notebooks, elsewhere lines.

`tfds.disable_progress_bar` switches all of it off.
"""

import io
import sys
from collections.abc import Iterable
from typing import Any

from mpii_pose import tfds_private

_LINE_INTERVAL_S = 10


def bar(iterable: Iterable[Any] | None = None, **options: Any) -> Any:
    """Returns a progress bar with speed and the time left; `options` are tqdm's."""
    where: dict[str, Any] = {"leave": False}
    # A notebook has no terminal, but shows bars; only its shell has a kernel.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if not (sys.stderr.isatty() or hasattr(shell, "kernel")):
        interval = {"mininterval": _LINE_INTERVAL_S, "maxinterval": _LINE_INTERVAL_S}
        where = {"file": _Lines(), "ncols": 0, "position": 0, **interval}
    return tfds_private.tqdm(iterable, **where, **options)


def step(text: str) -> Any:
    """Returns a bar that shows a text only, for work of unknown length."""
    return bar(desc=text, bar_format="{desc}")


class _Lines(io.StringIO):
    """Prints each new state of a progress bar on a line of its own."""

    _last = ""

    def write(self, text: str) -> int:
        line = text.strip()
        if line and line != self._last:
            self._last = line
            print(line, file=sys.stderr, flush=True)
        return len(text)
