"""Fetches one large file over HTTP, in as many connections as that takes.

What has arrived is kept in a `.part` file, and beside it of which version of the file
it is. Later connections ask for the rest of that version (`Range` with `If-Range`).
Whatever else a server sends replaces the part or is refused: two versions are never
mixed.
"""

import contextlib
import dataclasses
import errno
import itertools
import json
import pathlib
import re
import shutil
import time
from collections.abc import Iterator
from typing import Final

import requests
import urllib3
from absl import logging
from etils import epath

from mpii_pose import progress

# Pauses of 0, 2, 4, 8, ... up to 120 s, while no byte arrives; 8 minutes together. A
# server that never answered is given up after 6 s.
_RETRIES: Final = urllib3.Retry(10, backoff_factor=1)
_FIRST_RETRIES: Final = _RETRIES.new(total=3)
_LONGEST_PAUSE_S: Final = 120
# How long a server may take to connect, and to send the next bytes.
_TIMEOUT_S: Final = (30, 60)
# What a cut loses at most of what has arrived.
_CHUNK: Final = 1 << 16
# As the file is on the server, not packed for the way.
_HEADERS: Final = {"Accept-Encoding": "identity"}
# Answers of servers that may say something else later.
_BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
_PARTIAL: Final = 206
_NO_SUCH_RANGE: Final = 416


class _TryAgainError(Exception):
    """The server has no answer now; the response may say when."""

    def __init__(self, reason: str, response: requests.Response):
        super().__init__(reason)
        self.response = response


_TEMPORARY: Final = (
    *(_TryAgainError, requests.ConnectionError, requests.Timeout),
    urllib3.exceptions.HTTPError,
)


@dataclasses.dataclass(frozen=True)
class _Version:
    """Which version of a file a server sends.

    Attributes:
        validator: Its strong ETag, or else its date; "" if the server gives neither.
        size: Its size in bytes; None if the server does not say.
    """

    validator: str = ""
    size: int | None = None

    @classmethod
    def of(cls, response: requests.Response) -> "_Version":
        """Returns the version that an answer is of, or is a part of."""
        etag = response.headers.get("ETag", "")
        date = response.headers.get("Last-Modified", "")
        size = response.headers.get("Content-Length", "")
        if response.status_code == _PARTIAL:
            size = response.headers.get("Content-Range", "").rpartition("/")[2]
        return cls(
            validator=etag if etag.startswith('"') else date,
            size=int(size) if size.isdecimal() else None,
        )

    @classmethod
    def read(cls, path: pathlib.Path) -> "_Version":
        """Reads a note; an unknown version if there is none or it is cut off."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def has_rest(self, response: requests.Response, *, start: int) -> bool:
        """Whether an answer is the rest of this version, from the byte `start` on."""
        found = _Version.of(response)  # Validators may be left out of it.
        return (
            found.validator in ("", self.validator)
            and found.size in (None, self.size)
            and re.match(rf"bytes {start}-", response.headers.get("Content-Range", ""))
            is not None
        )


def fetch(url: str, part: epath.PathLike, *, verify: bool = True) -> None:
    """Fetches a file, going on where an earlier call was stopped.

    Args:
        url: Its address.
        part: The file to write, which is whole when this returns; "PART.json" beside
            it says of which version it is.
        verify: Whether to check the server's certificate.

    Raises:
        ConnectionError: The file cannot be had; the message says why and what is kept.
        OSError: The disk is full.
    """
    part = pathlib.Path(part)
    retries, best = _FIRST_RETRIES, _size(part)
    with requests.Session() as session, _telling_what_is_kept(url, part):
        while True:
            try:
                _fetch_rest(session, url, part, verify=verify)
                return
            except _TEMPORARY as error:
                answered = isinstance(error, _TryAgainError)
                if _size(part) > best or (answered and retries is _FIRST_RETRIES):
                    retries = _RETRIES
                best = max(best, _size(part))
                retries = _pause(retries, url, part, error)


@contextlib.contextmanager
def _telling_what_is_kept(url: str, part: pathlib.Path) -> Iterator[None]:
    """Says of a download that Ctrl-C stops what is left of it."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{url}: {_kept(part)}") from None


