"""A click on an ad, recorded by the redirect behind it: one GET of the pixel, no SDK, from any language or proxy.

The redirect sets the first-party cookie that the website then finds, passes the campaign on and hands over the browser's
own User-Agent.
"""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

ENDPOINT = os.environ.get("STITCHLINE_ENDPOINT", "http://127.0.0.1:8765")
KEY = os.environ.get("STITCHLINE_KEY", "demo")

clicked_on = datetime.now(UTC).date() - timedelta(days=9)
query = urllib.parse.urlencode(
    {
        "key": KEY,
        "name": "ad_clicked",
        "channel": "ads",
        "stage": "awareness",
        "occurred_at": f"{clicked_on}T18:01:48Z",
        "device": "cookie-b220",
        "utm_source": "instagram",
        "utm_medium": "paid_social",
        "utm_campaign": "autumn-ev",
        "model": "EV3",
    }
)
browser = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1"
request = urllib.request.Request(f"{ENDPOINT}/v1/pixel.gif?{query}", headers={"User-Agent": browser})
urllib.request.urlopen(request, timeout=10).close()
