"""History from elsewhere: files of native batches, one on each line, brought to where collected events go.

Enters: files, plain or compressed, or standard input. Leaves: rows in the spool, and from there in ClickHouse. Guaranteed:
received = accepted + rejected + suppressed; however often a line is imported, its events are there once; what is imported stays so
through a crash, and the same command goes on from there.

    reading    bytes -> blocks of whole lines, and how far the file is read
    foreign     lines of other products' archives
    batches    a block -> rows of events and of rejections, by the same decoding and enrichment as over HTTP
    outlet     rows -> the spool -> ClickHouse, loaded by this process or left to a running collector
    bookmark   how far a file is durable
    file       one file on its way through these
    importer   all of it together: with `serve`, the only place that wires rooms
"""

from __future__ import annotations

from .batches import NATIVE
from .foreign import FORMS
from .importer import STDIN, Importer
from .outlet import NobodyLoads
from .reading import Unusable
from .report import Imported, Progress, State

__all__ = ["FORMS", "NATIVE", "STDIN", "Imported", "Importer", "NobodyLoads", "Progress", "State", "Unusable"]
