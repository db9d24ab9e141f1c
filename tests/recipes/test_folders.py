"""Each folder of samples/recipes is whole: recipe, network, card, page, links; a table of what every recipe refuses alike.

usage: test_folders.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
import configparser
import os

from recipe_runs import SOURCE, contains, copied, equal, microtome, phantoms, read, recipe_of  # first: it finds the harness
from harness import main

HERE = os.path.join(SOURCE, "samples", "recipes")
NAMES = sorted(os.listdir(HERE))
WITHOUT_WEIGHTS = {"msi"}  # a published head: its page says where it is from
SECTIONS = ["**For**", "**Input.**", "Refused:", "**Your own model.**", "**Run.**", "**What comes out.**", "**How it was tried.**", "**Intended use**"]


def recipes(name):
    return sorted(f for f in os.listdir(os.path.join(HERE, name)) if f.startswith("recipe") and f.endswith(".ini"))


def groups(path):
    parser = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str
    parser.read(path, encoding="utf-8")
    return parser


def test_whole(folder):
    """every recipe says modality, task or head, measures, actions in two languages, goals; what it names is there"""
    assert len(NAMES) >= 20, NAMES
    for name in NAMES:
        assert "recipe.ini" in recipes(name), name
        for file in recipes(name):
            text = groups(recipe_of(name, file))
            assert text["input"].get("modality"), (name, file)
            for group in "encoder", "head", "measure", "action", "goals":
                assert group in text and len(text[group]) > 0, (name, file, group)
            for part in text["action"].values():
                assert all("|" in words for words in part.split(";")), (name, file, part)
            models = [text[g]["model"] for g in text.sections() if g.split(".")[0] in ("encoder", "head", "stage") and "model" in text[g]]
            for model in models:
                if model.startswith("builtin:"):
                    continue
                path = os.path.join(HERE, name, model)
                says = path + "/dataset.json" if os.path.isdir(path) else os.path.splitext(path)[0] + ".card"
                assert "demonstration" in read(says) or name in WITHOUT_WEIGHTS, says
                assert os.path.exists(path) or name in WITHOUT_WEIGHTS, path
                assert os.path.isdir(path) or os.path.exists(os.path.splitext(path)[0] + ".card"), path
        size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(os.path.join(HERE, name)) for f in fs)
        assert size < 800000, (name, size)


def test_pages(folder):
    """every recipe has a page that says what it is for, takes, refuses, gives, how it was tried; both tables name it"""
    equal(sorted(f[:-3] for f in os.listdir(os.path.join(SOURCE, "docs", "recipes")) if f != "README.md"), NAMES)
    overview, readme = read(os.path.join(SOURCE, "docs", "recipes", "README.md")), read(os.path.join(SOURCE, "README.md"))
    for name in NAMES:
        page = read(os.path.join(SOURCE, "docs", "recipes", name + ".md"))
        for section in SECTIONS:
            assert section in page, (name, section)
        contains(overview, f"]({name}.md)")
        contains(readme, f"](docs/recipes/{name}.md)")
        contains(read(recipe_of(name)), f"docs/recipes/{name}.md")


def test_no_network(folder):
    """a copy whose network is taken away says which file is missing, before any case is read"""
    film = phantoms(folder, "xray-opacity", "--count", 1, "--size", 128) + "/xray-001.png"
    for name in NAMES:
        model = groups(recipe_of(name))["encoder"]["model"]
        if model.startswith("builtin:") or not os.path.isfile(os.path.join(HERE, name, model)):
            continue
        here = copied(folder, name)
        os.remove(os.path.join(here, model))
        answer = microtome("run", "-r", here + "/recipe.ini", "-o", os.path.join(folder, "out_" + name), film)
        assert answer.code in (66, 78), (name, answer)
        contains(answer.err, model)


main([test_whole, test_pages, test_no_network])
