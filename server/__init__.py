"""Clearcast: a self-hosted live audio server over WebRTC."""

__version__ = "0.1.0"
