"""A card fitted to held-out predictions: what is written, what is refused with the number needed; standard-library Python."""
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read, write_abmil  # noqa: E402


def predictions(path, positives, negatives, seed=1):
    rng = random.Random(seed)
    with open(path, "w") as f:
        f.write("id,patient,fold,label,logit_normal,logit_tumour\n")
        for i in range(positives + negatives):
            tumour = i < positives
            f.write(f"c{i},p{i},0,{'tumour' if tumour else 'normal'},0,{rng.gauss(4 if tumour else -4, 3):.6f}\n")
    return path


def head(folder):
    path = os.path.join(folder, "H.safetensors")
    write_abmil(path, 8, metadata={"labels": "normal;tumour", "positive": "tumour"})
    return path


def test_written(folder):
    """the card has temperature, two thresholds and sets; its points say what they rest on"""
    h, card = head(folder), os.path.join(folder, "H.card")
    csv = predictions(os.path.join(folder, "held.csv"), 400, 400)
    answer = microtome("calibrate", csv, "-m", h, "--sensitivity", 0.95, "--specificity", 0.98, "--conformal", 0.1, "-o", card)
    equal((answer.code, answer.err), (0, ""))
    contains(answer.out, "from 800 held-out cases")
    keys = dict(line.split("=", 1) for line in read(card).splitlines() if "=" in line)
    assert 0 < float(keys["threshold_low"]) <= float(keys["threshold_high"]) < 1, keys
    assert float(keys["temperature"]) > 0
    points = json.loads(read(os.path.join(folder, "H.points.json")))
    equal([p["use"] for p in points["points"]], ["threshold", "threshold_high"])
    equal((points["data"]["positives"], points["data"]["negatives"], len(points["data"]["sha256"])), (400, 400, 64))
    for point, wanted in zip(points["points"], (0.95, 0.98)):
        assert wanted <= point["lower_bound"] <= point["value"], point
    assert points["after"]["log_loss"] <= points["before"]["log_loss"] + 1e-9, points
    again = microtome("calibrate", csv, "-m", h, "-o", card)
    equal((again.code, again.err.strip()), (64, f"microtome calibrate: calibrate: {card} is there already: --force replaces it"))
    for method in ("none", "platt", "isotonic"):
        answer = microtome("calibrate", csv, "-m", h, "--method", method, "-o", card, "--force", "--json")
        equal((answer.code, json.loads(answer.out)["method"]), (0, method))


def test_refused(folder):
    """a claim that the cases are too few for names the number needed; nothing is written"""
    h, card = head(folder), os.path.join(folder, "H.card")
    csv = predictions(os.path.join(folder, "held.csv"), 200, 100)
    answer = microtome("calibrate", csv, "-m", h, "--sensitivity", 0.99, "-o", card)
    equal((answer.code, answer.err.strip()),
          (65, "microtome calibrate: a sensitivity of at least 0.99: 200 positive cases are too few: without a single miss the lower 95 % bound "
               "(Wilson) is 0.9812; 381 positive cases are needed"))
    assert not os.path.exists(card) and not os.path.exists(os.path.join(folder, "H.points.json"))
    answer = microtome("calibrate", csv, "-m", h, "--npv", 0.99, "-o", card)
    equal((answer.code, answer.err.strip()),
          (64, "microtome calibrate: calibrate: NPV and PPV depend on how many of the tested have it: state it with --prevalence"))
    answer = microtome("calibrate", csv, "-m", h, "--method", "magic", "-o", card)
    equal((answer.code, answer.err.strip()),
          (64, "microtome calibrate: calibrate: --method magic: temperature, platt, isotonic or none is wanted"))
    equal(microtome("calibrate", folder, "-m", h, "-o", card).code, 64)


main([test_written, test_refused])
