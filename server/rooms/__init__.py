"""The life of a live stream: pipeline, fan-out, recorder; the media host as the rest of the server sees it."""
