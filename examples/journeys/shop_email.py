"""An e-mail that was opened: the image in it is the pixel. This is what a mail program asks for.

The address stands in the image's URL as SHA-256 of the trimmed, lower-cased address, never plainly.
"""

from __future__ import annotations

import hashlib
import os
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")

opened_on = datetime.now(UTC).date() - timedelta(days=1)
query = urllib.parse.urlencode(
    {
        "key": KEY,
        "name": "email_opened",
        "email": hashlib.sha256(b"tom@example.org").hexdigest(),
        "campaign_source": "newsletter",
        "campaign_name": "after-sales",
        "occurred_at": f"{opened_on}T19:09:40Z",
    }
)
mail_program = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko)"
request = urllib.request.Request(f"{ENDPOINT}/v1/pixel.gif?{query}", headers={"User-Agent": mail_program})
urllib.request.urlopen(request, timeout=10).close()
