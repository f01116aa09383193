"""How good stitching is, measured against a simulated world of which the truth is known."""

from __future__ import annotations

from .answer_key import AnswerKey, NoWorld
from .answers import Answers, read
from .evaluation import OURS, Evaluation, evaluate
from .metrics import Quality, Scores, Shares, score

__all__ = [
    "OURS",
    "AnswerKey",
    "Answers",
    "Evaluation",
    "NoWorld",
    "Quality",
    "Scores",
    "Shares",
    "evaluate",
    "read",
    "score",
]
