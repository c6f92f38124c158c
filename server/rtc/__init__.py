"""WebRTC peers: publishing, listening, ICE, the receive path, the sender."""
