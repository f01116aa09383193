"""Webhooks: tell other tools when people reach a milestone or enter a segment.

    new events, new persons -> Activator: who did what for the first time -> Outbox, on disk -> Sender: signed POSTs, until they are taken

Guaranteed: a message that was decided is on disk before anything else notes it; it is sent at least once, each time with the same id and
body; nobody is told of whose consent is not there. Its parts are imported one by one, because the settings need `webhooks` only.
"""
