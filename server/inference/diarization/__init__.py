"""Who speaks when: diart's blocks with shared models, live and over a whole recording."""
