#!/usr/bin/env bash
# The image of this machine's architecture, and of both together; ci.yml and release.yml call these.
#
#   name                        the image's name: the repository's, in lower case
#   build                       builds it as tidy-packages, twice, and compares: the same commit is the same image
#   push                        pushes it by its digest, with SBOM and provenance, and prints the digest
#   join VERSION DIGEST DIGEST  makes VERSION of the images of two architectures, and prints its reference
#   anonymous REFERENCE         whether anybody can pull it, and it starts
#
# Needs Docker with buildx; GITHUB_REPOSITORY names the repository.
set -euo pipefail

fail() {
  echo "::error title=Image::$1" >&2
  exit 1
}

name() {
  echo "ghcr.io/${GITHUB_REPOSITORY,,}"
}

# What builds, and what lists the parts (SBOM): both make bytes that are signed.
builder=moby/buildkit:v0.31.1@sha256:6b59b7df63a8cb9902736f9ddf7fcff8261613d3e7449b8ea8b7537fc399c03a
scanner=docker/buildkit-syft-scanner:1.12.0@sha256:ae4f3b554449e7e25548e7d8ccc029d17357348e30c6e3df01b92bc93654d6a9

# A builder that can rewrite times and attach attestations; the default one cannot.
buildx() {
  docker buildx inspect tidy-packages >/dev/null 2>&1 ||
    docker buildx create --name tidy-packages --driver-opt "image=$builder" >/dev/null
  # files are as old as the commit, so that building again gives the same bytes (https://reproducible-builds.org)
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) docker buildx build --builder tidy-packages \
    --label "org.opencontainers.image.source=https://github.com/$GITHUB_REPOSITORY" "$@" .
}

build() {
  local first second container bytes
  for time in first second; do
    buildx --no-cache --provenance=false --output "type=oci,dest=$folder/$time.tar,rewrite-timestamp=true"
  done
  first=$(digest "$folder/first.tar") second=$(digest "$folder/second.tar")
  echo "built twice: $first, $second"
  [ "$first" = "$second" ] || fail "the same commit gave two images: $first and $second"
  buildx --provenance=false --load --tag tidy-packages
  # its files: the size that Docker tells has the compressed layers too where containerd keeps them (moby/moby#53426)
  container=$(docker create tidy-packages)
  bytes=$(docker export "$container" | wc --bytes)
  docker rm "$container" >/dev/null
  echo "the image has $bytes bytes"
  [ "$bytes" -lt 5000000 ] || fail "the image has $bytes bytes, 5,000,000 are too many"
}

# The digest of the one image in an OCI archive (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
digest() {
  tar --extract --to-stdout --file "$1" index.json | sha256
}

# The first digest in a text.
sha256() {
  grep --only-matching --max-count=1 --extended-regexp 'sha256:[0-9a-f]+' | head --lines=1
}

push() {
  local metadata=$folder/metadata.json image
  image=$(name)
  buildx --attest type=provenance,mode=max --attest "type=sbom,generator=$scanner" --metadata-file "$metadata" \
    --output "type=image,name=$image,push-by-digest=true,name-canonical=true,push=true,rewrite-timestamp=true" >&2
  grep --only-matching '"containerimage.digest": *"[^"]*"' "$metadata" | sha256 || fail "buildx told no digest"
}

join() {
  local version=$1 image digest
  shift
  image=$(name)
  for digest in "$@"; do
    [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "'$digest' is no digest: was the image pushed?"
  done
  docker buildx imagetools create --tag "$image:$version" \
    --annotation "index:org.opencontainers.image.source=https://github.com/$GITHUB_REPOSITORY" \
    --annotation "index:org.opencontainers.image.version=$version" \
    --annotation "index:org.opencontainers.image.description=$(label description)" \
    --annotation "index:org.opencontainers.image.licenses=$(label licenses)" "${@/#/$image@}" >&2
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image:$version" | sha256)
  echo "$image:$version@$digest"
}

# What the Dockerfile says of the image; GitHub shows it of an index only if the index says it too.
label() {
  sed -nE "s/.*org\.opencontainers\.image\.$1=\"([^\"]*)\".*/\1/p" Dockerfile
}

anonymous() {
  docker pull --quiet "$1" || fail \
    "$1 cannot be pulled without a token: make the package public (its settings, Danger Zone), then 'Re-run failed jobs'"
  docker run --rm "$1" --version || fail "$1 does not start"
}

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
command=${1:-}
case "$command:$#" in
  name:1 | build:1 | push:1 | join:4 | anonymous:2) shift && "$command" "$@" ;;
  *) fail "call it as its head says: name, build, push, join VERSION DIGEST DIGEST, or anonymous REFERENCE" ;;
esac
