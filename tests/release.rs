//! A release: `.github/release.sh` in a repository of its own, with an origin that can be looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "programs are found by the PATH of this machine")]

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

const REFERENCE: &str = "ghcr.io/octo-org/tidy-packages:1.0.0@sha256:\
                         1af93c620ff22147bd4cf2cd9d0b19dc8fa2bcd23d1ff1fdd67b5b6a6aa5d1d4";

/// What the script changes, and the script.
const FILES: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "CHANGELOG.md", "action.yml", "Dockerfile", ".github/release.sh", ".github/image.sh"];

/// A clone with one commit on main, and the repository it was pushed to.
struct Repository {
    folder: TempDir,
}

struct Told {
    succeeded: bool,
    text: String,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        let folder = repository.folder.path();
        for name in FILES {
            let to = folder.join("clone").join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), to).unwrap();
        }
        for name in ["Cargo.toml", "Cargo.lock"] {
            let line = |version| format!("name = \"tidy-packages\"\nversion = \"{version}\"");
            let text = repository.read(name);
            let unreleased = text.replacen(&line(env!("CARGO_PKG_VERSION")), &line("0.0.0"), 1);
            repository.write(name, &unreleased);
        }
        repository.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- Deletes.\n\n  More of it.\n- Restores.\n");
        repository.git("init --quiet --bare --initial-branch main ../origin");
        repository.git("init --quiet --initial-branch main");
        repository.git("remote add origin ../origin");
        repository.commit("First");
        repository
    }

    /// Where programs are found: a stand-in for Docker first, if there is one.
    fn path(&self) -> OsString {
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.path().join("bin")).chain(std::env::split_paths(&machine));
        std::env::join_paths(folders).unwrap()
    }

    /// Puts a program in the place of `docker` that notes what it is called with, and answers so.
    fn docker(&self, script: &str) {
        let bin = self.folder.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let program = bin.join("docker");
        fs::write(&program, format!("#!/bin/sh\necho \"$*\" >>../docker-calls\n{script}\n")).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str], dry_run: bool) -> Told {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path().join("clone"))
            // neither this machine's settings of git nor a runner's variables
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", self.folder.path())
            .env("DRY_RUN", dry_run.to_string())
            .env("GITHUB_REPOSITORY", "Octo-Org/tidy-packages")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        Told { succeeded: output.status.success(), text: String::from_utf8(text).unwrap() }
    }

    fn git(&self, arguments: &str) -> String {
        let told = self.run("git", &arguments.split_whitespace().collect::<Vec<_>>(), false);
        assert!(told.succeeded, "git {arguments}: {}", told.text);
        told.text.trim().to_owned()
    }

    fn release(&self, arguments: &[&str]) -> Told {
        self.run("bash", &[&[".github/release.sh"], arguments].concat(), false)
    }

    fn publish(&self, version: &str) -> Told {
        self.release(&["publish", version, "2026-11-23", REFERENCE])
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join("clone").join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("clone").join(name)).unwrap()
    }

    /// Commits all there is and pushes it to main.
    fn commit(&self, message: &str) {
        self.git("add --all");
        self.git(&format!("-c user.name=octocat -c user.email=octocat@example.com commit --quiet --message {message}"));
        self.git("push --quiet origin HEAD:refs/heads/main");
    }

    /// Goes back to what is on main, as the next release does, and adds a change to be released.
    fn next(&self) {
        self.git("fetch --quiet origin");
        self.git("checkout --quiet --force -B main origin/main");
        let changes = self.read("CHANGELOG.md").replacen("## Unreleased\n", "## Unreleased\n\n- Another change.\n", 1);
        self.write("CHANGELOG.md", &changes);
        self.commit("Another");
    }

    /// A file as the origin has it at a tag or branch.
    fn file(&self, reference: &str, name: &str) -> String {
        self.git(&format!("--git-dir ../origin show {reference}:{name}"))
    }

    fn commit_of(&self, reference: &str) -> String {
        self.git(&format!("--git-dir ../origin rev-parse {reference}^{{commit}}"))
    }

    fn tags(&self) -> String {
        self.git("--git-dir ../origin tag").replace('\n', " ")
    }
}

