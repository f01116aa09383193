"""The Stitchline collector: durable ingest, exactly-once loading into ClickHouse, and stitching."""
