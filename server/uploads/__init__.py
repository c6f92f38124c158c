"""Files that were recorded elsewhere: received in parts, opened with care, made into recordings."""