def _pause(
    retries: urllib3.Retry, url: str, part: pathlib.Path, error: Exception
) -> urllib3.Retry:
    """Waits before the next connection; returns what is left of the patience."""
    reason = _describe(error)
    try:
        retries = retries.increment("GET", url, error=error)
    except urllib3.exceptions.MaxRetryError:
        raise ConnectionError(f"{url}: {reason}. {_kept(part)}") from error
    pause = retries.get_backoff_time()
    if isinstance(error, _TryAgainError):
        pause = retries.get_retry_after(error.response.raw) or pause
    pause = min(pause, _LONGEST_PAUSE_S)
    text = "%s: %s. %s MB are here; trying again in %.0f s, %d times more"
    have = f"{_size(part) / 1e6:,.1f}"
    logging.warning(text, url, reason, have, pause, (retries.total or 0) + 1)
    time.sleep(pause)
    return retries


def _fetch_rest(
    session: requests.Session, url: str, part: pathlib.Path, *, verify: bool
) -> None:
    """Fetches what is missing of a file in one connection."""
    note = _note_of(part)
    version = _Version.read(note)
    have = _size(part) if version.validator else 0
    if have and have == version.size:
        return  # Stopped just after the last byte.
    headers = dict(_HEADERS)
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version.validator}
    with session.get(
        url, headers=headers, stream=True, timeout=_TIMEOUT_S, verify=verify
    ) as response:
        _check_status(response, part)
        is_rest = response.status_code == _PARTIAL
        if response.status_code == _NO_SUCH_RANGE or (
            is_rest and not version.has_rest(response, start=have)
        ):
            note.unlink(missing_ok=True)  # Of what is here, nothing will be used.
            raise _TryAgainError("the file has changed on the server", response)
        chunks = response.raw.stream(_CHUNK, decode_content=False)
        if not is_rest:
            first = next(chunks, b"")
            if first.lstrip()[:1] == b"<":
                raise ConnectionError(_web_page(response, part))
            found = _Version.of(response)
            if have:
                _log_start_over(url, have, has_changed=found != version)
            version, have = found, 0
            # Before the note, which would else be taken for that of the old bytes.
            part.write_bytes(b"")
            note.write_text(json.dumps(dataclasses.asdict(version)))
            chunks = itertools.chain([first], chunks)
        _check_disk_space(part, (version.size or 0) - have)
        with (
            progress.bar(
                **{"total": version.size, "initial": have, "desc": part.name[:30]},
                **{"unit": "B", "unit_scale": True},
            ) as bar,
            part.open("ab", buffering=0) as file,
        ):
            for data in chunks:
                file.write(data)
                bar.update(len(data))
    if version.size not in (None, _size(part)):
        raise requests.ConnectionError(
            f"the connection was cut at {_size(part):,} of {version.size:,} bytes"
        )


def _check_status(response: requests.Response, part: pathlib.Path) -> None:
    """Raises the error that a server answers with."""
    answer = f"the server answered {response.status_code} {response.reason}"
    if response.status_code in _BUSY:
        raise _TryAgainError(answer, response)
    if "text/html" in response.headers.get("Content-Type", "") and response.ok:
        raise ConnectionError(_web_page(response, part))
    if not response.ok and response.status_code != _NO_SUCH_RANGE:
        raise ConnectionError(f"{response.url}: {answer}. {_kept(part)}")


def _web_page(response: requests.Response, part: pathlib.Path) -> str:
    return (
        f"{response.url}: the server answered with a web page instead of the file. "
        "Does this network want a login? Open the address in a browser. "
        f"{_kept(part)}"
    )


def _log_start_over(url: str, have: int, *, has_changed: bool) -> None:
    reason = "does not send parts of files"
    if has_changed:
        reason = "has another version of the file now"
    text = "%s: the server %s: fetching it from its start, leaving %s MB aside"
    logging.warning(text, url, reason, f"{have / 1e6:,.1f}")


def _check_disk_space(part: pathlib.Path, num_bytes: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < num_bytes:
        raise OSError(
            errno.ENOSPC,
            f"Not enough disk space: {num_bytes / 1e9:.1f} GB are still to be "
            f"downloaded, {free / 1e9:.1f} GB are free. {_kept(part)}",
            str(part),
        )


def _describe(error: Exception) -> str:
    """Says what an error was, without the names of classes around it."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        connecting = isinstance(error, requests.ConnectTimeout)
        return f"no answer for {_TIMEOUT_S[not connecting]} s"
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause))


def _note_of(part: pathlib.Path) -> pathlib.Path:
    return part.with_name(part.name + ".json")


def _size(part: pathlib.Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _kept(part: pathlib.Path) -> str:
    """Says what is left of a download that stops."""
    if not (have := _size(part)):
        return "Nothing was downloaded"
    goes_on = "goes on there"
    if not _Version.read(_note_of(part)).validator:
        goes_on = "begins anew, as the server does not say which version they are of"
    return f"{have / 1e6:,.1f} MB are kept in {part}: the same command {goes_on}"
