"""How what happens reaches everybody who wants to know: in memory, one process."""

from server.backplane.hub import Envelope, EventHub, Position, Subscriber

__all__ = ["Envelope", "EventHub", "Position", "Subscriber"]
