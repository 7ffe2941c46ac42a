# Two images from one file: `api` (without torch) and `worker`. The steps are those of `make setup`, without the editable
# install:  docker build --target api .   docker build --target worker .
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/descent/.venv/bin:$PATH
RUN groupadd --gid 10001 descent \
    && useradd --uid 10001 --gid descent --home-dir /var/lib/descent --create-home descent \
    && install -d -o descent -g descent -m 0750 /var/lib/descent/store
WORKDIR /opt/descent
COPY constraints.txt ./
RUN python -m venv .venv && python -m pip install --quiet -c constraints.txt setuptools
COPY pyproject.toml README.md ./
COPY app app
COPY descent descent
COPY migrations migrations
COPY worker worker
ENV DESCENT_STORE_URL=/var/lib/descent/store

FROM base AS api
RUN python -m pip install --quiet -c constraints.txt --no-build-isolation '.[server]'
USER 10001:10001
WORKDIR /var/lib/descent
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["descent", "api", "--host", "0.0.0.0", "--port", "8000"]

FROM base AS worker
RUN python -m pip install --quiet -c constraints.txt --no-build-isolation '.[worker]'
USER 10001:10001
WORKDIR /var/lib/descent
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["descent", "worker", "--check"]
CMD ["descent", "worker"]
