# Clearcast in a container.
#
#   docker build -t clearcast .                              runs on the processor
#   docker build -t clearcast --build-arg TORCH=cuda .       runs on an NVIDIA card too (docker run --gpus all …)
#   docker run --read-only -p 8080:8080 -p 8189:8189/udp -v clearcast:/data \
#     -e CLEARCAST_ICE_ADVERTISED_ADDRESS=192.0.2.10 clearcast
#
# All audio goes through one UDP port. The advertised address is the one at which the host is reached; peers cannot
# reach the container's own. Where another UDP port of the host is published, it follows the address after a colon.
# Database, recordings, secrets and downloaded models are kept in /data; nothing else is written.

FROM python:3.11-slim-bookworm AS build
ARG TORCH=cpu
WORKDIR /build
RUN python -m venv /opt/clearcast
COPY constraints.txt ./
RUN if [ "$TORCH" = cpu ]; then \
      /opt/clearcast/bin/pip install --no-cache-dir --no-deps \
        --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' constraints.txt)"; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY static static
RUN /opt/clearcast/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/clearcast /opt/clearcast
RUN useradd --system --uid 10001 --home-dir /data --create-home clearcast
USER clearcast
WORKDIR /data
VOLUME /data
ENV CLEARCAST_DATA_DIR=/data \
    CLEARCAST_HOST=0.0.0.0 \
    CLEARCAST_LOG_FORMAT=json \
    CLEARCAST_ICE_UDP_PORT=8189 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/clearcast/bin:$PATH \
    PYTHONUNBUFFERED=1
EXPOSE 8080/tcp 8189/udp
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", "\
import os, ssl, urllib.request; \
scheme = 'https' if os.environ.get('CLEARCAST_TLS_CERTIFICATE') else 'http'; \
port = os.environ.get('CLEARCAST_PORT', '8080'); \
urllib.request.urlopen(f'{scheme}://127.0.0.1:{port}/health/live', timeout=4, context=ssl._create_unverified_context())"]
CMD ["clearcast", "serve"]
