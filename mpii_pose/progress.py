"""Shows progress: bars on terminals and in notebooks, elsewhere lines in the log."""

import io
import sys
from typing import Any

from absl import logging

from mpii_pose import tfds_private

_LOG_INTERVAL_S = 30


def bar(**options: Any) -> Any:
    """Returns a progress bar with speed and the time left; `options` are tqdm's."""
    where: dict[str, Any] = {"leave": False}
    # A notebook has no terminal, but shows bars; only its shell has a kernel.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if not (sys.stderr.isatty() or hasattr(shell, "kernel")):
        interval = {"mininterval": _LOG_INTERVAL_S, "maxinterval": _LOG_INTERVAL_S}
        where = {"file": _LogFile(), "ncols": 0, **interval}
    return tfds_private.tqdm(**where, **options)


class _LogFile(io.StringIO):
    """Logs what a progress bar prints."""

    def write(self, text: str) -> int:
        if text.strip():
            logging.info("%s", text.strip())
        return len(text)
