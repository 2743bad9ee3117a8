# The service in a container: `docker build -t chatterbox-api .`, or `docker compose up`; see docker-compose.yml.
#
#   --target cpu     on Debian, without weights; the default
#   --target cuda    for NVIDIA GPUs; every package with its model, as far as there is one
#
# Voices and keys are in the volume /data. Settings are environment variables; .env.example lists them.

FROM python:3.11-slim-bookworm AS install-cpu
WORKDIR /source
COPY VERSION.py constraints.txt ./
COPY docker docker
COPY packages packages
RUN docker/install.sh /opt/chatterbox-api

FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 AS install-cuda
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY VERSION.py constraints.txt ./
COPY docker docker
COPY packages packages
RUN docker/install.sh /opt/chatterbox-api model

FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 AS cuda
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY --from=install-cuda /opt/chatterbox-api /opt/chatterbox-api
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin chatterbox \
    && install --directory --owner=chatterbox --group=chatterbox /data
ENV PATH=/opt/chatterbox-api/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=4123 DATA_DIR=/data
ENV SYNTHESIZER=chatterbox
USER chatterbox
WORKDIR /data
VOLUME /data
EXPOSE 4123
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
CMD ["chatterbox-api", "serve"]

FROM python:3.11-slim-bookworm AS cpu
COPY --from=install-cpu /opt/chatterbox-api /opt/chatterbox-api
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin chatterbox \
    && install --directory --owner=chatterbox --group=chatterbox /data
ENV PATH=/opt/chatterbox-api/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=4123 DATA_DIR=/data
USER chatterbox
WORKDIR /data
VOLUME /data
EXPOSE 4123
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
CMD ["chatterbox-api", "serve"]
