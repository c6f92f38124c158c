"""The only place that runs models: denoising now, in a worker process of its own."""
