"""An evaluation as pictures: SVG written by hand, no library.

Enters: an `Evaluation`. Leaves: texts of SVG documents, readable on light and dark pages. Guaranteed: every bar is labelled with its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from .evaluation import OURS, Evaluation

_STYLE = """
    text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; font-size: 13px; fill: #1f2937 }
    .h { font-size: 15px; font-weight: 600 } .s { font-size: 11px; fill: #57606a }
    .ours { fill: #2f6fd0 } .theirs { fill: #8b949e }
    .right { fill: #3f9d5b } .wrong { fill: #cf4a3f } .nobody { fill: #d0d7de }
    .on { font-size: 10px; fill: #ffffff } .off { font-size: 10px; fill: #1f2937 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .s { fill: #9da7b1 } .ours { fill: #58a6ff } .theirs { fill: #6e7681 } .nobody { fill: #484f58 } .off { fill: #e6edf3 }
    }
"""
_LABEL, _BAR, _ROW = 200, 560, 24
_WIDTH = _LABEL + _BAR + 95


def f05(evaluation: Evaluation) -> str:
    """A bar for each method: pairwise F0.5."""
    body = [_text(0, 20, "Pairwise F0.5 over solvable events", "h")]
    for place, (name, scores) in enumerate(evaluation.methods.items()):
        top, quality = 40 + place * (_ROW + 8), scores.pairwise
        kind = "ours" if name == OURS else "theirs"
        body += [
            _text(_LABEL - 10, top + 16, name, anchor="end"),
            _bar(_LABEL, top, _BAR * quality.f05, _ROW, kind),
            _text(_LABEL + _BAR * quality.f05 + 6, top + 16, f"{quality.f05:.3f}"),
        ]
    return _document("Pairwise F0.5 by method", 50 + len(evaluation.methods) * (_ROW + 8), body)


def strata(evaluation: Evaluation) -> str:
    """For each stratum a stacked bar of each method: right, wrong, nobody."""
    body = [_text(0, 20, "Events given to the right person, to a wrong one, to nobody", "h"), *_legend(38)]
    top = 66
    for stratum, shares in next(iter(evaluation.methods.values())).strata.items():
        body.append(_text(0, top, f"{stratum.replace('_', ' ')}, {shares.events:,} events"))
        for name, scores in evaluation.methods.items():
            body.append(_text(_LABEL - 10, top + 18, name, "s", "end"))
            outcome = scores.strata[stratum]
            body += _stack(
                top + 6, (("right", outcome.right), ("wrong", outcome.wrong), ("nobody", outcome.nobody))
            )
            top += 18
        top += 30
    return _document("Right, wrong and nobody, by stratum and method", top - 10, body)


def _legend(top: int) -> Iterator[str]:
    for place, kind in enumerate(("right", "wrong", "nobody")):
        yield _bar(_LABEL + place * 90, top - 10, 12, 12, kind)
        yield _text(_LABEL + place * 90 + 18, top, kind, "s")


def _stack(top: int, parts: tuple[tuple[str, float], ...]) -> Iterator[str]:
    left = float(_LABEL)
    for kind, share in parts:
        width = _BAR * share
        yield _bar(left, top, width, 15, kind)
        if share >= 0.05:
            yield _text(
                left + width / 2,
                top + 11,
                f"{100 * share:.0f} %",
                "off" if kind == "nobody" else "on",
                "middle",
            )
        left += width
    wrong = dict(parts)["wrong"]
    yield _text(_LABEL + _BAR + 6, top + 11, f"{100 * wrong:.1f} % wrong", "s")


def _bar(left: float, top: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _text(left: float, top: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(title: str, height: float, body: list[str]) -> str:
    inside = "\n  ".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {_WIDTH + 16} {height:.0f}" role="img" aria-labelledby="t">\n'
        f'  <title id="t">{escape(title)}</title>\n  <style>{_STYLE}  </style>\n  {inside}\n</svg>\n'
    )
