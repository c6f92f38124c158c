"""`clearcast doctor`: what works on this machine, in plain words, and an archive for whoever is asked for help."""
