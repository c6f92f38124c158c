"""The measuring sticks behind 'clearcast bench'."""
