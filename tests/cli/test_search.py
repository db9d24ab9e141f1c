"""`microtome search`: hits and scores equal to a brute-force search in NumPy, what is left out, refusals word by word, the sheet."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome  # noqa: E402

try:
    import h5py
    import numpy as np
    from made_results import write_headline
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

DIM = 24


def write_case(out, case, features, valid=None, embedding=None, encoder="made", sha="cd" * 32, head="ab" * 32, thumbnail=True, planes=False, demonstration=False):
    os.makedirs(os.path.join(out, "cases"), exist_ok=True)
    path = os.path.join(out, "cases", f"{case}.h5")
    n = len(features)
    with h5py.File(path, "w", userblock_size=4096) as f:
        coords = np.array([[i % 8 * 512, i // 8 * 512] + ([i % 3] if planes else []) for i in range(n)], dtype="i8")
        d = f.create_dataset("coords", data=coords)
        d.attrs["tile_level0"] = np.array([512.0, 512.0])
        d.attrs["level0_width"], d.attrs["level0_height"] = 4096, 512 * ((n + 7) // 8)
        d = f.create_dataset("features", data=np.asarray(features, dtype="f4"))
        d.attrs["encoder"], d.attrs["encoder_sha256"] = encoder, sha
        if valid is not None:
            f.create_dataset("valid", data=np.asarray(valid, dtype="u1"))
        if embedding is not None:
            f.create_dataset("embedding", data=np.asarray(embedding, dtype="f4"))
        if thumbnail:
            f.create_dataset("thumbnail", data=np.full((60, 80, 3), 200, dtype="u1"))
    write_headline(path, {"schema": 1, "id": case, "status": "ok", "decision": "none", "tiles": n, "invalid_tiles": 0, "encoder": encoder, "head": "h", "head_sha256": head,
                          "demonstration": demonstration})


def cohort(folder, embeddings=False, seed=3):
    """Six cases; each copies some tiles of the one before, so that scores are tied."""
    rng = np.random.default_rng(seed)
    out, cases, last = os.path.join(folder, "out"), {}, None
    for i in range(6):
        x = rng.normal(size=(700 + 300 * i, DIM)).astype("f4") + 0.5
        if last is not None:
            x[10:20] = last[10:20]
        x[5] = 0
        valid = rng.random(len(x)) > 0.1
        valid[7] = True
        embedding = rng.normal(size=DIM).astype("f4") if embeddings else None
        cases[f"s{i}"] = (x, valid, embedding)
        write_case(out, f"s{i}", x, valid, embedding)
        last = x
    return out, cases


def unit(x):
    x = np.asarray(x, dtype="f8")
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def brute_tiles(cases, case, tile, k, other=False):
    query, found = unit(cases[case][0][tile]), []
    for name, (x, valid, _) in cases.items():
        if other and name == case:
            continue
        for i in np.flatnonzero(valid & (np.abs(x).sum(1) > 0)):
            if (name, i) != (case, tile):
                found.append((-float(unit(x[i]) @ query), name, int(i)))
    return sorted((round(s, 12), n, i) for s, n, i in found)[:k]


def search(out, *args):
    answer = microtome("search", out, *args, "--json")
    equal((answer.code, answer.err), (0, ""))
    return json.loads(answer.out)


def refuse(code, message, *args):
    answer = microtome("search", *args)
    equal((answer.code, answer.out, answer.err), (code, "", f"microtome search: {message}\n"))


def nearest_tiles_equal_numpy(folder):
    out, cases = cohort(folder)
    for k, other in ((1, False), (10, False), (50, True), (400, False)):
        answer = search(out, "--tile", "s3:7", "-k", k, *(["--other-cases"] if other else []))
        wanted = brute_tiles(cases, "s3", 7, k, other)
        equal([(h["id"], h["tile"]) for h in answer["hits"]], [(n, i) for _, n, i in wanted])
        assert max(abs(h["score"] + w[0]) for h, w in zip(answer["hits"], wanted)) < 1e-12
        assert all((h["x"], h["y"], h["plane"]) == (h["tile"] % 8 * 512, h["tile"] // 8 * 512, 0) for h in answer["hits"])
    compared = sum(int((v & (np.abs(x).sum(1) > 0)).sum()) for x, v, _ in cases.values()) - 1
    equal((answer["compared"], answer["left_out"], answer["query"]["tile"]), (compared, [], 7))


def copies_are_tied_by_id_then_tile(folder):
    out, cases = cohort(folder)
    x = cases["s0"][0][:40].copy()
    x[[3, 11, 12]] = x[1]
    for name in ("t2", "t1"):
        write_case(out, name, x)
    answer = search(out, "--tile", "t1:3", "-k", 7)
    equal([(h["id"], h["tile"]) for h in answer["hits"] if h["score"] > 1 - 1e-12],
          [(n, t) for n in ("s0", "t1", "t2") for t in (1, 3, 11, 12) if (n, t) != ("t1", 3) and (n != "s0" or (t == 1 and cases["s0"][1][1]))])


def nearest_cases_by_mean_or_embedding(folder):
    for embeddings in (False, True):
        out, cases = cohort(os.path.join(folder, str(embeddings)), embeddings)
        vectors = {n: e if embeddings else x[v].astype("f8").mean(0).astype("f4") for n, (x, v, e) in cases.items()}
        wanted = sorted((-float(unit(v) @ unit(vectors["s2"])), n) for n, v in vectors.items() if n != "s2")
        answer = search(out, "--case", "s2")
        equal([h["id"] for h in answer["hits"]], [n for _, n in wanted])
        assert max(abs(h["score"] + w[0]) for h, w in zip(answer["hits"], wanted)) < 1e-7
        contains(answer["by"], "embedding of head h" if embeddings else "features of encoder made")
        equal(answer["compared"], 5)


def what_cannot_be_compared_is_named(folder):
    out, _ = cohort(folder)
    rng = np.random.default_rng(1)
    write_case(out, "other", rng.normal(size=(9, DIM)), sha="ef" * 32, encoder="uni")
    write_case(out, "wide", rng.normal(size=(9, DIM + 1)))
    write_case(out, "pooled", rng.normal(size=(9, DIM)), embedding=rng.normal(size=4))
    write_case(out, "bad", np.full((9, DIM), np.nan))
    write_case(out, "unread", rng.normal(size=(9, DIM)), valid=np.zeros(9))
    with open(os.path.join(out, "cases", "text.h5"), "w") as f:
        f.write("no result")
    answer = microtome("search", out, "--case", "s1", "-k", 3)
    equal(answer.code, 0)
    lines = answer.err.splitlines()
    equal(len(lines), 6)
    assert lines[0].startswith("microtome search: left out text.h5: "), lines[0]
    equal(lines[1:], ["microtome search: left out bad: a value is not finite",
                      "microtome search: left out other: it has features of encoder uni (efefefefefef), 24 wide",
                      "microtome search: left out pooled: it has embedding of head h (abababababab), 4 wide",
                      "microtome search: left out unread: it has no valid tile",
                      "microtome search: left out wide: it has features of encoder made (cdcdcdcdcdcd), 25 wide"])
    equal(answer.out.splitlines()[-1], "5 compared by features of encoder made (cdcdcdcdcdcd), 24 wide")
    path = os.path.join(out, "cases", "bad.h5")
    refuse(65, f"search {out}: {path}: tile 0: a value is not finite", out, "--tile", "s1:7")


def the_sheet_shows_query_and_hits(folder):
    out, _ = cohort(folder)
    sheet = os.path.join(folder, "sheet.png")
    answer = microtome("search", out, "--tile", "s3:7", "-k", 8, "-o", sheet)
    equal((answer.code, answer.err), (0, ""))
    with Image.open(sheet) as picture:
        equal(picture.size, (16 + 6 * 208, 16 + 2 * 264))
        assert picture.getpixel((16 + 4, 16 + 100)) == (200, 200, 200), picture.getpixel((20, 116))
    slides = os.path.join(folder, "slides")
    os.makedirs(slides)
    refuse(66, f"contact sheet {sheet}: case 's3': no slide of case 's3' in {slides}: s3.* is wanted", out, "--tile", "s3:7", "-o", sheet, "--slides", slides)
    for i in range(6):
        pixels = np.zeros((2048, 4096, 3), dtype="u1")
        pixels[:512, 3584:] = (10, 200, 30)  # tile 7
        Image.fromarray(pixels).save(os.path.join(slides, f"s{i}.png"))
    answer = microtome("search", out, "--tile", "s3:7", "-k", 2, "-o", sheet, "--slides", slides)
    equal((answer.code, answer.err), (0, ""))
    with Image.open(sheet) as picture:
        red, green, blue = picture.getpixel((16 + 96, 16 + 96))
        assert abs(red - 10) < 3 and abs(green - 200) < 3 and abs(blue - 30) < 3, (red, green, blue)
    equal(microtome("search", out, "--case", "s3", "-o", sheet).code, 0)


def refusals(folder):
    out, _ = cohort(folder)
    see = "\nSee microtome search --help."
    both = "name one folder of results and give --case ID, --from RESULT.h5 or --tile ID:N" + see
    refuse(64, both, out)
    refuse(64, both, out, "--case", "s1", "--tile", "s1:2")
    refuse(64, both, "--case", "s1")
    refuse(64, "--tile s1: ID:N is wanted, a case and the number of its tile from 0" + see, out, "--tile", "s1")
    refuse(64, "--tile s1:-1: ID:N is wanted, a case and the number of its tile from 0" + see, out, "--tile", "s1:-1")
    refuse(64, "--other-cases belongs to --tile" + see, out, "--case", "s1", "--other-cases")
    refuse(64, "--slides belongs to -o SHEET.png" + see, out, "--case", "s1", "--slides", folder)
    refuse(65, f"search {out}: {out} has no case 'x': the first of 6 is 's0'", out, "--case", "x")
    refuse(65, f"search {out}: case 's0': it has tiles 0 to 699, not 700", out, "--tile", "s0:700")
    refuse(65, f"search {out}: case 's0': its vector is zero: it is like nothing", out, "--tile", "s0:5") if cohort(folder)[1]["s0"][1][5] else None
    empty = os.path.join(folder, "empty")
    refuse(66, f"search {empty}: {empty}/cases holds no results: name the folder that microtome run wrote", empty, "--case", "x")
    answer = microtome("search", out, "--case", "s1", "-k", "0")
    equal(answer.err, f"microtome search: search {out}: 0 hits are wanted, 1 to 10000 can be\n")
    assert answer.code in (64, 65), answer
    contains(microtome("search", "--help").out, "Every one is compared")


def demonstrations_say_so(folder):
    """one result of the sample encoder: table and JSON say DEMONSTRATION; without one they do not"""
    out = os.path.join(folder, "out")
    write_case(out, "a", np.eye(4))
    write_case(out, "b", np.eye(4))
    equal(search(out, "--case", "a")["demonstration"], False)
    assert "DEMONSTRATION" not in microtome("search", out, "--case", "a").out
    write_case(out, "c", np.eye(4), demonstration=True)
    equal(search(out, "--case", "a")["demonstration"], True)
    assert microtome("search", out, "--case", "a").out.startswith("DEMONSTRATION: ")


main([nearest_tiles_equal_numpy, copies_are_tied_by_id_then_tile, nearest_cases_by_mean_or_embedding, what_cannot_be_compared_is_named,
      the_sheet_shows_query_and_hits, refusals, demonstrations_say_so])
