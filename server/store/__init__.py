"""What outlives a process: channels, streams and recordings in SQLite or PostgreSQL."""
