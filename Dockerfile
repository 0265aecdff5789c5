# A gateway in a container; docs/operate/docker.md says how to run it. At the top of the tree, where `docker build .` looks for it, as all
# of the tree is what it is built from.
#
# The base by digest (debian@sha256:…) makes the same image again later; what is installed into it has its hashes in requirements.lock.
ARG DEBIAN=debian:trixie-slim

FROM ${DEBIAN} AS base
# GnuPG: for `chatgate ping`. No versions: Debian's servers keep only the newest of each, so others could not be had next week.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gpg gpg-agent python3 \
    && rm -rf /var/lib/apt/lists/* /var/log/*

FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip python3-setuptools python3-venv \
    && rm -rf /var/lib/apt/lists/*
# What it needs, before the tree: these layers stay when only the tree changes.
COPY requirements.lock /src/
RUN python3 -m venv /opt/chatgate \
    && /opt/chatgate/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /src/requirements.lock
COPY . /src/
# With Debian's setuptools: without isolation nothing is fetched that has no hash.
RUN python3 -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels /src \
    && /opt/chatgate/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM base
# By number, so that other containers can run as the same user, and read what is for it alone.
RUN groupadd --gid 10001 chatgate \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/chatgate --no-log-init chatgate \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/chatgate
COPY --from=build /opt/chatgate /opt/chatgate
COPY --chmod=755 contrib/docker/chatgate-start contrib/docker/chatgate-healthy /usr/local/bin/
ENV PATH=/opt/chatgate/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    CHATGATE_DIR=/var/lib/chatgate
USER 10001:10001
VOLUME /var/lib/chatgate
EXPOSE 25 80 143 443 465 587 993
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m CMD ["chatgate-healthy"]
ENTRYPOINT ["chatgate-start"]
CMD ["serve"]
