"""Work that outlives a request: the final pass over a recording. Done in a process of its own, one job at a time."""
