"""Feeds files that were made to do harm to the package, and prints what they cost.

python benchmarks/hostile_input.py

Each file is read in a process of its own; memory is what its peak grows by.
"""

import gzip
import io
import multiprocessing
import pathlib
import struct
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable

import PIL.Image


def _zeros(num_bytes: int) -> bytes:
    """A gzip stream of zeros."""
    return gzip.compress(bytes(10_000_000)) * (num_bytes // 10_000_000)


def _tar(kind: bytes, num_bytes: int) -> bytes:
    info = tarfile.TarInfo("zeros")
    info.type, info.size = kind, num_bytes
    return gzip.compress(info.tobuf()) + _zeros(num_bytes)


def _zip_of_a_million() -> bytes:
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, 7, *[0] * 6)
    entries = b"".join(entry + b"%07d" % i for i in range(1_000_000))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entries), 0, 0)
    return b"PK\3\4" + entries + end


def _zipped_mat() -> bytes:
    packed = zlib.compress(bytes(2_000_000_000))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    return header + struct.pack("<II", 15, len(packed)) + packed


def _giant_image(kind: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (64, 64)).save(file, kind)
    data, side = file.getvalue(), 65_500
    if kind == "PNG":
        chunk = b"IHDR" + struct.pack(">2L", side, side) + data[24:29]
        return data[:12] + chunk + struct.pack(">L", zlib.crc32(chunk)) + data[33:]
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">2H", side, side) + data[frame + 9 :]


CASES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "10 GB of zeros in a .tar.gz": ("a.tar.gz", lambda: _tar(b"0", 10**10)),
    "1 GB of a header in a .tar.gz": ("a.tar.gz", lambda: _tar(b"x", 10**9)),
    "1,000,000 files in a .zip": ("a.zip", _zip_of_a_million),
    "2 GB of zeros in a .mat": ("a.mat", _zipped_mat),
    "1 GB of numbers in a .json.gz": (
        "train.json",
        lambda: gzip.compress(b"[" + b"0," * 500_000_000 + b"0]", 1),
    ),
    "1,000,000 nested lists in JSON": ("train.json", lambda: b"[" * 1_000_000),
    "65,500 x 65,500 JPEG": ("a.jpg", lambda: _giant_image("JPEG")),
    "65,500 x 65,500 PNG": ("a.jpg", lambda: _giant_image("PNG")),
}


def read(path: pathlib.Path) -> tuple[float, float, str]:
    """Reads a file as a build would; returns seconds, MiB, and how it ended."""
    import mpii_pose
    from mpii_pose.release import archives
    from mpii_pose.shards.images import ImageFile

    # The first file is there for what reading imports.
    for file in (path.parent / "harmless" / path.name, path):
        before, start = _peak(), time.perf_counter()
        try:
            if path.suffix == ".zip":
                archives.find_in_zip(file, "a.mat")
            elif path.name.endswith(".tar.gz"):
                archives.extract(file, path.parent / "extracted")
            elif path.suffix == ".jpg":
                ImageFile(str(file), file.stat().st_size).read()
            else:
                mpii_pose.read_people(file)
            end = "read"
        except Exception as error:
            end = f"{type(error).__name__}: {error}".replace(f"{path} ", "")
    return time.perf_counter() - start, (_peak() - before) / 1024, end


def _peak() -> int:
    """Returns the peak of resident memory in KiB; `getrusage` has the parent's too."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Reads each file in turn."""
    context = multiprocessing.get_context("spawn")
    for title, (name, make) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.write_bytes(make())
            (path.parent / "harmless").mkdir()
            (path.parent / "harmless" / name).write_bytes(b"[]")
            with context.Pool(1) as pool:
                seconds, mib, end = pool.apply(read, (path,))
            print(
                f"{title} ({path.stat().st_size:,} bytes): {seconds:.2f} s, "
                f"{mib:.0f} MiB, {end:.90}",
                flush=True,
            )


if __name__ == "__main__":
    main()
