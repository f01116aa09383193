"""Everything about one person: handed over, or gone.

subject      an identifier -> whose it is: identifiers, devices, sessions on shared devices
places       every table, and which of its rows tell of somebody
ground       these places in ClickHouse: counted, read, emptied
mending      what is left of stitching when somebody is gone from it
journal      erasures that were begun, so that none is left half done
erasing      the erasure itself, and the same places handed over
withdrawing  consent that was taken back, as a wish to be erased
mail         what webhooks are still to be told of somebody
http         `DELETE /v1/people/...`, `GET /v1/export/...`, `DELETE /v1/suppressions/...`
"""

from __future__ import annotations
