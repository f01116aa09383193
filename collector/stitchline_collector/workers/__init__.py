"""`serve --workers N`: processes that receive, and one that loads, stitches and answers.

    parent      binds the ports, starts the others, starts them again when they die; touches no event
    worker x N  receive -> decode -> enrich -> spool, on one TCP port; passes every question on
    loader      load -> stitch -> ask, on a unix socket; the only one that opens ClickHouse

Guaranteed: each process may be killed at any moment; what was acknowledged is on disk and is loaded once. A worker never waits
for ClickHouse: it shares files and counters in memory with the loader, accounts of rates with the other workers, and nothing else.
"""
