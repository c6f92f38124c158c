"""Programs for those who work on Clearcast; nothing here is installed with it."""
