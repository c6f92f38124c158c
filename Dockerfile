# Clearcast in a container.
#
#   docker build -t clearcast .                              runs on the processor
#   docker build -t clearcast --build-arg TORCH=cuda .       runs on an NVIDIA card too (docker run --gpus all …)
#   docker run --read-only -p 8080:8080 -p 8189:8189/udp -v clearcast:/data \
#     -e CLEARCAST_ICE_ADVERTISED_ADDRESS=192.0.2.10 clearcast
#   docker run … clearcast serve --tls self-signed           any other command: doctor, models pull, bench denoise
#
# All audio goes through one UDP port. The advertised address is the one at which the host is reached; peers cannot
# reach the container's own. Where another UDP port of the host is published, it follows the address after a colon.
# Database, recordings, secrets and downloaded models are kept in /data, which belongs to user 10001; nothing else is
# written. Give it 15 s to stop (docker stop --time 15): recordings are closed and streams told.

FROM python:3.11-slim-bookworm AS build
ARG TORCH=cpu
WORKDIR /build
RUN python -m venv /opt/clearcast
COPY constraints.txt ./
# PyTorch's own index has a build without CUDA, a tenth of the size. It has no other packages, and may not answer.
RUN if [ "$TORCH" = cpu ]; then \
      /opt/clearcast/bin/pip install --no-cache-dir --no-deps \
        --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' constraints.txt)" || \
      echo "PyTorch's index for processors does not answer: the larger build is taken." >&2; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY static static
RUN /opt/clearcast/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 clearcast && \
    useradd --uid 10001 --gid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin clearcast
COPY --from=build /opt/clearcast /opt/clearcast
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV HOME=/data \
    CLEARCAST_DATA_DIR=/data \
    CLEARCAST_HOST=0.0.0.0 \
    CLEARCAST_LOG_FORMAT=json \
    CLEARCAST_ICE_UDP_PORT=8189 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PATH=/opt/clearcast/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 8080/tcp 8189/udp
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "server.web.alive"]
ENTRYPOINT ["clearcast"]
CMD ["serve"]
