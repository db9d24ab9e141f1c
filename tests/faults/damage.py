"""Damage done on purpose: stored tiles of a TIFF spoilt where one wants.  Standard library only."""
import struct

TILE_OFFSETS, TILE_BYTES, WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT = 324, 325, 256, 257, 322, 323
SIZES = {1: 1, 3: 2, 4: 4, 5: 8, 16: 8}
LETTERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


class Tiff:
    """The directories of a TIFF or BigTIFF in memory; values are read and overwritten in place."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = bytearray(f.read())
        self.order = {b"II": "<", b"MM": ">"}[bytes(self.data[:2])]
        self.big = self.get("H", 2) == 43
        self.directories = []
        at = self.get("Q", 8) if self.big else self.get("I", 4)
        while at:
            at = self.read_directory(at)

    def get(self, letter, at):
        return struct.unpack_from(self.order + letter, self.data, at)[0]

    def read_directory(self, at):
        count, step = (self.get("Q", at), 20) if self.big else (self.get("H", at), 12)
        first = at + (8 if self.big else 2)
        entries = {self.get("H", first + i * step): first + i * step for i in range(count)}
        self.directories.append(entries)
        return self.get("Q" if self.big else "I", first + count * step)

    def where(self, directory, tag):
        """Place, letter and number of the values of a tag."""
        entry = self.directories[directory][tag]
        kind = self.get("H", entry + 2)
        count = self.get("Q" if self.big else "I", entry + 4)
        at, room = (entry + 12, 8) if self.big else (entry + 8, 4)
        if SIZES[kind] * count > room:
            at = self.get("Q" if self.big else "I", at)
        return at, LETTERS[kind], count

    def values(self, directory, tag):
        at, letter, count = self.where(directory, tag)
        return list(struct.unpack_from(f"{self.order}{count}{letter}", self.data, at))

    def put(self, directory, tag, index, value):
        at, letter, _ = self.where(directory, tag)
        struct.pack_into(self.order + letter, self.data, at + index * struct.calcsize(letter), value)

    def tiled(self):
        return [d for d in range(len(self.directories)) if TILE_OFFSETS in self.directories[d]]

    def tiles(self, directory):
        return len(self.values(directory, TILE_OFFSETS))

    def grid(self, directory):
        """Edge of a tile and tiles across."""
        width, edge = self.values(directory, WIDTH)[0], self.values(directory, TILE_WIDTH)[0]
        return edge, (width + edge - 1) // edge

    def spoil(self, directory, tile, way):
        offset, size = self.values(directory, TILE_OFFSETS)[tile], self.values(directory, TILE_BYTES)[tile]
        if way == "noise":
            self.data[offset:offset + size] = bytes((i * 37 + 11) % 251 for i in range(size))
        elif way == "markers":  # no tables, no frame: the decoder meets a wrong marker at once
            self.data[offset:offset + min(size, 64)] = b"\xff\xd8\xff\x01" * (min(size, 64) // 4)
        elif way == "cut":
            self.put(directory, TILE_BYTES, tile, max(size // 8, 4))
        elif way == "beyond":
            self.put(directory, TILE_OFFSETS, tile, len(self.data) + 100000)
        elif way == "zero":  # a length of 0 with a place is damage; without a place it is an empty tile
            self.put(directory, TILE_BYTES, tile, 0)
        else:
            raise ValueError(way)

    def save(self, path):
        with open(path, "wb") as f:
            f.write(self.data)
        return path


WAYS = ["noise", "markers", "cut", "beyond", "zero"]
