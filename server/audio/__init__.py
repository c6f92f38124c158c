"""Audio as numbers: timelines, hops, resampling, Opus, Ogg, peaks. No asyncio, no network, no clock."""
