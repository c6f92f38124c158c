"""What is kept of streams: rows, files, recovery after a crash, the bin."""
