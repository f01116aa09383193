# noqa: INP001 (a script, in no package)
"""Put pip into a virtual environment on a machine whose Python cannot: Debian and Ubuntu ship `ensurepip` apart.

In: the environment's folder as the only argument. Out: pip inside it.
Guaranteed: exactly the pinned wheel is run, wherever it came from: its SHA-256 stands here. The package index is the one
pip itself would ask: PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf, else https://pypi.org/simple. Standard library only.
"""

from __future__ import annotations

import configparser
import hashlib
import html
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

WHEEL = "pip-25.3-py3-none-any.whl"
SHA256 = "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd"
PYPI = "https://pypi.org/simple"
PIP_CONF = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
TIMEOUT_S = 60


def indexes() -> list[str]:
    """The package indexes pip would ask, in its order."""
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(Path(name).expanduser() for name in (*PIP_CONF, os.environ.get("PIP_CONFIG_FILE", os.devnull)))
    found = [os.environ.get("PIP_INDEX_URL") or conf.get("global", "index-url", fallback=PYPI)]
    found += (
        os.environ.get("PIP_EXTRA_INDEX_URL") or conf.get("global", "extra-index-url", fallback="")
    ).split()
    return found


def wheel_address(page: str, base: str) -> str:
    """Find the wheel's address on an index's page (PEP 503); empty when the index does not have it."""
    for link in re.findall(r'href="([^"]+)"', page):
        address = urllib.parse.urljoin(base, html.unescape(link))
        if urllib.parse.urlsplit(address).path.endswith("/" + WHEEL):
            return address.partition("#")[0]
    return ""


def fetch(address: str) -> bytes:
    """Read an address.

    A machine without CA certificates cannot check who answers. It need not: what is run is checked by its SHA-256.
    """
    try:
        context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
        with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 (file: mirrors are welcome)
            return bytes(answer.read())
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLCertVerificationError):
            raise
        unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001 (see above)
        with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=unchecked) as answer:  # noqa: S310 (as above)
            return bytes(answer.read())


def wheel() -> bytes:
    """Find and fetch the pinned wheel.

    Raises:
        SystemExit: no index has it, or has the right one; the message says what was tried and what else helps.
    """
    tried = []
    for index in indexes():
        base = index.rstrip("/") + "/pip/"
        try:
            address = wheel_address(fetch(base).decode(), base)
            content = fetch(address) if address else b""
        except (OSError, ValueError) as error:
            tried.append(f"{base}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() == SHA256:
            return content
        tried.append(f"{base}: " + (f"{address} is not the pinned file" if address else f"has no {WHEEL}"))
    raise SystemExit(
        "cannot fetch pip:\n  "
        + "\n  ".join(tried)
        + "\nwith `apt-get install python3-venv`, Python brings its own"
    )


def main() -> int:
    """Install pip into the environment named by the only argument."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: get_pip.py VENV")
    python = Path(sys.argv[1]) / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / WHEEL
        file.write_bytes(wheel())
        # A wheel is a zip that Python can run from: pip installs itself.
        install = [
            str(python),
            f"{file}/pip",
            "install",
            "--quiet",
            "--no-index",
            "--disable-pip-version-check",
        ]
        return subprocess.run([*install, str(file)], check=False).returncode  # noqa: S603 (the command is built here)


if __name__ == "__main__":
    sys.exit(main())
