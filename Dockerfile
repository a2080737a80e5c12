FROM python:3.11-slim-bookworm AS packages
# A mirror of the package index, if there is one: --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
# With --build-arg REQUIREMENTS=requirements-traces.txt the services can send traces (docs/operations.md).
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} requirements.txt
# Wheels only, so that no compiler is needed; the installers are removed from the result.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements.txt \
    && /venv/bin/pip uninstall --yes pip setuptools

# A list of the installed packages, made by a tool that is not among them.
FROM packages AS bill
ARG PIP_INDEX_URL
COPY requirements-sbom.txt pyproject.toml ./
RUN python -m venv /bill \
    && /bill/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements-sbom.txt \
    && /bill/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
        --output-reproducible --output-format JSON --output-file /sbom.cdx.json /venv/bin/python

# The pages for browsers. Node.js comes as a wheel, so that this needs no other image and no other index.
FROM python:3.11-slim-bookworm AS pages
ARG PIP_INDEX_URL
COPY requirements-web.txt .
RUN python -m venv /node \
    && /node/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements-web.txt
# A mirror of npm's registry, if there is one. npm trusts the authorities of the image, as pip does.
ARG NPM_CONFIG_REGISTRY
ENV PATH=/node/bin:$PATH NPM_CONFIG_CAFILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /web
COPY web .
RUN npm ci --no-progress --loglevel=error \
    && npm run --silent build \
    && mkdir /pages \
    && cp --recursive --parents */dist /pages \
    && rm --recursive /pages/client

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Co-Host" \
      org.opencontainers.image.description="Invites users to stream together: the invitations and broadcast services, and their gateway." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --no-create-home --user-group --uid 10001 cohost
COPY --from=packages /venv /venv
COPY --from=bill /sbom.cdx.json /app/
WORKDIR /app
COPY LICENSE .
COPY cohost cohost
# The examples are read from beside the package, as in the repository.
COPY schemas/cohost_schemas cohost_schemas
COPY schemas/examples examples
COPY messaging messaging
COPY services services
COPY ops/__init__.py ops/
COPY ops/exporter ops/exporter
# The gateway serves the console to operators, and in development the demo to everybody.
COPY --from=pages /pages web
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    COHOST_HTTP_HOST=0.0.0.0 COHOST_HTTP_PORT=8081
# By number: a policy that forbids root cannot check a name.
USER 10001:10001
STOPSIGNAL SIGTERM
# Whether the process is alive. `readyz` asks whether it consumes: if it does not, a restart does not help.
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=6 \
    CMD ["python", "-m", "services.runtime.healthcheck"]
# The others: python -m services.broadcast with COHOST_HTTP_PORT=8082, python -m services.gateway with 8080,
# python -m ops.exporter with 8083.
CMD ["python", "-m", "services.invitations"]
