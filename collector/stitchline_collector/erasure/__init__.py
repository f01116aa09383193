"""Everything about one person: handed over, or gone.

subject    an identifier -> whose it is: identifiers, devices, sessions on shared devices
places     every table, and which of its rows tell of somebody
files      what of somebody lies in the data folder beside ClickHouse
journal    erasures that were begun, so that none is left half done
erasing    the erasure itself
withdrawing  consent that was taken back, as a wish to be erased
exporting  the same places, read instead of emptied
http       `DELETE /v1/people/...`, `GET /v1/people/.../export`, `DELETE /v1/suppressions/...`
"""

from __future__ import annotations
