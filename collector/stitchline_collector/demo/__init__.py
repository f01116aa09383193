"""The demo: a real collector, and touchpoints of three journeys that send to it from processes of their own.

Enters: a folder and a port. Leaves: journeys on the terminal. Guaranteed: everything it starts it ends, nothing waits
without a limit, and the collector is the one of `stitchline serve`, reached over HTTP only.
"""
