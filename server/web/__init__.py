"""HTTP: thin routes over the media host, the store and the recordings."""