#[test]
fn a_release_is_two_commits_and_only_the_tags_have_the_second() {
    let repository = Repository::new();
    let told = repository.publish("1.0.0");
    assert!(told.succeeded, "{}", told.text);
    assert_eq!(repository.tags(), "v1 v1.0.0");
    assert_eq!(repository.commit_of("v1"), repository.commit_of("v1.0.0"));
    assert_eq!(repository.commit_of("main"), repository.commit_of("v1.0.0~1"));
    // the tag runs the image by its digest, main builds it
    assert!(repository.file("v1.0.0", "action.yml").contains(&format!("\n  image: docker://{REFERENCE}")));
    assert!(repository.file("main", "action.yml").contains("\n  image: Dockerfile"));
    let changed = repository.git("--git-dir ../origin diff --stat --format= v1.0.0~1 v1.0.0");
    assert!(changed.contains("1 file changed, 1 insertion(+), 1 deletion(-)"), "{changed}");
    // the version stands wherever one is
    for (name, line) in [
        ("Cargo.toml", "name = \"tidy-packages\"\nversion = \"1.0.0\""),
        ("Cargo.lock", "name = \"tidy-packages\"\nversion = \"1.0.0\""),
        ("CHANGELOG.md", "## Unreleased\n\n## 1.0.0 - 2026-11-23\n\n- Deletes."),
    ] {
        let text = repository.file("main", name);
        assert!(text.contains(line), "{name}:\n{text}");
    }
    let changed = repository.git("--git-dir ../origin diff --numstat main~1 main");
    assert_eq!(changed, "2\t0\tCHANGELOG.md\n1\t1\tCargo.lock\n1\t1\tCargo.toml");
}

#[test]
fn the_floating_tag_follows_the_newest_release_of_its_major_version() {
    let repository = Repository::new();
    let releases = [("1.9.0", "1.9.0"), ("1.10.0", "1.10.0"), ("1.11.0-rc.1", "1.10.0"), ("2.0.0", "1.10.0")];
    for (version, first) in releases {
        let told = repository.publish(version);
        assert!(told.succeeded, "{version}: {}", told.text);
        assert_eq!(repository.commit_of("v1"), repository.commit_of(&format!("v{first}")), "after {version}");
        repository.next();
    }
    assert_eq!(repository.commit_of("v2"), repository.commit_of("v2.0.0"));
    // what a pre-release brings is still to be released
    let changes = repository.file("main", "CHANGELOG.md");
    assert!(
        changes.contains("## 2.0.0 - 2026-11-23\n\n- Another change.\n\n- Another change.\n\n## 1.10.0"),
        "{changes}"
    );
    assert!(!changes.contains("rc.1"), "{changes}");
    for older in ["1.9.1", "1.11.0", "2.0.0-rc.1"] {
        let told = repository.release(&["check", older]);
        assert!(!told.succeeded && told.text.contains("is not newer than the release 2.0.0"), "{older}: {}", told.text);
    }
}

