#!/usr/bin/env bash
# What a release does to the repository. release.yml calls these in their order; tests/release.rs tries them.
#
#   check VERSION              whether VERSION can be released from this commit
#   prepare VERSION DATE       writes VERSION into Cargo.toml and Cargo.lock, and heads its part of CHANGELOG.md
#   commit VERSION DATE        the same as a commit, which is what the image is built from
#   current                    whether main still has the workflows of this commit
#   notes VERSION              prints the part of CHANGELOG.md
#   pin REFERENCE              lets action.yml run that image: ghcr.io/…:VERSION@sha256:…
#   publish VERSION DATE REFERENCE
#                              commits the two changes and pushes them as the tags vVERSION and vMAJOR, and to main;
#                              what a run before this one left half-way is ended
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
  if git rev-parse --quiet --verify "refs/tags/v$1" >/dev/null; then
    fail "v$1 exists already. Where its release ended half-way, use 'Re-run failed jobs' of that run"
  fi
  can_be_released "$1"
}

# What has to hold also where the tag is there already.
can_be_released() {
  local newest
  is_version "$1" || fail "'$1' is no version: 1.2.3 or 1.2.3-rc.1, without v"
  grep --quiet '^  image: Dockerfile$' action.yml || fail "action.yml names an image already: release from main"
  [ -n "$(part Unreleased)" ] || fail "CHANGELOG.md has nothing under Unreleased"
  # what is released is all of main: it would come after the newest release whatever number it has
  newest=$(released | { grep --invert-match --line-regexp --fixed-strings -e "$1" || true; } | tail -n 1)
  [ -n "$newest" ] || return 0
  is_older "$newest" "${1%%-*}" || fail "$1 is not newer than the release $newest"
  [ -n "$(part "$newest")" ] || fail "main does not have the release $newest: merge v$newest^ first"
}

# The versions that are released, without pre-releases, the newest last.
released() {
  git tag --list 'v*.*.*' | sed 's/^v//' | { grep -v -- - || true; } | sort --version-sort
}

# Whether the first version comes before the second one.
is_older() {
  [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort --version-sort | head -n 1)" = "$1" ]
}

# GITHUB_TOKEN may not push a commit whose workflows are others than those on a branch; no permission lifts that.
current() {
  [ "${DRY_RUN:-false}" = false ] || return 0
  git fetch --quiet origin main
  git diff --quiet HEAD FETCH_HEAD -- .github/workflows ||
    fail "main has other workflows by now, and GITHUB_TOKEN may not push past them: start the release again"
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

commit() {
  prepare "$1" "$2"
  record "Release $1"
}

# Commits what was changed, with the time of the commit before: another run makes the same commit of it, and whoever
# builds the image from it gives its files the same time.
record() {
  local time
  time=$(git log -1 --format=%cI)
  GIT_AUTHOR_DATE=$time GIT_COMMITTER_DATE=$time \
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
  local version=$1 date=$2 reference=$3 before
  can_be_released "$version"
  current
  commit "$version" "$date"
  before=$(git rev-parse HEAD)
  pin "$reference"
  record "Run the image of $version by its digest"
  git tag "v$version" 2>/dev/null || [ "$(git rev-parse "v$version^{commit}")" = "$(git rev-parse HEAD)" ] ||
    fail "v$version exists already, and is another commit"
  # a pre-release is not what the users of v1 wait for, and what it brings is still to be released
  if [[ $version == *-* ]]; then
    push origin "refs/tags/v$version"
    return
  fi
  push --atomic origin "refs/tags/v$version" "+HEAD:refs/tags/v${version%%.*}"
  # main may be protected, or have moved on: the release is out all the same
  if ! push origin "$before:refs/heads/main"; then
    echo "::warning title=Release::v$version is out, but main does not have its commit: merge v$version^ into it"
  fi
}

command=${1:-}
case "$command:$#" in
  check:2 | prepare:3 | commit:3 | current:1 | notes:2 | pin:2 | publish:4) shift && "$command" "$@" ;;
  *) fail "call it as its head says: check, prepare, commit, current, notes, pin or publish, with what they need" ;;
esac
