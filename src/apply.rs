//! Carries a plan out: the one place that changes anything.
//!
//! Every outcome is written into the report as it comes, so that what is told is what happened
//! even if the run ends in the middle.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::SignedDuration;

use crate::{
    clock::Clock,
    github::{GitHub, State},
    model::{Owner, Package, Version},
    report::{CutShort, Decision, Mode, Outcome, Report, VersionReport, file::ReportFile},
    stop::Stop,
    tell::{self, log::Log},
};

mod change;

use change::{Change, Ends};

/// A plan older than this is held against a new listing before anything more is deleted.
const STALE: Duration = Duration::from_secs(60);
/// The report in the workspace is never further behind than this while work goes on.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Progress is told this often.
const TELL_EVERY: Duration = Duration::from_secs(15);
/// How often in a row a change may wait for so long that it has to be decided anew: a server that
/// never lets one through must not hold a job for ever.
const MOST_ROUNDS: u32 = 20;
/// How long a cancelled run waits for answers to what was sent.
const GRACE: Duration = Duration::from_secs(3);

/// Everything that carrying out needs.
pub struct Applier<'a> {
    /// The API.
    pub github: &'a GitHub,
    /// Whose packages.
    pub owner: &'a Owner,
    /// The plan, and what becomes of it.
    pub report: &'a mut Report,
    /// Where it is kept; `None` = nowhere.
    pub file: Option<&'a ReportFile>,
    /// Requests in flight.
    pub concurrency: usize,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Whether to go on.
    pub stop: Stop,
    /// Where progress and failures are told.
    pub log: Rc<Log>,
    /// What was done and kept so far, for telling and saving.
    pub pulse: Pulse,
}

/// When what was last told and saved.
#[derive(Debug, Default)]
pub struct Pulse {
    started: Duration,
    saved: Duration,
    told: Duration,
    done: usize,
    total: usize,
}

/// What ends the work on a package before all of it was tried.
enum Halt {
    /// For the whole run.
    Run(CutShort),
    /// For this package: nothing more would succeed.
    Package,
}

/// An answer to the change of one version: its place in the report, and what came of it.
type Settled = (usize, Change);

