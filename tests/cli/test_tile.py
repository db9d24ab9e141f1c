"""`microtome tile`: pixels against OpenSlide and Pillow, shards, threads, resuming, damage, refusals."""
import csv
import filecmp
import hashlib
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, Skip, contains, data, equal, main, microtome, read, synthetic  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))


def slides(folder, n=1, size=2048):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", n, "--size", size, "--seed", 3)
    return [os.path.join(cohort, name) for name in sorted(os.listdir(cohort)) if name.endswith(".tif")]


def tile(folder, *args):
    answer = microtome("tile", "-o", folder, *args)
    equal((answer.code, answer.err), (0, ""))
    return answer


def rows(folder):
    with open(os.path.join(folder, "tiles.csv"), newline="") as f:
        return list(csv.DictReader(f))


def contents(folder):
    """Every file below a folder by its path: SHA-256."""
    return {os.path.relpath(os.path.join(d, name), folder): hashlib.sha256(read(os.path.join(d, name), "rb")).hexdigest()
            for d, _, names in os.walk(folder) for name in names}


def pictures(folder):
    return sorted(n for n in os.listdir(folder) if n.endswith((".png", ".jpg", ".webp")))


def damage(path, share):
    """Zero a stretch of the stored tiles in the middle of a little-endian TIFF's first directory."""
    import struct
    raw = bytearray(read(path, "rb"))
    big = raw[2] == 43
    word, entry, count_at = ("<Q", 20, 8) if big else ("<I", 12, 2)
    at = struct.unpack_from(word, raw, 8 if big else 4)[0]
    n = struct.unpack_from("<Q" if big else "<H", raw, at)[0]
    tags = {}
    for k in range(n):
        tag, kind = struct.unpack_from("<HH", raw, at + count_at + k * entry)
        values = struct.unpack_from(word, raw, at + count_at + k * entry + 4)[0]
        where = at + count_at + k * entry + (12 if big else 8)
        width = {3: 2, 4: 4, 16: 8}.get(kind, 1)
        if width * values > (8 if big else 4):
            where = struct.unpack_from(word, raw, where)[0]
        form = {3: "H", 4: "I", 16: "Q"}.get(kind)
        if form:
            tags[tag] = struct.unpack_from(f"<{values}{form}", raw, where)
    offsets, sizes = tags[324], tags[325]
    chosen = range(len(offsets) // 2, len(offsets) // 2 + max(1, int(share * len(offsets))))
    for i in chosen:
        raw[offsets[i]:offsets[i] + sizes[i]] = b"\xff" * sizes[i]
    with open(path, "wb") as f:
        f.write(raw)


def reference_tiles(path, tile_px, mpp, own, names):
    """What each named tile is by its definition, with OpenSlide and Pillow."""
    try:
        import numpy as np
        import openslide
        import tile_reference
    except ImportError as missing:
        raise Skip(str(missing))
    slide = openslide.OpenSlide(path)
    dims = slide.level_dimensions
    a = (mpp / own, mpp / own) if mpp else (1.0, 1.0)
    level = tile_reference.choose_level(dims, a) if mpp else 0
    pixels = np.array(slide.read_region((0, 0), level, dims[level]))[:, :, :3]
    d = (dims[0][0] / dims[level][0], dims[0][1] / dims[level][1])
    for name in names:
        x, y = (int(v) for v in re.search(r"(\d+)_(\d+)\.\w+$", name).groups())
        yield name, tile_reference.read_tile(pixels, d, a, tile_px, x, y, "bilinear")


def open_picture(source):
    import numpy as np
    from PIL import Image
    return np.array(Image.open(source))


def test_pixels(folder):
    """PNG tiles are Pillow's resize of OpenSlide's pixels, bit for bit"""
    path = data("wsi", "aperio-cmu-1-small-region.svs")
    for mpp, tile_px in ((0.5, 256), (0.37, 224), (2.3, 64), (0, 256)):
        out = os.path.join(folder, f"{mpp}")
        tile(out, path, "--mpp", mpp, "--tile", tile_px)
        names = pictures(out)
        assert len(names) >= 5, names
        for name, wanted in reference_tiles(path, tile_px, mpp, 0.499, names):
            assert (open_picture(os.path.join(out, name)) == wanted).all(), (mpp, name)


def test_table(folder):
    """tiles.csv, coords.h5 and the files tell of the same tiles; --json sums them up"""
    path = slides(folder)[0]
    out = os.path.join(folder, "out")
    answer = microtome("tile", path, "-o", out, "--mpp", "0", "--json")
    equal(answer.code, 0)
    table, summary = rows(out), json.loads(answer.out)
    equal([r["name"] for r in table], [f"{r['x']}_{r['y']}.png" for r in table])
    equal(sorted(r["name"] for r in table), pictures(out))
    equal([int(r["bytes"]) for r in table], [os.path.getsize(os.path.join(out, r["name"])) for r in table])
    equal({(r["valid"], r["plane"], r["shard"], r["reason"]) for r in table}, {("1", "0", "", "")})
    assert all(0.5 <= float(r["tissue_share"]) <= 1 for r in table)
    equal((summary["tiles"], summary["written"], summary["invalid_tiles"], summary["failed"]), (len(table), len(table), 0, 0))
    equal(summary["bytes"], sum(int(r["bytes"]) for r in table))
    assert summary["seconds"] > 0 and summary["tiles_per_second"] > 0
    equal([c["status"] for c in summary["cases"]], ["done"])
    equal(sorted(os.listdir(out)), sorted(pictures(out) + ["coords.h5", "tile.ini", "tiles.csv"]))
    try:
        import h5py
    except ImportError:
        raise Skip("h5py is not installed")
    with h5py.File(os.path.join(out, "coords.h5")) as f:
        equal(f["coords"][:].tolist(), [[int(r["x"]), int(r["y"])] for r in table])
        equal(f["coords"].attrs["patch_size"], 256)


def test_threads(folder):
    """the same bytes for one thread and for many, as files and as shards"""
    path = slides(folder)[0]
    for k, extra in enumerate(([], ["--shards", "3"], ["--shard-size", "400K", "--format", "jpeg"])):
        outs = [os.path.join(folder, f"{k}-{threads}") for threads in (1, 2, 7)]
        for out, threads in zip(outs, (1, 2, 7)):
            tile(out, path, "--mpp", "0", "--tile", "128", "--threads", threads, *extra)
        wanted = contents(outs[0])
        assert len(wanted) > 3
        for out in outs[1:]:
            equal(contents(out), wanted)


def test_shards(folder):
    """shards as WebDataset reads them: same pixels as the files, picture and JSON side by side, keys without dots"""
    path = slides(folder)[0]
    dotted = os.path.join(folder, "a.b.tif")
    os.rename(path, dotted)
    files, shards = os.path.join(folder, "files"), os.path.join(folder, "shards")
    tile(files, dotted, "--mpp", "0", "--tile", "128")
    tile(shards, dotted, "--mpp", "0", "--tile", "128", "--shards", 4)
    names = sorted(n for n in os.listdir(shards) if n.endswith(".tar"))
    equal(names, [f"a.b-{k:06d}.tar" for k in range(4)])
    table, index, counts = rows(shards), 0, []
    for name in names:
        equal(subprocess.run(["tar", "tvf", os.path.join(shards, name)], capture_output=True).returncode, 0)
        with tarfile.open(os.path.join(shards, name), "r:") as tar:
            members = tar.getmembers()
            counts.append(len(members) // 2)
            for picture, sidecar in zip(members[::2], members[1::2]):
                key, ending = picture.name.split(".", 1)
                equal((ending, sidecar.name), ("png", key + ".json"))
                equal({(m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname) for m in (picture, sidecar)}, {(0o644, 0, 0, 0, "", "")})
                about = json.loads(tar.extractfile(sidecar).read())
                equal(key, f"a%2Eb_{about['x']}_{about['y']}")
                equal((about["case"], about["index"], about["plane"], about["level"], about["tile_px"]), ("a.b", index, 0, 0, 128))
                equal((table[index]["name"], table[index]["shard"]), (picture.name, name))
                assert abs(about["tissue_share"] - float(table[index]["tissue_share"])) < 1e-4
                equal(tar.extractfile(picture).read(), read(os.path.join(files, f"{about['x']}_{about['y']}.png"), "rb"))
                index += 1
    equal(index, len(pictures(files)))
    assert max(counts) - min(counts) <= 1, counts
    assert all(about[k] > 0 for k in ("mpp", "mpp_y"))


def test_shard_size(folder):
    """--shard-size bounds every shard and fills each before the next"""
    path = slides(folder)[0]
    out = os.path.join(folder, "out")
    tile(out, path, "--mpp", "0", "--tile", "128", "--shard-size", "0.5M")
    names = sorted(n for n in os.listdir(out) if n.endswith(".tar"))
    sizes = [os.path.getsize(os.path.join(out, n)) for n in names]
    assert len(names) > 2 and max(sizes) <= 512 * 1024 + 10240, sizes
    assert min(sizes[:-1]) > 350000, sizes


def test_formats(folder):
    """jpeg keeps full colour from quality 90 on, webp is lossless at 100; endings and tile.ini say what they are"""
    from PIL import Image, JpegImagePlugin
    path = slides(folder)[0]
    plain = os.path.join(folder, "png")
    tile(plain, path, "--mpp", "0", "--tile", "256")
    for quality, sampling in ((90, 0), (89, 2)):
        out = os.path.join(folder, f"jpeg{quality}")
        tile(out, path, "--mpp", "0", "--tile", "256", "--format", "jpeg", "--quality", quality)
        names = pictures(out)
        equal([n[:-4] for n in names], [n[:-4] for n in pictures(plain)])
        image = Image.open(os.path.join(out, names[0]))
        equal((image.format, image.size, JpegImagePlugin.get_sampling(image)), ("JPEG", (256, 256), sampling))
        difference = abs(open_picture(os.path.join(out, names[0])).astype(int) - open_picture(os.path.join(plain, names[0][:-4] + ".png")))
        assert difference.mean() < 6, difference.mean()
    out = os.path.join(folder, "webp")
    answer = microtome("tile", path, "-o", out, "--mpp", "0", "--tile", "256", "--format", "webp", "--quality", "100")
    if "installed libvips writes no WebP" in answer.err:
        return
    equal(answer.code, 0)
    for name in pictures(out):
        assert (open_picture(os.path.join(out, name)) == open_picture(os.path.join(plain, name[:-5] + ".png"))).all(), name


def end_early(folder, path, how, *args):
    """Run until there is one product more in the folder, then end it."""
    def products():
        return sum(n.endswith((".png", ".tar")) for n in os.listdir(folder)) if os.path.isdir(folder) else 0

    before = products()
    with subprocess.Popen([PROGRAM, "tile", path, "-o", folder, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and products() == before:
            time.sleep(0.001)
        run.send_signal(how)
        run.wait()
        return run.returncode, run.stderr.read()


def test_stain(folder):
    """--stain changes the colours, the same for any number of threads, and a folder keeps its own"""
    path = slides(folder)[0]
    plain, one, many = (os.path.join(folder, name) for name in ("plain", "one", "many"))
    tile(plain, path, "--mpp", "0")
    tile(one, path, "--mpp", "0", "--stain", "reinhard", "--threads", "1")
    tile(many, path, "--mpp", "0", "--stain", "reinhard", "--threads", "5")
    equal(contents(one), contents(many))
    equal(pictures(one), pictures(plain))
    assert read(os.path.join(one, pictures(one)[0]), "rb") != read(os.path.join(plain, pictures(one)[0]), "rb")
    contains(read(os.path.join(one, "tile.ini")), "[stain]\nmethod=reinhard\n")
    equal(microtome("tile", path, "-o", one, "--mpp", "0", "--stain", "macenko").code, 64)


def test_killed(folder):
    """a killed or stopped run leaves whole files alone; the same command completes it to the same bytes"""
    path = slides(folder, size=4096)[0]
    for k, extra in enumerate(([], ["--shards", "9"])):
        whole, broken = os.path.join(folder, f"whole{k}"), os.path.join(folder, f"broken{k}")
        arguments = ["--mpp", "0", "--tile", "64", *extra]
        tile(whole, path, *arguments)
        equal(end_early(broken, path, signal.SIGKILL, *arguments)[0], -signal.SIGKILL)
        assert not os.path.exists(os.path.join(broken, "tiles.csv"))
        reference = contents(whole)
        for name, digest in contents(broken).items():
            assert name.startswith((".tmp-", "tiles.csv.part")) or digest == reference[name], name
        code, err = end_early(broken, path, signal.SIGTERM, *arguments)
        equal(code, 75)
        assert re.fullmatch(r"microtome tile: stopped after \d+ of \d+ tiles: run the same command again to complete it\n", err), err
        tile(broken, path, *arguments)
        equal(contents(broken), reference)


def test_half_written_rows(folder):
    """a kill within the write of a shard's rows leaves some of them: the shard is cut again, to the same bytes"""
    path = slides(folder)[0]
    whole, out = os.path.join(folder, "whole"), os.path.join(folder, "out")
    arguments = [path, "--mpp", "0", "--tile", "128", "--shards", "4"]
    tile(whole, *arguments)
    reference = contents(whole)
    table = read(os.path.join(whole, "tiles.csv")).split("\n")
    second = next(i for i, line in enumerate(table) if "000001.tar" in line)
    for rows in second + 1, second + 2, second, len(table) - 2:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(whole, out)
        os.remove(os.path.join(out, "tiles.csv"))
        with open(os.path.join(out, "tiles.csv.part"), "w") as f:
            f.write("\n".join(table[:rows]) + "\n" + table[rows][:7])
        tile(out, *arguments)
        equal(contents(out), reference)


def test_again(folder):
    """a finished folder is left as it is; what is missing in it comes back"""
    path = slides(folder)[0]
    for k, extra in enumerate(([], ["--shards", "3"])):
        out = os.path.join(folder, f"out{k}")
        arguments = [path, "--mpp", "0", "--tile", "128", *extra]
        tile(out, *arguments)
        wanted = contents(out)
        stamps = {n: os.stat(os.path.join(out, n)).st_mtime_ns for n in wanted}
        contains(tile(out, *arguments).out, f"tiles in {out} (there already)\n")
        equal({n: os.stat(os.path.join(out, n)).st_mtime_ns for n in contents(out)}, stamps)
        products = sorted(n for n in wanted if n.endswith((".png", ".tar")))
        os.remove(os.path.join(out, products[1]))
        with open(os.path.join(out, products[2]), "r+b") as f:
            f.truncate(0)
        tile(out, *arguments)
        equal(contents(out), wanted)


def test_other_settings(folder):
    """a folder of other tiles is refused: other settings, another case, tiles of unknown origin"""
    one, two = slides(folder, 2)
    out = os.path.join(folder, "out")
    tile(out, one, "--mpp", "0")
    before = contents(out)
    for args, theirs, ours in (([one, "--mpp", "0", "--tile", "128"], "tile_px=256", "tile_px=128"),
                               ([one, "--mpp", "0", "--mask", "none"], "mask_method=otsu", "mask_method=none"),
                               ([one, "--mpp", "0", "--format", "jpeg"], "format=png", "format=jpeg"),
                               ([one, "--mpp", "0", "--shards", "2"], "", "shards=2"),
                               ([two, "--mpp", "0"], "id=" + os.path.basename(one)[:-4], "id=" + os.path.basename(two)[:-4])):
        answer = microtome("tile", "-o", out, *args)
        equal((answer.code, answer.err), (64, f"microtome tile: cut into {out}: it holds tiles that were cut otherwise (the folder has "
                                              f"'{theirs}', this command '{ours}'): choose another folder\n"))
    equal(contents(out), before)
    foreign = os.path.join(folder, "foreign")
    os.mkdir(foreign)
    open(os.path.join(foreign, "0_0.png"), "w").close()
    answer = microtome("tile", "-o", foreign, one, "--mpp", "0")
    equal((answer.code, answer.err), (64, f"microtome tile: cut into {foreign}: it holds 0_0.png and no tile.ini that says what it was cut "
                                          "with: choose another folder\n"))
    equal(os.listdir(foreign), ["0_0.png"])


def test_damaged(folder):
    """tiles that cannot be decoded: left out, listed with their reason, warned of; the others are there"""
    good, bad = os.path.join(folder, "good"), os.path.join(folder, "bad")
    path = slides(folder, size=4096)[0]
    tile(good, path, "--mpp", "0", "--mask", "none")
    damage(path, 0.01)
    answer = microtome("tile", path, "-o", bad, "--mpp", "0", "--mask", "none", "--json")
    table, summary = rows(bad), json.loads(answer.out)
    invalid = [r for r in table if r["valid"] == "0"]
    assert 0 < len(invalid) <= 0.1 * len(table), (len(invalid), answer)
    equal(answer.code, 0)
    contains(answer.err, f"microtome tile: warning: {len(invalid)} of {len(table)} tiles of case '{os.path.basename(path)[:-4]}' could not be "
                         f"decoded and are not written (valid=0 in tiles.csv); the first: {invalid[0]['reason']}\n")
    equal(len(table), len(pictures(good)))
    equal(sorted(r["name"] for r in table if r["valid"] == "1"), pictures(bad))
    for name in pictures(bad):
        assert filecmp.cmp(os.path.join(good, name), os.path.join(bad, name), shallow=False), name
    for r in invalid:
        assert len(r["reason"]) > 10 and "/" not in r["reason"], r
    equal([(v["x"], v["y"], v["reason"]) for v in summary["cases"][0]["invalid"]], [(int(r["x"]), int(r["y"]), r["reason"]) for r in invalid])
    # the same in shards, and the next time
    shards = os.path.join(folder, "shards")
    microtome("tile", path, "-o", shards, "--mpp", "0", "--mask", "none", "--shards", 2)
    equal([(r["x"], r["y"], r["valid"], r["reason"]) for r in rows(shards)], [(r["x"], r["y"], r["valid"], r["reason"]) for r in table])
    again = microtome("tile", path, "-o", bad, "--mpp", "0", "--mask", "none", "--json")
    equal((again.code, again.err, json.loads(again.out)["cases"][0]["invalid"]), (0, answer.err, summary["cases"][0]["invalid"]))


def test_unusable(folder):
    """more than 10 % of the tiles unreadable: 65, and what could be read is there"""
    path = slides(folder)[0]
    damage(path, 0.3)
    out = os.path.join(folder, "out")
    answer = microtome("tile", path, "-o", out, "--mpp", "0", "--mask", "none")
    table = rows(out)
    invalid = sum(r["valid"] == "0" for r in table)
    equal(answer.code, 65)
    equal(answer.err.strip().split("\n")[-1], f"microtome tile: {invalid} of {len(table)} tiles could not be decoded: the file is damaged; "
                                              f"the others are in {out}")
    equal(len(pictures(out)), len(table) - invalid)


def test_several(folder):
    """several cases: a folder each, the others go on after a failure, 65 at the end"""
    one, two = slides(folder, 2)
    out = os.path.join(folder, "out")
    missing = os.path.join(folder, "nothing.svs")
    answer = microtome("tile", one, missing, two, "-o", out, "--mpp", "0", "--json")
    equal(answer.code, 65)
    ids = [os.path.basename(p)[:-4] for p in (one, two)]
    equal(sorted(os.listdir(out)), sorted(ids))
    summary = json.loads(answer.out)
    equal([(c["id"], c["status"]) for c in summary["cases"]], [(ids[0], "done"), ("nothing", "failed"), (ids[1], "done")])
    contains(summary["cases"][1]["error"], "no such file")
    equal((summary["failed"], summary["tiles"]), (1, sum(len(rows(os.path.join(out, i))) for i in ids)))
    contains(answer.err, "2 done, 1 failed\n")
    manifest = os.path.join(folder, "m.csv")
    with open(manifest, "w") as f:
        f.write(f"path,id\n{one},first\n{two},second\n")
    answer = microtome("tile", manifest, "-o", os.path.join(folder, "by-manifest"), "--mpp", "0")
    equal((answer.code, sorted(os.listdir(os.path.join(folder, "by-manifest")))), (0, ["first", "second"]))
    equal({k: v for k, v in contents(os.path.join(folder, "by-manifest", "first")).items() if k.endswith(".png")},
          {k: v for k, v in contents(os.path.join(out, ids[0])).items() if k.endswith(".png")})


def test_sixteen_bits(folder):
    """16-bit volumes give 16-bit PNG of the stored values, and are refused as JPEG"""
    try:
        import nibabel
        import numpy as np
    except ImportError as missing:
        raise Skip(str(missing))
    volume = np.arange(64 * 48 * 3, dtype=np.int16).reshape(64, 48, 3) * 7 - 32000
    path = os.path.join(folder, "v.nii")
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    out = os.path.join(folder, "out")
    tile(out, path, "--mpp", "0", "--tile", "32", "--mask", "none")
    names = pictures(out)
    equal(len(names), 2 * 2 * 3)
    got = open_picture(os.path.join(out, "0_0_1.png")).astype(int) - 32768
    whole = volume[..., 1].T[:32, :32]
    assert sorted(got.flatten()) in (sorted(whole.flatten()), sorted(volume[..., 1].T[-32:, :32].flatten())), got
    answer = microtome("tile", path, "-o", os.path.join(folder, "jpeg"), "--mpp", "0", "--format", "jpeg")
    equal((answer.code, answer.err),
          (64, f"microtome tile: cut {path}: the case has 16 bits a sample, and jpeg holds 8: take --format png\n"))
    equal(os.path.exists(os.path.join(folder, "jpeg")), False)
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32) / 3, np.eye(4)), path)
    answer = microtome("tile", path, "-o", os.path.join(folder, "float"), "--mpp", "0")
    equal((answer.code, answer.err), (65, f"microtome tile: cut {path}: the case's samples are float32, and their range in a picture is not "
                                          "guessed: convert it to 8 or 16 bits first\n"))


def test_nothing(folder):
    """a slide without tissue: no tile, a warning, exit 0"""
    from PIL import Image
    path = os.path.join(folder, "white.png")
    Image.new("RGB", (600, 600), (255, 255, 255)).save(path)
    answer = microtome("tile", path, "-o", os.path.join(folder, "out"), "--mpp", "0", "--mask", "otsu")
    equal((answer.code, answer.out), (0, f"0 tiles in {folder}/out\n"))
    equal(answer.err, "microtome tile: warning: no tile of case 'white' has enough foreground: see --mask and --min-share\n")
    equal(rows(os.path.join(folder, "out")), [])


def test_usage(folder):
    """what is refused, in exact words"""
    def refused(message, *args, code=64):
        answer = microtome("tile", *args)
        equal((answer.code, answer.err.split("\n")[0]), (code, "microtome tile: " + message))

    basic = ["x.svs", "-o", os.path.join(folder, "out"), "--mpp", "0"]
    refused("name one case or more and give -o DIR", "x.svs", "--mpp", "0")
    refused("name one case or more and give -o DIR", "-o", folder, "--mpp", "0")
    refused("give the wanted µm per pixel with --mpp (0 = level 0 as it is)", "x.svs", "-o", folder)
    refused("--tile 8: 16 to 4096 is wanted", *basic, "--tile", "8")
    refused("--overlap is 0 to 0.99, --min-share 0 to 1", *basic, "--overlap", "1")
    refused("prepare the mask: unknown method 'magic': use otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx", *basic,
            "--mask", "magic")
    refused("--format gif: png, jpeg or webp is wanted", *basic, "--format", "gif")
    refused("--quality is for jpeg and webp: png keeps every pixel as it is", *basic, "--quality", "90")
    refused("--quality 101: 1 to 100 is wanted", *basic, "--format", "jpeg", "--quality", "101")
    refused("--shards 0: 1 to 999999 is wanted", *basic, "--shards", "0")
    refused("--shards and --shard-size are two ways to say the same: give one", *basic, "--shards", "2", "--shard-size", "1G")
    refused("--shard-size 1X: a number of bytes is wanted, as 500M or 2G", *basic, "--shard-size", "1X")
    refused("--threads -1: 1 or more is wanted, or 0 for all CPUs", *basic, "--threads", "-1")
    refused("--slide-mpp 0: one or two positive numbers of µm per pixel are wanted, as 0.5 or 0.5,0.5", *basic, "--slide-mpp", "0")
    refused("open x.svs: no such file", *basic, code=66)
    equal(os.path.exists(os.path.join(folder, "out")), False)
    path = slides(folder)[0]
    locked = os.path.join(folder, "file")
    open(locked, "w").close()
    answer = microtome("tile", path, "-o", os.path.join(locked, "out"), "--mpp", "0")
    equal((answer.code, answer.err), (74, f"microtome tile: cut into {locked}/out: Not a directory: choose a folder that can be written\n"))


def test_help(folder):
    """--help teaches: files, resuming, examples"""
    answer = microtome("tile", "--help")
    equal(answer.code, 0)
    for part in ("--format", "--shard-size", "tiles.csv", "Run the same command again", "Examples:", "microtome tile slide.svs -o tiles --mpp 0.5"):
        contains(answer.out, part)


main([test_pixels, test_table, test_threads, test_shards, test_shard_size, test_formats, test_stain, test_killed, test_half_written_rows, test_again, test_other_settings,
      test_damaged, test_unusable, test_several, test_sixteen_bits, test_nothing, test_usage, test_help])
