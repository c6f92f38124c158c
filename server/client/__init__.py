"""Clients of a Clearcast server over WHIP, WHEP and its API."""
