"""H-Link: the delivery of messages over Redis Streams. The format is `docs/h-link.md`."""
