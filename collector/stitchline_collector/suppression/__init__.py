"""Who was erased and is not to come back.

suppressions  keyed hashes in a file of the data folder, known to every process that takes events
named         who is named in an event, decoded or not
exchange      the same, told to all collectors of one ClickHouse
"""

from __future__ import annotations