impl Applier<'_> {
    /// Carries out every package's plan, one package after another. `read_at` tells when each
    /// was listed, by [`Clock::elapsed`]. Returns why the run was cut short, if it was.
    pub async fn carry_out(&mut self, read_at: &[Duration]) -> Option<CutShort> {
        let now = self.clock.elapsed();
        let total = (0..self.report.packages.len()).map(|index| self.planned(index).len()).sum();
        self.pulse = Pulse { started: now, saved: now, told: now, done: 0, total };
        for index in 0..self.report.packages.len() {
            let queue = self.planned(index);
            if queue.is_empty() || self.report.packages[index].error.is_some() {
                continue;
            }
            let read_at = read_at.get(index).copied().unwrap_or_default();
            if let Err(Halt::Run(cut_short)) = self.package(index, queue, read_at).await {
                return Some(cut_short);
            }
        }
        None
    }

    /// What is to be changed in a package, oldest first: an interruption leaves the newest.
    fn planned(&self, index: usize) -> VecDeque<usize> {
        let versions = self.report.packages[index].versions.iter().enumerate();
        versions
            .rev()
            .filter(|(_, version)| version.outcome == Some(Outcome::Planned))
            .map(|(index, _)| index)
            .collect()
    }

    async fn package(&mut self, index: usize, mut queue: VecDeque<usize>, mut read_at: Duration) -> Result<(), Halt> {
        let (github, owner) = (self.github, self.owner);
        let package = package_of(self.report, index);
        let mut in_flight: FuturesUnordered<LocalBoxFuture<'_, Settled>> = FuturesUnordered::new();
        // the first change goes alone: should the token lack the right, that is found out once
        let mut proven = false;
        let mut halt: Option<Halt> = None;
        let mut rounds_without_success = 0;
        loop {
            if self.stop.is_asked() {
                halt = Some(Halt::Run(CutShort::Cancelled));
            }
            let stale = self.report.mode == Mode::Delete && self.clock.elapsed() - read_at > STALE;
            if halt.is_none() && stale && in_flight.is_empty() && !queue.is_empty() {
                read_at = self.clock.elapsed();
                if let Err(cause) = self.look_again(index, &package, &mut queue).await {
                    halt = Some(cause);
                }
            }
            let width = if proven { self.concurrency } else { 1 };
            while halt.is_none() && in_flight.len() < width && (in_flight.is_empty() || !stale) {
                let Some(next) = queue.pop_front() else { break };
                let version = &self.report.packages[index].versions[next];
                let (id, decision) = (version.id, version.decision);
                let package = package.clone();
                in_flight.push(Box::pin(async move {
                    let change = match decision {
                        Decision::Restore => change::restore(github, owner, &package, id).await,
                        _ => change::delete(github, owner, &package, id, read_at + STALE).await,
                    };
                    (next, change)
                }));
            }
            if in_flight.is_empty() {
                break;
            }
            let settled = self.next(&mut in_flight, halt.is_none()).await;
            match settled {
                Next::Settled((version, change)) => {
                    proven |= matches!(change.outcome, Outcome::Done | Outcome::Retained);
                    if matches!(change.ends, Ends::Stale) {
                        queue.push_front(version);
                        rounds_without_success += 1;
                        if rounds_without_success > MOST_ROUNDS {
                            halt = halt.or(Some(Halt::Run(CutShort::Limit)));
                        }
                    } else {
                        rounds_without_success = 0;
                    }
                    if let Some(cause) = self.settle(index, version, change) {
                        halt = halt.or(Some(cause));
                    }
                }
                Next::Asked => {}
                Next::OutOfTime => {
                    drop(in_flight);
                    self.give_up_waiting(index, &queue);
                    return Err(Halt::Run(CutShort::Cancelled));
                }
            }
        }
        halt.map_or(Ok(()), Err)
    }

    /// Waits for the next answer, keeping the report and the log alive meanwhile.
    #[expect(clippy::disallowed_methods, reason = "the pulse and the grace are of real time: they decide nothing")]
    async fn next(&mut self, in_flight: &mut FuturesUnordered<LocalBoxFuture<'_, Settled>>, going_on: bool) -> Next {
        let stop = self.stop.clone();
        let grace = async {
            stop.asked().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::pin!(grace);
        loop {
            self.keep_current();
            tokio::select! {
                biased;
                Some(settled) = in_flight.next() => return Next::Settled(settled),
                () = self.stop.asked(), if going_on => return Next::Asked,
                () = &mut grace => return Next::OutOfTime,
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
        }
    }

    /// Writes down what came of a change.
    fn settle(&mut self, index: usize, version: usize, change: Change) -> Option<Halt> {
        let now = self.clock.now();
        let package = &mut self.report.packages[index];
        let label = format!("{} {}", package.package_type, package.name);
        let entry = &mut package.versions[version];
        entry.outcome = Some(change.outcome);
        entry.error.clone_from(&change.error);
        if change.outcome != Outcome::Planned {
            entry.at = Some(now);
            self.pulse.done += 1;
        }
        let what = format!("{label} {} (id {})", entry.name, entry.id);
        match (change.outcome, &change.error) {
            (Outcome::Failed | Outcome::Unknown, Some(error)) => self.log.error(&format!("{what}: {error}")),
            (Outcome::Retained, Some(error)) => self.log.warning(&format!("{what} stays: {error}")),
            (outcome @ (Outcome::Done | Outcome::Gone), None) => {
                self.log.line(&format!("  {} {what}", done_word(entry.decision, outcome)))
            }
            _ => {}
        }
        match change.ends {
            Ends::Nothing | Ends::Stale => None,
            Ends::Package(why) => {
                package.error = Some(why);
                Some(Halt::Package)
            }
            Ends::Limit => Some(Halt::Run(CutShort::Limit)),
            Ends::Stopped => Some(Halt::Run(CutShort::Cancelled)),
        }
    }

    /// What was sent and not answered in time is neither done nor undone.
    fn give_up_waiting(&mut self, index: usize, queue: &VecDeque<usize>) {
        let now = self.clock.now();
        for (number, version) in self.report.packages[index].versions.iter_mut().enumerate() {
            if version.outcome == Some(Outcome::Planned) && !queue.contains(&number) {
                version.outcome = Some(Outcome::Unknown);
                version.error = Some("the run was cancelled before GitHub answered: perhaps done".to_owned());
                version.at = Some(now);
            }
        }
    }

    /// Holds the plan against a new listing: what changed since is left alone.
    async fn look_again(&mut self, index: usize, package: &Package, queue: &mut VecDeque<usize>) -> Result<(), Halt> {
        let versions = match self.github.versions(self.owner, package, State::Active).await {
            Ok(versions) => versions,
            Err(failure) if failure.is_limit() => return Err(Halt::Run(CutShort::Limit)),
            Err(_) if self.stop.is_asked() => return Err(Halt::Run(CutShort::Cancelled)),
            Err(failure) => {
                let why =
                    format!("the package could not be listed again before more is deleted: {}", failure.explained());
                self.report.packages[index].error = Some(why);
                return Err(Halt::Package);
            }
        };
        let at = self.clock.now();
        let there: HashMap<_, _> = versions.iter().map(|version| (version.id, version)).collect();
        queue.retain(|number| {
            let entry = &mut self.report.packages[index].versions[*number];
            // one that is not there any more is no difference: its deletion finds out
            let change = there.get(&entry.id).and_then(|version| changed(entry, version));
            let Some(change) = change else { return true };
            entry.outcome = Some(Outcome::Skipped);
            "changed".clone_into(&mut entry.reason);
            entry.error = Some(change);
            entry.at = Some(at);
            false
        });
        Ok(())
    }

    /// Saves the report and tells progress when it is time.
    fn keep_current(&mut self) {
        let now = self.clock.elapsed();
        if now - self.pulse.saved >= SAVE_EVERY {
            self.pulse.saved = now;
            self.report.recount();
            if let Some(Err(error)) = self.file.map(|file| file.write(self.report)) {
                self.log.warning(&format!("{error:#}"));
            }
        }
        if now - self.pulse.told >= TELL_EVERY {
            self.pulse.told = now;
            let spent = SignedDuration::try_from(now - self.pulse.started).unwrap_or_default();
            let quota = self.github.quota_left();
            self.log.line(&tell::plan::progress(self.pulse.done, self.pulse.total, spent, quota));
        }
    }
}

/// What waiting for an answer came to.
enum Next {
    Settled(Settled),
    /// A stop was asked for: nothing more is started.
    Asked,
    /// The grace after that is over.
    OutOfTime,
}

fn done_word(decision: Decision, outcome: Outcome) -> &'static str {
    match (decision, outcome) {
        (_, Outcome::Gone) => "gone already:",
        (Decision::Restore, _) => "restored",
        _ => "deleted",
    }
}

fn package_of(report: &Report, index: usize) -> Package {
    let package = &report.packages[index];
    Package { package_type: package.package_type, name: package.name.clone(), visibility: package.visibility.clone() }
}

/// How a planned version differs from what is there now.
fn changed(entry: &VersionReport, version: &Version) -> Option<String> {
    let tags = version.tags.clone().unwrap_or_default();
    let sorted = |tags: &[String]| {
        let mut tags = tags.to_vec();
        tags.sort();
        tags
    };
    if sorted(&tags) != sorted(&entry.tags) {
        let list = |tags: &[String]| if tags.is_empty() { "none".to_owned() } else { tags.join(", ") };
        return Some(format!("its tags are {} now, and were {} when it was planned", list(&tags), list(&entry.tags)));
    }
    (version.updated_at != entry.updated_at).then(|| "it was updated after it was planned".to_owned())
}
