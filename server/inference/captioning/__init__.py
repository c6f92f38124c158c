"""Live captions in a process of their own: the worker with its models, and the lanes that lead to it."""