#[test]
fn a_release_that_ended_half_way_is_ended_by_another_run_of_the_same() {
    let repository = Repository::new();
    let origin = repository.folder.path().join("origin");
    let hook = origin.join("hooks/update");
    fs::create_dir_all(origin.join("hooks")).unwrap();
    // both tags go at once: where one of them is refused, neither is there
    fs::write(&hook, "#!/bin/sh\n[ \"$1\" != refs/tags/v1 ]\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!repository.publish("1.0.0").succeeded);
    assert_eq!(repository.tags(), "");
    // a refused main leaves the tags, and the next run of the same finds them
    fs::write(&hook, "#!/bin/sh\n[ \"$1\" != refs/heads/main ]\n").unwrap();
    repository.git("reset --quiet --hard origin/main");
    let told = repository.publish("1.0.0");
    assert!(told.succeeded && told.text.contains("merge v1.0.0^ into it"), "{}", told.text);
    assert_eq!(repository.tags(), "v1 v1.0.0");
    let released = repository.commit_of("v1.0.0");
    fs::remove_file(&hook).unwrap();
    repository.git("reset --quiet --hard origin/main");
    let told = repository.publish("1.0.0");
    assert!(told.succeeded, "{}", told.text);
    assert_eq!(
        (repository.commit_of("v1.0.0"), repository.commit_of("main")),
        (released.clone(), repository.commit_of("v1.0.0~1"))
    );
    // another image is another release
    repository.git(&format!("reset --quiet --hard {released}~2"));
    let told = repository.release(&["publish", "1.0.0", "2026-11-23", &REFERENCE.replace("1af93c", "2af93c")]);
    assert!(!told.succeeded && told.text.contains("is another commit"), "{}", told.text);
    // the image was built from the commit that main got
    repository.git(&format!("reset --quiet --hard {released}~2"));
    assert!(repository.release(&["commit", "1.0.0", "2026-11-23"]).succeeded);
    assert_eq!(repository.git("rev-parse HEAD"), repository.commit_of("main"));
}

#[test]
fn the_next_release_waits_until_main_has_the_last_one() {
    let repository = Repository::new();
    let before = repository.commit_of("main");
    assert!(repository.publish("1.0.0").succeeded);
    repository.git(&format!("push --quiet --force origin {before}:refs/heads/main"));
    repository.next();
    let told = repository.release(&["check", "1.0.1"]);
    assert!(!told.succeeded && told.text.contains("main does not have the release 1.0.0"), "{}", told.text);
}

#[test]
fn nothing_is_pushed_past_other_workflows_on_main() {
    let repository = Repository::new();
    fs::create_dir_all(repository.folder.path().join("clone/.github/workflows")).unwrap();
    repository.write(".github/workflows/new.yml", "name: New");
    repository.commit("Meanwhile");
    repository.git("reset --quiet --hard HEAD~1");
    let told = repository.publish("1.0.0");
    assert!(!told.succeeded && told.text.contains("start the release again"), "{}", told.text);
    assert_eq!(repository.tags(), "");
}

#[test]
fn a_release_does_not_begin_where_it_cannot_end() {
    let repository = Repository::new();
    for version in ["", "v1.0.0", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0+build", "1.0.0 ", "1.0.0;ls", "latest"] {
        let told = repository.release(&["check", version]);
        assert!(!told.succeeded && told.text.contains("is no version"), "{version}: {}", told.text);
    }
    for version in ["0.1.0", "1.0.0", "10.20.30", "1.0.0-rc.1", "1.0.0-0a.b-c"] {
        let told = repository.release(&["check", version]);
        assert!(told.succeeded, "{version}: {}", told.text);
    }
    repository.git("tag v1.0.0");
    assert!(repository.release(&["check", "1.0.0"]).text.contains("v1.0.0 exists already"));
    repository.git("tag --delete v1.0.0");
    for reference in ["", "ghcr.io/octo-org/tidy-packages:1.0.0", "ghcr.io/a/b:1@sha256:12", "ghcr.io/A/b:1@sha256:12"]
    {
        let told = repository.release(&["publish", "1.0.0", "2026-11-23", reference]);
        assert!(!told.succeeded && told.text.contains("no image by its digest"), "{reference}: {}", told.text);
        repository.git("reset --quiet --hard origin/main");
    }
    assert_eq!(repository.tags(), "", "nothing was pushed");
    let pinned = repository.read("action.yml").replace("image: Dockerfile", &format!("image: docker://{REFERENCE}"));
    repository.write("action.yml", &pinned);
    assert!(repository.release(&["check", "1.0.0"]).text.contains("release from main"));
    repository.git("checkout action.yml");
    repository.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 0.9.0 - 2026-01-01\n\n- Old.\n");
    assert!(repository.release(&["check", "1.0.0"]).text.contains("nothing under Unreleased"));
    for arguments in [&[][..], &["check"], &["publish", "1.0.0"], &["is_version", "1.0.0"]] {
        assert!(!repository.release(arguments).succeeded, "{arguments:?}");
    }
}

#[test]
fn a_main_that_moved_on_is_left_as_it_is_and_told() {
    let repository = Repository::new();
    repository.write("new", "pushed while the release was made");
    repository.commit("Meanwhile");
    let moved_on = repository.commit_of("main");
    repository.git("reset --quiet --hard HEAD~1");
    let told = repository.publish("1.0.0");
    assert!(told.succeeded && told.text.contains("merge v1.0.0^ into it"), "{}", told.text);
    assert_eq!((repository.tags().as_str(), repository.commit_of("main")), ("v1 v1.0.0", moved_on));
}

#[test]
fn a_dry_run_tells_what_it_would_push_and_pushes_nothing() {
    let repository = Repository::new();
    let before = repository.commit_of("main");
    let arguments = [".github/release.sh", "publish", "1.0.0", "2026-11-23", REFERENCE];
    let told = repository.run("bash", &arguments, true);
    assert!(told.succeeded, "{}", told.text);
    let pushes: Vec<_> = told.text.lines().filter(|line| line.starts_with("would run: git push ")).collect();
    assert_eq!(pushes.len(), 2, "{}", told.text);
    assert_eq!((repository.tags().as_str(), repository.commit_of("main")), ("", before));
}

#[test]
fn both_architectures_become_one_image_of_the_repositorys_name() {
    let repository = Repository::new();
    repository.docker(r#"case "$3" in inspect) echo sha256:8df5d3 ;; esac"#);
    let image = |arguments: &[&str]| repository.run("bash", &[&[".github/image.sh"], arguments].concat(), false);
    assert_eq!(image(&["name"]).text, "ghcr.io/octo-org/tidy-packages\n");
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let joined = image(&["join", "1.0.0", &digest("a"), &digest("b")]);
    assert_eq!(joined.text, "ghcr.io/octo-org/tidy-packages:1.0.0@sha256:8df5d3\n");
    let calls = fs::read_to_string(repository.folder.path().join("docker-calls")).unwrap();
    for part in [
        "buildx imagetools create --tag ghcr.io/octo-org/tidy-packages:1.0.0 ",
        "index:org.opencontainers.image.description=A GitHub Action that ",
        &format!(" ghcr.io/octo-org/tidy-packages@{}", digest("a")),
        &format!(" ghcr.io/octo-org/tidy-packages@{}", digest("b")),
    ] {
        assert!(calls.contains(part), "{part}: {calls}");
    }
    // an architecture that was not pushed has no digest
    let missing = image(&["join", "1.0.0", &digest("a"), ""]);
    assert!(!missing.succeeded && missing.text.contains("is no digest"), "{}", missing.text);
}

#[test]
fn an_architecture_is_pushed_by_its_digest_with_what_it_is_made_of() {
    let repository = Repository::new();
    let metadata = |text: &str| {
        let script = r#"
            for argument in "$@"; do
              if [ "$before" = --metadata-file ]; then echo 'METADATA' >"$argument"; fi
              before=$argument
            done"#;
        repository.docker(&script.replace("METADATA", text));
    };
    metadata(
        r#"{"buildx.build.provenance":{"digest":"sha256:00"},"containerimage.config.digest":"sha256:11",
            "containerimage.descriptor":{"digest":"sha256:22"},"containerimage.digest":"sha256:1af93c"}"#,
    );
    let told = repository.run("bash", &[".github/image.sh", "push"], false);
    assert_eq!((told.succeeded, told.text.as_str()), (true, "sha256:1af93c\n"));
    let calls = fs::read_to_string(repository.folder.path().join("docker-calls")).unwrap();
    for part in [
        "--attest type=provenance,mode=max ",
        "--attest type=sbom,generator=docker/buildkit-syft-scanner:",
        "name=ghcr.io/octo-org/tidy-packages,push-by-digest=true,",
        ",push=true,",
    ] {
        assert!(calls.contains(part), "{part}: {calls}");
    }
    metadata("{}");
    let told = repository.run("bash", &[".github/image.sh", "push"], false);
    assert!(!told.succeeded && told.text.contains("buildx told no digest"), "{}", told.text);
}

#[test]
fn an_image_that_only_its_owner_can_pull_is_not_released() {
    let repository = Repository::new();
    repository.docker("exit 1");
    let told = repository.run("bash", &[".github/image.sh", "anonymous", REFERENCE], false);
    assert!(!told.succeeded && told.text.contains("make the package public"), "{}", told.text);
    repository.docker("[ $1 != run ]");
    let told = repository.run("bash", &[".github/image.sh", "anonymous", REFERENCE], false);
    assert!(!told.succeeded && told.text.contains("does not start"), "{}", told.text);
}

#[test]
fn the_same_commit_has_to_give_the_same_image() {
    let repository = Repository::new();
    // buildx as far as the script knows it: an archive for each build, and then the files of the image
    let build = r#"
        for argument in "$@"; do
          case $argument in *dest=*) archive=${argument#*dest=} archive=${archive%%,*} ;; esac
        done
        if [ "$1" = export ]; then head --bytes 4900000 /dev/zero; fi
        if [ -n "$archive" ]; then
          echo "{\"manifests\":[{\"digest\":\"sha256:DIGEST\"}]}" >index.json
          tar --create --file "$archive" index.json
        fi"#;
    repository.docker(&build.replace("DIGEST", "1af93c"));
    let told = repository.run("bash", &[".github/image.sh", "build"], false);
    assert!(told.succeeded && told.text.contains("4900000 bytes"), "{}", told.text);
    repository.docker(&build.replace("DIGEST", "$(echo $archive | cksum | cut -c 1-4)"));
    let told = repository.run("bash", &[".github/image.sh", "build"], false);
    assert!(!told.succeeded && told.text.contains("the same commit gave two images"), "{}", told.text);
    repository.docker(&build.replace("DIGEST", "1af93c").replace("4900000", "5000000"));
    let told = repository.run("bash", &[".github/image.sh", "build"], false);
    assert!(!told.succeeded && told.text.contains("too many"), "{}", told.text);
}

#[test]
fn the_notes_are_the_part_of_the_changelog_alone() {
    let repository = Repository::new();
    assert!(repository.publish("1.0.0").succeeded);
    let told = repository.release(&["notes", "1.0.0"]);
    assert_eq!(told.text, "- Deletes.\n\n  More of it.\n- Restores.\n");
    assert!(!repository.release(&["notes", "1.0.1"]).succeeded);
}

#[test]
fn the_changelog_of_this_repository_can_be_released() {
    let repository = Repository::new();
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md"),
        repository.folder.path().join("clone/CHANGELOG.md"),
    )
    .unwrap();
    let prepared = repository.release(&["prepare", "1.0.0", "2026-11-23"]);
    assert!(prepared.succeeded, "{}", prepared.text);
    assert!(repository.read("CHANGELOG.md").contains("\n## Unreleased\n\n## 1.0.0 - 2026-11-23\n\n"));
}
