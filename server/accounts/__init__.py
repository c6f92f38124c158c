"""Who acts, and the one gate that says what they may do."""

from server.accounts.actions import Action, Scope
from server.accounts.gate import NOBODY, Actor, Resource, Role, Standing, admit, authorise, may_see, unseen

__all__ = [
    "NOBODY",
    "Action",
    "Actor",
    "Resource",
    "Role",
    "Scope",
    "Standing",
    "admit",
    "authorise",
    "may_see",
    "unseen",
]
