# The action's image: one static binary, the certificates that TLS needs, and nothing else.
# No USER: the runner's files for outputs and summary belong to another user, and only root can write them
# (https://docs.github.com/actions/reference/dockerfile-support-for-github-actions#user).
# The list of parts (SBOM) of a release is read from Cargo.lock here: the image itself has nothing to find
# (https://docs.docker.com/build/metadata/attestations/sbom/#arguments).
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
# By the digest of its index for all architectures, so that the same commit is the same image however the tag moves.
FROM rust:1.95-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
# The target is named so that build scripts are not linked statically; it is the machine's own, amd64 or arm64.
# Without unwind tables (a panic ends the process anyway) and with packed relocations it is a quarter of a MB smaller.
RUN target="$(rustc --print host-tuple)" \
 && export RUSTFLAGS="-C target-feature=+crt-static -C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs" \
 && cargo build --release --locked --bin tidy-packages --target "$target" \
 && cp "target/$target/release/tidy-packages" /tidy-packages \
 && if [ ! -f /etc/ssl/certs/ca-certificates.crt ]; then \
      apt-get update && apt-get install -y --no-install-recommends ca-certificates; \
    fi \
 && cp /etc/ssl/certs/ca-certificates.crt /ca-certificates.crt

FROM scratch
LABEL org.opencontainers.image.title="Tidy Packages" \
      org.opencontainers.image.description="A GitHub Action that cleans up GitHub Packages: safe, explained, and reversible." \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /tidy-packages /tidy-packages
ENTRYPOINT ["/tidy-packages"]
