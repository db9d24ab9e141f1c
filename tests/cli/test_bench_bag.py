"""bench bag: a head of every kind on features from memory, also one that takes places."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import SOURCE, contains, equal, main, microtome, write_abmil  # noqa: E402

GOLDEN = os.path.join(SOURCE, "tests", "golden", "mil")


def bench(head, *more):
    return microtome("bench", "bag", "-m", head, "--tiles", 300, *more)


def test_numbers(folder):
    """what --json says: the head's kind and width, the threads asked for, tiles by seconds"""
    head = os.path.join(folder, "h.safetensors")
    write_abmil(head, 24)
    answer = bench(head, "--threads", 2, "--json")
    equal((answer.code, answer.err), (0, ""))
    said = json.loads(answer.out)
    equal([said[k] for k in ("head", "tiles", "dim", "threads")], ["clam_sb", 300, 24, 2])
    assert said["seconds"] >= 0 and said["peak_rss_mb"] > 1, said
    said = json.loads(bench("mean", "--dim", 40, "--json").out)
    equal((said["head"], said["dim"]), ("mean", 40))
    answer = bench(head, "--threads", 1)
    equal(answer.code, 0)
    contains(answer.out, "clam_sb: 300 tiles of 24 features in ")
    contains(answer.out, " s, 1 threads, peak memory ")


def test_places(folder):
    """heads that want to know where tiles lie are given places: ONNX with coords of two and three columns, distances in µm"""
    for name in ("coords_i64.onnx", "coords_grid.onnx", "coords_volume.onnx", "stamp_alibi.safetensors"):
        answer = bench(os.path.join(GOLDEN, name))
        equal((name, answer.code, answer.err), (name, 0, ""))
        contains(answer.out, ": 300 tiles of ")


def test_refused(folder):
    """no head, none that can be loaded, more memory than given, sizes out of range"""
    answer = bench(os.path.join(GOLDEN, "transmil.safetensors"), "--memory", "1K")
    equal(answer.code, 70)
    contains(answer.err, "transmil needs the whole bag: 300 tiles want ")
    answer = bench(os.path.join(GOLDEN, "coords_four.onnx"))
    equal(answer.code, 78)
    contains(answer.err, "input 'coords' is int64 of shape ?x4")
    equal(bench(os.path.join(folder, "none.pt")).code, 66)
    for arguments, message in (((), "name one head with -m"), (("-m", "mean", "--tiles", 0), "--tiles is 1 to 100000000"),
                               (("-m", "mean", "--dim", 70000), "--dim 1 to 65536"), (("-m", "mean", "--memory", "much"), "--memory much")):
        answer = microtome("bench", "bag", *arguments)
        equal((arguments, answer.code), (arguments, 64))
        contains(answer.err, message)


main([test_numbers, test_places, test_refused])
