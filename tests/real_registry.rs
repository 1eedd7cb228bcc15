//! The registry client against a real registry process, with manifests that real tools wrote.
//!
//! `docker-registry` is the distribution project's server, as Debian and Ubuntu package it. Where it
//! is not installed these tests say so and pass; `.ci/run` installs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, and a skipped one says so"
)]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use secrecy::SecretString;
use tempfile::TempDir;
use tidy_packages::{
    caller::Caller, clock::SystemClock, inputs::Pace, manifest, registry::Registry, stop, tell::log::Log,
};

mod runner;
mod simulator;

use runner::{Step, TOKEN};
use simulator::{GitHub, Simulator, Token, Version, images, real_images};

/// A server of its own on loopback, ended when dropped.
struct Server {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Server {
    /// Starts one that holds these images under `octo-org/app`; `None` where there is no registry.
    fn start(versions: &[Version], auth: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        // the port is free now, and taken a moment later: nobody else on this machine is after it
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let storage = folder.path().join("storage");
        versions.iter().for_each(|version| store(&storage, version));
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \
             '127.0.0.1:{port}'}}\n{auth}",
            storage.display()
        );
        fs::write(&config, text).expect("a configuration");
        let started = Command::new("docker-registry")
            .args(["serve".as_ref(), config.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            println!("skipped: there is no docker-registry on this machine (Debian's package of that name)");
            return None;
        };
        let server = Self { child, url: format!("http://127.0.0.1:{port}"), folder };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the registry does not start");
            std::thread::yield_now();
        }
        Some(server)
    }

    fn client(&self) -> Registry {
        let (_, stop) = stop::channel();
        let pace = Pace {
            concurrency: 4,
            points_per_minute: None,
            quota_reserve_percent: 0,
            max_wait: SignedDuration::from_secs(1),
            time_limit: None,
        };
        let log = Rc::new(Log::new(Box::new(std::io::sink()), false, false));
        let url = || self.url.parse().expect("an address");
        let token = SecretString::from(TOKEN);
        let caller = Caller { token, pace, clock: Rc::new(SystemClock::start()), stop, log };
        Registry::new(url(), url(), &caller).expect("a client")
    }

    /// The digest that a tag is on, as the registry keeps it.
    fn tagged(&self, tag: &str) -> Option<String> {
        let link = format!("storage/docker/registry/v2/repositories/octo-org/app/_manifests/tags/{tag}/current/link");
        fs::read_to_string(self.folder.path().join(link)).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts a manifest where the server keeps them, with its tags. The blobs it speaks of are made of
/// nothing: reading manifests needs none, and pushing one asks only whether they are there.
fn store(storage: &Path, version: &Version) {
    let put = |path: &str, bytes: &[u8]| {
        let path = storage.join("docker/registry/v2").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    let repository = "repositories/octo-org/app";
    let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
    let blob = |digest: &str| format!("blobs/sha256/{}/{}/data", &hex(digest)[..2], hex(digest));
    let manifest = version.manifest.as_ref().expect("a manifest");
    put(&blob(&version.name), &manifest.bytes);
    let link = version.name.as_bytes();
    put(&format!("{repository}/_manifests/revisions/sha256/{}/link", hex(&version.name)), link);
    for tag in &version.tags {
        put(&format!("{repository}/_manifests/tags/{tag}/current/link"), link);
    }
    let document: serde_json::Value = serde_json::from_slice(&manifest.bytes).expect("JSON");
    if let Some(config) = document["config"]["digest"].as_str() {
        put(&blob(config), b"{}");
        put(&format!("{repository}/_layers/sha256/{}/link", hex(config)), config.as_bytes());
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

#[test]
fn every_kind_of_manifest_is_read_as_its_tool_wrote_it() {
    let folders = ["acme_app", "acme_bx", "acme_sig"];
    let mut all: Vec<_> = folders.into_iter().flat_map(real_images).collect();
    all.dedup_by(|left, right| left.name == right.name);
    let Some(server) = Server::start(&all, "") else { return };
    let client = server.client();
    block_on(async {
        for version in &all {
            let read = client.manifest("octo-org/app", &version.name).await.expect("an answer").expect("a manifest");
            let listed: Vec<_> = read.children.iter().map(|child| child.digest.clone()).collect();
            assert_eq!((listed, read.subject.clone()), (version.listed(), version.subject()), "{version:?}");
            assert_eq!(read.is_index, !version.listed().is_empty());
        }
        let absent = manifest::digest_of(b"nothing like it");
        assert_eq!(client.manifest("octo-org/app", &absent).await, Ok(None));
        assert!(client.manifest("octo-org/other", &absent).await.is_ok_and(|read| read.is_none()));
    });
}

#[test]
fn an_emptied_copy_takes_the_tag_in_a_real_registry() {
    let all = real_images("acme_bx");
    let Some(server) = Server::start(&all, "") else { return };
    let client = server.client();
    block_on(async {
        for version in &all {
            let read = client.manifest("octo-org/app", &version.name).await.expect("an answer").expect("a manifest");
            let (media_type, bytes) = read.emptied(&version.name);
            let digest = manifest::digest_of(&bytes);
            client.push("octo-org/app", "v1", media_type, bytes).await.expect("the registry takes it");
            assert_eq!(server.tagged("v1"), Some(digest.clone()));
            let copy = client.manifest("octo-org/app", &digest).await.expect("an answer").expect("the copy");
            assert!(copy.children.is_empty() && copy.subject.is_none());
        }
    });
}

#[test]
fn a_clean_up_reads_a_real_registry() {
    let mut all = real_images("acme_sig");
    all.extend(images("other[v2] · untagged 90"));
    let Some(server) = Server::start(&all, "") else { return };
    let github = GitHub::new().organization("octo-org").token(TOKEN, Token::workflow()).package(
        "octo-org",
        "container",
        "app",
        all.clone(),
    );
    let simulator = Simulator::start(github);
    let step = || Step::new(simulator.url()).input("registry-url", &server.url);
    let ended = step().inputs("tag-status=untagged older-than=7d").run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    let ended = step().input("tags", "v1").run();
    assert_eq!((ended.code, simulator.github().left("app")), (Some(0), vec!["v2".to_owned()]), "{}", ended.log);
}

#[test]
fn a_registry_that_wants_a_password_and_no_token_is_told_and_given_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let passwords = folder.path().join("htpasswd");
    fs::write(&passwords, "").expect("a file");
    let auth = format!("auth: {{htpasswd: {{realm: there, path: {}}}}}\n", passwords.display());
    let all = images("a[pr-1] · v[v1]");
    let Some(server) = Server::start(&all, &auth) else { return };
    let github = GitHub::new().organization("octo-org").token(TOKEN, Token::workflow()).package(
        "octo-org",
        "container",
        "app",
        all,
    );
    let simulator = Simulator::start(github);
    let ended = Step::new(simulator.url()).input("registry-url", &server.url).input("tags", "pr-.*").run();
    assert_eq!((ended.code, simulator.changes().len()), (Some(1), 0), "{}", ended.log);
    assert!(ended.log.contains("401") && ended.log.contains("may not read the package"), "{}", ended.log);
}
