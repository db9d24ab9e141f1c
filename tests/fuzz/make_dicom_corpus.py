#!/usr/bin/env python3
"""Small DICOM files for the fuzz target and for mutations: every path of the reader, no byte of anybody's image.

usage: make_dicom_corpus.py FOLDER
"""
import os
import struct
import sys
import zlib

EXPLICIT, IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT"}


def element(group, number, vr, value, syntax=EXPLICIT):
    order = ">" if syntax == BIG else "<"
    if isinstance(value, str):
        value = value.encode() + (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    elif isinstance(value, int):
        value = struct.pack(order + "H", value)
    tag = struct.pack(order + "HH", group, number)
    if syntax == IMPLICIT:
        return tag + struct.pack("<I", len(value)) + value
    if vr in LONG:
        return tag + vr + b"\0\0" + struct.pack(order + "I", len(value)) + value
    return tag + vr + struct.pack(order + "H", len(value)) + value


def item(body):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body


def meta(syntax):
    body = element(2, 0x10, b"UI", syntax)
    return b"\0" * 128 + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(body))) + body


def header(s=EXPLICIT, rows=8, columns=8, samples=1, colour="MONOCHROME2", bits=16, stored=12, signed=0, frames=1, extra=b"", place=(0, 0, 0)):
    e = lambda *a: element(*a, syntax=s)
    out = e(8, 0x16, b"UI", "1.2.840.10008.5.1.4.1.1.2") + e(8, 0x18, b"UI", "1.2.3.4") + e(8, 0x60, b"CS", "CT")
    out += e(0x18, 0x50, b"DS", "2.5") + e(0x20, 0xE, b"UI", "1.2.3") + e(0x20, 0x32, b"DS", "\\".join(map(str, place)))
    out += e(0x20, 0x37, b"DS", "1\\0\\0\\0\\1\\0") + e(0x28, 2, b"US", samples) + e(0x28, 4, b"CS", colour)
    if samples == 3:
        out += e(0x28, 6, b"US", 0)
    out += e(0x28, 8, b"IS", str(frames)) + e(0x28, 0x10, b"US", rows) + e(0x28, 0x11, b"US", columns) + e(0x28, 0x30, b"DS", "0.7\\0.8")
    out += e(0x28, 0x100, b"US", bits) + e(0x28, 0x101, b"US", stored) + e(0x28, 0x102, b"US", stored - 1) + e(0x28, 0x103, b"US", signed)
    return out + e(0x28, 0x1052, b"DS", "-1024") + e(0x28, 0x1053, b"DS", "1") + extra


def words(n, s=EXPLICIT):
    return struct.pack((">" if s == BIG else "<") + f"{n}H", *[(37 * i) % 4096 for i in range(n)])


def native(s, **kw):
    return meta(s) + header(s, **kw) + element(0x7FE0, 0x10, b"OW", words(64, s), s)


def groups(n):
    """Per-frame functional groups: a stack."""
    body = b""
    for k in range(n):
        place = element(0x20, 0x9113, b"SQ", item(element(0x20, 0x32, b"DS", f"0\\0\\{2 * k}")))
        body += item(place)
    return element(0x5200, 0x9230, b"SQ", body)


def encapsulated(frames):
    out = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + item(b"")
    for frame in frames:
        out += item(frame + b"\0" * (len(frame) % 2))
    return out + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def rle(planes):
    head = struct.pack("<I", len(planes)) + b"".join(struct.pack("<I", 64 + 10 * i) for i in range(len(planes)))
    return head.ljust(64, b"\0") + b"".join(bytes([0x100 - 31, p, 0x100 - 31, p + 1]) + b"\x80" * 6 for p in planes)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    files = {"implicit": native(IMPLICIT), "explicit": native(EXPLICIT), "big": native(BIG), "signed": native(EXPLICIT, signed=1)}
    body = header() + element(0x7FE0, 0x10, b"OW", words(64))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    files["deflated"] = meta(DEFLATED) + deflate.compress(body) + deflate.flush()
    files["bare"] = body
    files["stack"] = meta(EXPLICIT) + header(frames=4, rows=4, columns=4, extra=groups(4)) + element(0x7FE0, 0x10, b"OW", words(64))
    files["rle"] = meta("1.2.840.10008.1.2.5") + header(bits=16, stored=16) + encapsulated([rle([1, 40])])
    files["inverted"] = native(EXPLICIT, colour="MONOCHROME1")
    table = b"".join(element(0x28, 0x1101 + i, b"US", struct.pack("<HHH", 4, 0, 16)) for i in range(3))
    table += b"".join(element(0x28, 0x1201 + i, b"OW", words(4)) for i in range(3))
    files["palette"] = meta(EXPLICIT) + header(colour="PALETTE COLOR", bits=8, stored=8, extra=table) + element(0x7FE0, 0x10, b"OB", bytes(range(64)))
    files["halved"] = meta(EXPLICIT) + header(colour="YBR_FULL_422", samples=3, bits=8, stored=8) + element(0x7FE0, 0x10, b"OB", bytes(range(128)))
    slide = element(0x20, 0x9311, b"CS", "TILED_FULL") + element(0x48, 6, b"UL", struct.pack("<I", 14)) + element(0x48, 7, b"UL", struct.pack("<I", 15))
    files["slide"] = meta(EXPLICIT) + header(frames=4, bits=8, stored=8, extra=slide) + element(0x7FE0, 0x10, b"OB", bytes(range(256)))
    deep = b""
    for _ in range(40):
        deep = element(8, 0x1115, b"SQ", item(deep))
    files["deep"] = meta(EXPLICIT) + deep + body
    # an element in an item of a sequence that no representation names, larger than all that holds it
    claim = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + struct.pack("<HHI", 8, 0x1150, 0x60000000) + b"1.2."
    files["claim"] = meta(IMPLICIT) + struct.pack("<HHI", 8, 0x1140, len(claim)) + claim + header(IMPLICIT) + element(0x7FE0, 0x10, b"OW", words(64), IMPLICIT)
    lut = element(0x28, 0x3002, b"US", struct.pack("<HHH", 16, 0, 16)) + element(0x28, 0x3006, b"OW", words(16))
    files["table"] = native(EXPLICIT, extra=element(0x28, 0x3000, b"SQ", item(lut)))
    floats = header()[: header().index(struct.pack("<HH", 0x28, 0x100))] + element(0x28, 0x100, b"US", 32)
    files["floats"] = meta(EXPLICIT) + floats + element(0x7FE0, 8, b"OW", struct.pack("<64f", *range(64))).replace(b"OW", b"OF")
    for name, data in files.items():
        open(os.path.join(folder, name), "wb").write(data)


if __name__ == "__main__":
    main(sys.argv[1])
