"""Who acts, and the one gate that says what they may do."""

from server.accounts.gate import Action, Actor, Resource, authorise

__all__ = ["Action", "Actor", "Resource", "authorise"]
