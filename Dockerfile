# The gateway as an image. Any Debian base does; what is needed on top is installed here.
#
#   BUILD_IMAGE    has cargo (1.95 or later); used only when the program is compiled here
#   RUNTIME_IMAGE  what the program runs on; not older than BUILD_IMAGE, whose libc it is built against
#   BINARY         `compiled`, or `prebuilt` to take the program at PREBUILT in the build context
ARG BUILD_IMAGE=rust:1.95-trixie
ARG RUNTIME_IMAGE=debian:trixie-slim
ARG BINARY=compiled

FROM ${BUILD_IMAGE} AS compiled
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc g++ libc6-dev cmake make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/src/target --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --release --locked --bin monster-gateway \
 && install -D target/release/monster-gateway /out/monster-gateway

FROM ${RUNTIME_IMAGE} AS prebuilt
ARG PREBUILT=monster-gateway
COPY --chmod=0755 ${PREBUILT} /out/monster-gateway

FROM ${BINARY} AS program

FROM ${RUNTIME_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 7580 monster \
 && useradd --system --uid 7580 --gid monster --home-dir /data --shell /usr/sbin/nologin monster \
 && install -d -o monster -g monster -m 0700 /data \
 && install -d -o monster -g monster -m 0750 /wiring
COPY --from=program /out/monster-gateway /usr/local/bin/monster-gateway

USER monster
WORKDIR /data
VOLUME /data
ENV MONSTER_GATEWAY__SERVER__LISTEN=0.0.0.0:7580 \
    MONSTER_GATEWAY__SERVER__DATA_DIR=/data
EXPOSE 7580/tcp 7581/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["monster-gateway", "health"]
ENTRYPOINT ["monster-gateway"]
