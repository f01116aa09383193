"""Tables and pictures of an evaluation: the figures where they belong, nothing else touched."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from stitchline_collector.evaluate import Evaluation, evaluate
from stitchline_collector.evaluate.pictures import f05, strata
from stitchline_collector.evaluate.tables import fill_in, markdown, tables
from tests.evaluate.worlds import Told, write

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    events = [
        Told(1, "P", 0, identifiers={"user": "A"}),
        Told(1, "P", 1),
        Told(2, "K", 2, stratum="kiosk", identifiers={"loyalty": "7"}),
        Told(3, "K", 3, stratum="kiosk", identifiers={"loyalty": "8"}),
    ]
    return evaluate(write(tmp_path, events), None)


def test_every_table_has_a_cell_for_each_column(evaluation: Evaluation) -> None:
    for table in tables(evaluation):
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert len(markdown(table).splitlines()) == len(table.rows) + 4


def test_figures_are_filled_in_between_their_marks_and_words_stay(evaluation: Evaluation) -> None:
    page = "# Title\n<!-- figures: world -->\nold\n<!-- end -->\nwords\n<!-- figures: methods -->\n<!-- end -->\n"
    filled = fill_in(page, evaluation)
    assert filled.startswith(
        "# Title\n<!-- figures: world -->\n3 people, seed 1: 4 events, 4 of them solvable"
    )
    assert "old" not in filled
    assert "<!-- end -->\nwords\n<!-- figures: methods -->\n**Solvable" in filled
    assert fill_in(filled, evaluation) == filled


def test_a_block_of_an_unknown_name_is_told(evaluation: Evaluation) -> None:
    with pytest.raises(ValueError, match="no figures called prices"):
        fill_in("<!-- figures: prices -->\n<!-- end -->\n", evaluation)


def test_the_page_in_the_documentation_has_only_blocks_that_exist(evaluation: Evaluation) -> None:
    page = Path(__file__).parents[2] / "docs" / "identity-quality.md"
    assert "**Behaviour**" in fill_in(page.read_text(), evaluation)


def test_pictures_are_well_formed_and_their_bars_fill_the_width(evaluation: Evaluation) -> None:
    ET.fromstring(f05(evaluation))
    picture = ET.fromstring(strata(evaluation))
    widths: dict[str, float] = {}
    for bar in picture.iter(f"{SVG}rect"):
        if bar.attrib["height"] == "15.0":
            widths[bar.attrib["y"]] = widths.get(bar.attrib["y"], 0) + float(bar.attrib["width"])
    assert len(widths) == 2 * len(evaluation.methods)
    assert all(math.isclose(width, 560, abs_tol=0.2) for width in widths.values())


def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    assert msgspec.json.decode(msgspec.json.encode(evaluation), type=Evaluation) == evaluation
