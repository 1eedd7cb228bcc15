//! A step in a time that the tests own: waiting costs nothing, and the waits are what is looked at.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a fault in here is a fault of the tests")]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::Write,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidy_packages::{clock::Clock, inputs::Environment, report::Status, run, stop, tell::log::Log};
use tokio::sync::watch;

/// The token of every step.
pub const TOKEN: &str = "ghp_canary0123456789abcdefghijklmnopqr";

/// A clock that stands still but for the waits, which it remembers. Waits that begin at one moment
/// pass side by side.
#[derive(Clone, Default)]
pub struct VirtualClock {
    milliseconds: Arc<AtomicU64>,
    waits: Arc<Mutex<Vec<u64>>>,
    hangs: Option<watch::Receiver<usize>>,
    endured: Arc<AtomicUsize>,
}

/// When every virtual time begins.
pub fn midnight() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().expect("a moment")
}

impl VirtualClock {
    pub fn moment(&self) -> Timestamp {
        midnight() + SignedDuration::from_millis(i64::try_from(self.milliseconds.load(Ordering::SeqCst)).expect("time"))
    }

    /// Whole seconds of every wait.
    pub fn waits(&self) -> Vec<u64> {
        self.waits.lock().expect("the waits").clone()
    }

    /// Watches a server that lets requests hang.
    pub fn watching(mut self, hangs: watch::Receiver<usize>) -> Self {
        self.hangs = Some(hangs);
        self
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.milliseconds.fetch_add(u64::try_from(duration.as_millis()).expect("time"), Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.moment()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.milliseconds.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        let milliseconds = u64::try_from(duration.as_millis()).expect("time") + 1;
        let wakes_at = self.milliseconds.load(Ordering::SeqCst) + milliseconds;
        Box::pin(async move {
            self.milliseconds.fetch_max(wakes_at, Ordering::SeqCst);
            self.waits.lock().expect("the waits").push(duration.as_secs());
        })
    }

    /// Patience is over when the server lets a request hang: with one in flight, it is that one.
    fn patience(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(mut hangs) = self.hangs.clone() else { return std::future::pending().await };
            let is_new = |hangs: &usize| *hangs > self.endured.load(Ordering::SeqCst);
            if hangs.wait_for(is_new).await.is_err() {
                return std::future::pending().await;
            }
            self.endured.fetch_add(1, Ordering::SeqCst);
            self.advance(duration);
        })
    }
}

/// How a step ended.
pub struct Ended {
    pub status: Status,
    pub report: Value,
    pub log: String,
    pub waits: Vec<u64>,
    /// How long it took, in its own time.
    pub took: Duration,
}

impl Ended {
    pub fn count(&self, name: &str) -> u64 {
        self.report["counts"][name].as_u64().expect("a count")
    }

    pub fn version(&self, name: &str) -> &Value {
        let versions = self.report["packages"][0]["versions"].as_array().expect("versions");
        versions.iter().find(|version| version["name"] == name).expect("the version")
    }
}

/// A log that is read afterwards.
#[derive(Clone, Default)]
struct Page(Rc<RefCell<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the action's own pipeline on the docker package `app` of `octo-org`, one request at a time,
/// unless the inputs say otherwise.
pub fn run_step(clock: &VirtualClock, url: &str, inputs: &[(&str, &str)]) -> Ended {
    run_step_with(clock, url, inputs, None)
}

/// The same with the report of an earlier run.
pub fn run_step_with(clock: &VirtualClock, url: &str, inputs: &[(&str, &str)], earlier: Option<&Value>) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut variables = BTreeMap::from([
        ("INPUT_TOKEN".to_owned(), TOKEN.to_owned()),
        ("INPUT_OWNER".to_owned(), "octo-org".to_owned()),
        ("INPUT_PACKAGE-TYPE".to_owned(), "docker".to_owned()),
        ("INPUT_PACKAGES".to_owned(), "app".to_owned()),
        ("INPUT_CONCURRENCY".to_owned(), "1".to_owned()),
        ("GITHUB_API_URL".to_owned(), url.to_owned()),
    ]);
    if let Some(report) = earlier {
        fs::write(folder.path().join("earlier.json"), report.to_string()).expect("a report");
        // what the report says of its own
        variables.retain(|name, _| !matches!(name.as_str(), "INPUT_PACKAGE-TYPE" | "INPUT_PACKAGES"));
        variables.insert("INPUT_FROM-REPORT".to_owned(), "earlier.json".to_owned());
    }
    variables
        .extend(inputs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), (*value).to_owned())));
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
    let environment = Environment::new(variables, folder.path().to_owned());
    let page = Page::default();
    let log = Rc::new(Log::new(Box::new(page.clone()), false, false));
    let (_stopper, stop) = stop::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = clock.elapsed();
    let status = runtime.block_on(run(&environment, Rc::new(clock.clone()), stop, log));
    let report = fs::read(folder.path().join("tidy-packages.json")).expect("a report");
    let log = String::from_utf8(page.0.borrow().clone()).expect("a log");
    Ended {
        status,
        report: serde_json::from_slice(&report).expect("JSON"),
        log,
        waits: clock.waits(),
        took: clock.elapsed() - begun,
    }
}
