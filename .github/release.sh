#!/usr/bin/env bash
# What a release does to the repository. release.yml calls these in their order; tests/release.rs tries them.
#
#   check VERSION              whether VERSION can be released from this commit
#   prepare VERSION DATE       writes VERSION into Cargo.toml and Cargo.lock, and heads its part of CHANGELOG.md
#   notes VERSION              prints the part of CHANGELOG.md
#   pin REFERENCE              lets action.yml run that image: ghcr.io/…:VERSION@sha256:…
#   publish VERSION DATE REFERENCE
#                              commits the two changes and pushes them as the tags vVERSION and vMAJOR, and to main
#
# DRY_RUN=true tells what it would push. Needs git, sed and awk.
set -euo pipefail

fail() {
  echo "::error title=Release::$1" >&2
  exit 1
}

# A version without leading zeros or build metadata (https://semver.org, items 2 and 9).
is_version() {
  local number='(0|[1-9][0-9]*)' identifier='[0-9A-Za-z-]+'
  [[ $1 =~ ^$number\.$number\.$number(-$identifier(\.$identifier)*)?$ ]]
}

check() {
  is_version "$1" || fail "'$1' is no version: 1.2.3 or 1.2.3-rc.1, without v"
  if git rev-parse --quiet --verify "refs/tags/v$1" >/dev/null; then fail "v$1 exists already"; fi
  grep --quiet '^  image: Dockerfile$' action.yml || fail "action.yml names an image already: release from main"
  [ -n "$(part Unreleased)" ] || fail "CHANGELOG.md has nothing under Unreleased"
}

# The lines below a heading of CHANGELOG.md, without the empty ones around them.
part() {
  awk -v heading="$1" '
    /^## / { inside = ($2 == heading); next }
    inside && (NF || begun) { begun = 1; if (NF) { printf "%s%s\n", gap, $0; gap = "" } else { gap = gap "\n" } }
  ' CHANGELOG.md
}

# Edits a file by a sed script, and fails unless it has this line then.
edit() {
  sed -E "$2" "$1" >"$1.new"
  cat "$1.new" >"$1" && rm "$1.new"
  grep --quiet --line-regexp --fixed-strings -e "$3" "$1" || fail "$1 is not as expected: no '$3'"
}

prepare() {
  edit Cargo.toml "0,/^version = /s/^version = .*/version = \"$1\"/" "version = \"$1\""
  edit Cargo.lock "/^name = \"tidy-packages\"/{n;s/.*/version = \"$1\"/}" "version = \"$1\""
  edit CHANGELOG.md "s/^## Unreleased$/## Unreleased\n\n## $1 - $2/" "## $1 - $2"
}

notes() {
  local text
  text=$(part "$1")
  [ -n "$text" ] || fail "CHANGELOG.md has no part for $1"
  echo "$text"
}

pin() {
  [[ $1 =~ ^[a-z0-9.-]+(/[a-z0-9._-]+)+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}$ ]] || fail "'$1' names no image by its digest"
  edit action.yml "s|^  image: Dockerfile$|  image: docker://$1|" "  image: docker://$1"
}

# Whether no released version of the same major is newer.
is_newest_of_major() {
  local newest
  newest=$({
    git tag --list "v${1%%.*}.*" | sed 's/^v//' | { grep -v -- - || true; }
    echo "$1"
  } | sort --version-sort | tail -n 1)
  [ "$newest" = "$1" ]
}

commit() {
  git -c user.name='github-actions[bot]' -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
    commit --quiet --all --message "$1"
}

push() {
  if [ "${DRY_RUN:-false}" != false ]; then
    echo "would run: git push $*"
  else
    git push "$@"
  fi
}

publish() {
  local version=$1 date=$2 reference=$3 released
  check "$version"
  prepare "$version" "$date"
  commit "Release $version"
  released=$(git rev-parse HEAD)
  pin "$reference"
  commit "Run the image of $version by its digest"
  git tag "v$version"
  push origin "refs/tags/v$version"
  # a pre-release, or a fix of an older minor version, is not what the users of v1 wait for
  if [[ $version != *-* ]] && is_newest_of_major "$version"; then
    push --force origin "HEAD:refs/tags/v${version%%.*}"
  fi
  # main may be protected, or have moved on: the release is out all the same
  if ! push origin "$released:refs/heads/main"; then
    echo "::warning title=Release::v$version is out, but main does not have its commit: git merge v$version^"
  fi
}

command=${1:-}
case "$command:$#" in
  check:2 | prepare:3 | notes:2 | pin:2 | publish:4) shift && "$command" "$@" ;;
  *) fail "call it as its head says: check VERSION, prepare VERSION DATE, notes VERSION, pin REFERENCE, publish VERSION DATE REFERENCE" ;;
esac
