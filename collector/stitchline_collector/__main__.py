"""The `stitchline` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say what to install where only the SDK is."""
    try:
        from stitchline_collector.cli import cli
    except ImportError as error:
        # The base install is the SDK alone.
        sys.exit(
            f"the stitchline command needs the collector: from a checkout, pip install '.[embedded]' ({error})"
        )
    cli(prog_name="stitchline")


if __name__ == "__main__":
    main()
