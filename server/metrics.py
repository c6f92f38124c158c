"""Every metric that the server counts, in one place: the operator's vocabulary. Queues are in `server.queues`.

Served as Prometheus text at /metrics.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

STREAMS = Gauge("clearcast_streams", "Streams by state.", ["state"])
LISTENERS = Gauge("clearcast_listeners", "Connected listeners.")

FRAMES_RECEIVED = Counter("clearcast_frames_received_total", "Audio frames taken from publishers.")
SAMPLES_CONCEALED = Counter("clearcast_samples_concealed_total", "Samples of a stream that were never received.")
FRAMES_LATE = Counter("clearcast_frames_late_total", "Audio frames that came after their moment had passed.")

PACKETS_MALFORMED = Counter(
    "clearcast_packets_malformed_total", "Packets of music that were not Opus and were not passed on."
)
MUSIC_CORRECTIONS = Counter(
    "clearcast_music_corrections_total", "Packets left out of a recording of music, or put in twice.", ["kind"]
)

DENOISE_HOPS = Counter("clearcast_denoise_hops_total", "Hops given to the denoiser, by what came of them.", ["outcome"])
DENOISE_READY = Gauge("clearcast_denoise_ready", "1 while the denoise worker answers.")
DENOISE_RESTARTS = Counter("clearcast_denoise_restarts_total", "Times the denoise worker was started again.")
DENOISE_ROUND_TRIP = Histogram(
    "clearcast_denoise_round_trip_seconds",
    "From submitting a hop to its answer.",
    buckets=(0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1),
)

CAPTIONS = Counter("clearcast_captions_total", "Captions told: interim, final, revision.", ["kind"])
CAPTION_GAPS = Counter(
    "clearcast_caption_gap_samples_total", "Samples of speech that were not written down while live."
)
CAPTIONS_READY = Gauge("clearcast_captions_ready", "1 while the caption worker answers.")
CAPTIONS_RESTARTS = Counter("clearcast_captions_restarts_total", "Times the caption worker was started again.")
CAPTIONS_STREAMS = Gauge("clearcast_captions_streams", "Streams that the caption worker hears.")
CAPTIONS_BACKLOG = Gauge(
    "clearcast_captions_backlog_seconds", "Audio of the stream that waits longest to be written down."
)
CAPTIONS_BUSY = Gauge("clearcast_captions_busy", "Share of time that the recogniser works, 0 to 1.")
CAPTIONS_STEP = Gauge("clearcast_captions_step_seconds", "Audio between two decodings of a stream.")
CAPTIONS_RTF = Gauge("clearcast_captions_rtf", "Recogniser's time for a second of live audio.")
CAPTIONS_DROPPED = Gauge("clearcast_captions_dropped", "Interim decodings that were stale, since the worker began.")

PACKETS_SENT = Counter("clearcast_packets_sent_total", "Opus packets handed to listeners.")

UDP_DROP_REASONS = (
    *("malformed", "unknown peer", "unknown address", "bad signature", "too many checks", "address taken"),
    *("unreachable", "unsent"),
)
UDP_DROPPED = Counter("clearcast_udp_dropped_total", "Datagrams of the media port that were thrown away.", ["reason"])
SRTP_REFUSED = Counter(
    "clearcast_srtp_refused_total", "Packets of connected peers that were thrown away unread.", ["reason"]
)
RESENDS_REFUSED = Counter(
    "clearcast_resends_refused_total", "Packets not sent again because a listener asked for too many."
)
UDP_PEERS = Gauge("clearcast_udp_peers", "Peers on the media port, on their way or connected.")
PEERS_PENDING = Gauge("clearcast_peers_pending", "Peers whose connection is being set up.")

LISTENER_PACKETS_LOST = Counter(
    "clearcast_listener_packets_lost_total", "Packets that listeners reported as lost on the way."
)
LISTENER_JITTER = Histogram(
    "clearcast_listener_jitter_seconds",
    "Jitter in the reports of listeners.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
)
LISTENER_ROUND_TRIP = Histogram(
    "clearcast_listener_round_trip_seconds",
    "Round trip in the reports of listeners.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)

RECORDED_BYTES = Counter("clearcast_recorded_bytes_total", "Bytes written to recordings.")
RECORD_ERRORS = Counter(
    "clearcast_record_errors_total", "Recordings that stopped by themselves: no room, a write error."
)
DISK_FREE = Gauge("clearcast_disk_free_bytes", "Free on the disk of the recordings.")
DISK_ROOM = Gauge("clearcast_disk_room", "0 enough, 1 little: no recording begins, 2 none: recordings were closed.")

EVENTS_SENT = Counter("clearcast_events_sent_total", "Events sent to pages and programs.")

LOOP_LAG = Histogram(
    "clearcast_loop_lag_seconds",
    "How late the event loop woke for a timer.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
)
REQUESTS = Counter("clearcast_http_requests_total", "HTTP requests by route and status.", ["route", "status"])
