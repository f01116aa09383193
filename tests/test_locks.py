"""What `make` installs is pinned by hashes, and is what pyproject.toml asks for."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "tools" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETS = {"embedded": ("embedded", "phone"), "dev": ("dev",), "bench": ("dev", "bench")}


def pinned(name: str) -> dict[str, list[Requirement]]:
    """Each package of a lock; several times where it depends on the Python."""
    text = (LOCKS / f"{name}.txt").read_text()
    found: dict[str, list[Requirement]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        head, *hashes = entry.strip().split(" \\\n    --hash=")
        assert hashes, f"{name}: {head} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), head
        one = Requirement(head)
        found.setdefault(one.name.lower().replace("_", "-").replace(".", "-"), []).append(one)
    return found


def wanted(extra: str) -> list[Requirement]:
    """What an extra asks for, through the extras that it names."""
    found = []
    for text in PROJECT["optional-dependencies"][extra]:
        one = Requirement(text)
        if one.name == PROJECT["name"]:
            found += [more for name in one.extras for more in wanted(name)]
        else:
            found.append(one)
    return found


@pytest.mark.parametrize("name", SETS)
def test_each_requirement_is_pinned_to_a_version_that_it_allows(name: str) -> None:
    locked = pinned(name)
    asked = [Requirement(text) for text in PROJECT["dependencies"]]
    for requirement in (*asked, *(one for extra in SETS[name] for one in wanted(extra))):
        found = locked.get(requirement.name.lower().replace("_", "-").replace(".", "-"), [])
        assert found, f"{requirement} is not in tools/locks/{name}.txt: run `make lock`"
        for one in found:
            (version,) = (specifier.version for specifier in one.specifier)
            assert requirement.specifier.contains(version), f"{one} is not {requirement}: run `make lock`"


def test_all_locks_pin_the_same_versions() -> None:
    sets = [pinned(name) for name in SETS]  # each holds the one before
    for smaller, larger in itertools.pairwise(sets):
        for name, versions in smaller.items():
            assert {str(one.specifier) for one in versions} <= {str(one.specifier) for one in larger[name]}


def test_this_environment_was_installed_from_the_lock() -> None:
    from importlib.metadata import version

    for name, versions in pinned("dev").items():
        for one in versions:
            if one.marker is None or one.marker.evaluate():
                assert str(one.specifier) == f"=={version(name)}", f"{name}: install from tools/locks/dev.txt"
