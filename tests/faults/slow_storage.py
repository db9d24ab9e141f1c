"""A folder mounted through slow_fs, and where a TIFF keeps its tiles.  Standard library only."""
import os
import shutil
import struct
import subprocess
import time


def why_not(slow_fs):
    """What is missing for a mount, or None."""
    if not slow_fs:
        return "slow_fs was not built: libfuse3 is missing"
    if shutil.which("fusermount3") is None:
        return "fusermount3 is missing"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    return None


class Mount:
    """with Mount(program, folder, point, delay_ms=50, direct=True) as m: ..."""

    def __init__(self, slow_fs, folder, point, **options):
        os.makedirs(point, exist_ok=True)
        words = [name if value is True else f"{name}={value}" for name, value in options.items() if value]
        command = [slow_fs, folder, point, "-f"] + (["-o", ",".join(words)] if words else [])
        self.point = point
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not os.path.ismount(point):
            if self.process.poll() is not None:
                raise OSError(f"slow_fs ended with {self.process.returncode}: {self.process.stderr.read()}")
            time.sleep(0.01)

    def path(self, *parts):
        return os.path.join(self.point, *parts)

    def close(self):
        subprocess.run(["fusermount3", "-u", "-z", self.point], stderr=subprocess.DEVNULL)
        self.process.wait()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tiles_of(path):
    """(offset, bytes) of each tile of the first directory of a little-endian TIFF or BigTIFF."""
    with open(path, "rb") as f:
        head = f.read(16)
        assert head[:2] == b"II", head
        big = struct.unpack("<H", head[2:4])[0] == 43
        f.seek(struct.unpack("<Q", head[8:16])[0] if big else struct.unpack("<I", head[4:8])[0])
        n = struct.unpack("<Q", f.read(8))[0] if big else struct.unpack("<H", f.read(2))[0]
        entries = f.read(n * (20 if big else 12))
        tags = {}
        for i in range(n):
            tag, kind, count, value = struct.unpack_from("<HHQQ" if big else "<HHII", entries, i * (20 if big else 12))
            tags[tag] = kind, count, value

        def values(tag):
            kind, count, value = tags[tag]
            letter, size = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}[kind]
            if count * size <= (8 if big else 4):
                return struct.unpack_from(f"<{count}{letter}", struct.pack("<Q", value))
            f.seek(value)
            return struct.unpack(f"<{count}{letter}", f.read(count * size))

        return list(zip(values(324), values(325)))
