"""What is done with speech, as policies without models, clocks or threads."""
