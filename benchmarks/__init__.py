"""What Stitchline does in a second, measured beside something known: `python -m benchmarks --help`."""
