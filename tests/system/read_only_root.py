"""Become `python ARGUMENTS` as nobody, where one folder can be written and nothing else: no /tmp, no home.

In: the folder, then the program's arguments. Guaranteed: the process keeps its id. Root alone can do it, on Linux.
"""

from __future__ import annotations

import os
import sys

_NOBODY = "65534"
# The folder is mounted over itself first, so that it stays writable when all that is mounted becomes read-only.
_SCRIPT = """
mount --bind "$1" "$1"
grep -oE '^[^ ]+ [^ ]+' /proc/self/mounts | cut -d' ' -f2 | while read -r place; do
    case "$place" in "$1"|/proc*|/sys*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null ;; esac
done
cd /
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all -- "$@"
"""

if __name__ == "__main__":
    folder = sys.argv[1]
    os.chown(folder, int(_NOBODY), int(_NOBODY))
    environment = {**os.environ, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    inside = ["sh", "-c", _SCRIPT, "sh", folder, sys.executable, *sys.argv[2:]]
    os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", *inside], environment)
