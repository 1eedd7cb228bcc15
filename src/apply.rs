//! Carries a plan out: the one place that changes anything.
//!
//! Every outcome is written into the report as it comes, so that what is told is what happened
//! even if the run ends in the middle.

use std::{collections::HashMap, rc::Rc, time::Duration};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::SignedDuration;

use crate::{
    clock::Clock,
    github::GitHub,
    inputs::Target,
    manifest::Manifests,
    model::{Owner, Package, Version},
    plan::version_name,
    registry::Registry,
    report::{CutShort, Decision, Mode, Outcome, Report, VersionReport, file::ReportFile},
    stop::Stop,
    tell::{self, log::Log},
};

mod bring_back;
mod change;
mod look_again;
mod queue;
mod restoring;
mod room;
mod untag;
mod whole_package;

use change::{Change, Ends};
use queue::Queue;
use untag::Untagger;

/// A plan older than this is held against a new listing before anything more is deleted.
const STALE: Duration = Duration::from_secs(60);
/// The report in the workspace is never further behind than this while work goes on.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Progress is told this often.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(15);
/// How often in a row a plan grows old and is held against a new listing without any change in
/// between: a server that never lets one through must not hold a job for ever.
const MOST_ROUNDS: u32 = 20;
/// How long a cancelled run waits for answers to what was sent.
const GRACE: Duration = Duration::from_secs(3);

/// Everything that carrying out needs.
pub struct Applier<'a> {
    /// The API.
    pub github: &'a GitHub,
    /// The container registry.
    pub registry: &'a Registry,
    /// Whose packages.
    pub owner: &'a Owner,
    /// The plan, and what becomes of it.
    pub report: &'a mut Report,
    /// Where it is kept; `None` = nowhere.
    pub file: Option<&'a ReportFile>,
    /// Whole packages, or their versions.
    pub target: Target,
    /// Requests in flight.
    pub concurrency: usize,
    /// Nothing is begun later than this, by [`Clock::elapsed`].
    pub until: Duration,
    /// Whether the packages are looked at in the end.
    pub verify: bool,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Whether to go on.
    pub stop: Stop,
    /// Where progress and failures are told.
    pub log: Rc<Log>,
    /// What was done and kept so far, for telling and saving.
    pub pulse: Pulse,
}

/// What is known of a package beyond its report.
#[derive(Debug, Default)]
pub struct Known {
    /// When it was listed, by [`Clock::elapsed`].
    pub read_at: Duration,
    /// What its manifests say, as far as they were read.
    pub manifests: Manifests,
    /// Its deleted versions, where they matter.
    pub deleted: Vec<Version>,
    /// Of a restoration, what is there.
    pub active: Vec<Version>,
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
    /// Carries out every package's plan, one package after another; `known` has one for each.
    /// Returns why the run was cut short, if it was.
    pub async fn carry_out(&mut self, known: &mut [Known]) -> Option<CutShort> {
        let now = self.clock.elapsed();
        let versions = self.report.packages.iter().flat_map(|package| &package.versions);
        let total = versions.filter(|version| version.outcome == Some(Outcome::Planned)).count();
        self.pulse = Pulse { started: now, saved: now, told: now, done: 0, total };
        for (index, known) in known.iter_mut().enumerate() {
            if self.report.packages[index].error.is_some() {
                continue;
            }
            if let Err(Halt::Run(cut_short)) = self.package(index, known).await {
                return Some(cut_short);
            }
        }
        None
    }

    async fn package(&mut self, index: usize, known: &mut Known) -> Result<(), Halt> {
        let package = package_of(self.report, index);
        if self.report.mode == Mode::Restore {
            let grace = self.grace();
            let restored = tokio::select! {
                biased;
                restored = self.restore(index, &package, known) => Some(restored),
                () = grace => None,
            };
            return restored.unwrap_or_else(|| {
                self.give_up_restoring(index);
                Err(Halt::Run(CutShort::Cancelled))
            });
        }
        if self.report.packages[index].decision == Some(Decision::Delete) {
            self.whole_package(index, &package, known).await?;
        }
        let queue = Queue::of(&self.report.packages[index]);
        self.versions(index, &package, known, queue).await?;
        self.tags(index, &package, known).await
    }

    /// Makes the changes of a queue, as many side by side as may be.
    async fn versions(
        &mut self,
        index: usize,
        package: &Package,
        known: &mut Known,
        mut queue: Queue,
    ) -> Result<(), Halt> {
        let (github, owner) = (self.github, self.owner);
        let mut in_flight: FuturesUnordered<LocalBoxFuture<'_, Settled>> = FuturesUnordered::new();
        // the first change goes alone: should the token lack the right, that is found out once
        let mut proven = false;
        let mut halt: Option<Halt> = None;
        // why no further image is begun; those that are begun are ended
        let mut closing: Option<CutShort> = None;
        let mut looks_in_vain = 0;
        let mut rounds_without_answer: HashMap<usize, u32> = HashMap::new();
        loop {
            if self.stop.is_asked() {
                halt = Some(Halt::Run(CutShort::Cancelled));
            }
            let stale = self.report.mode == Mode::Delete && self.clock.elapsed() - known.read_at > STALE;
            if halt.is_none() && stale && in_flight.is_empty() && !queue.is_empty() {
                closing = self.close_without_room(index, &mut queue, 1).or(closing);
                looks_in_vain += 1;
                if looks_in_vain > MOST_ROUNDS {
                    halt = Some(Halt::Run(CutShort::Limit));
                } else if !queue.is_empty() {
                    halt = self.look_again(index, package, known, &mut queue).await.err();
                }
            }
            let width = if proven { self.concurrency } else { 1 };
            while halt.is_none() && in_flight.len() < width && (in_flight.is_empty() || !stale) {
                closing = self.close_without_room(index, &mut queue, 0).or(closing);
                let Some(next) = queue.next() else { break };
                let version = &self.report.packages[index].versions[next];
                let (id, decision) = (version.id, version.decision);
                let until = known.read_at + STALE;
                let rounds = rounds_without_answer.get(&next).copied().unwrap_or_default();
                in_flight.push(Box::pin(async move {
                    let change = match decision {
                        Decision::Restore => change::restore(github, owner, package, id).await,
                        _ => change::delete(github, owner, package, id, until, rounds).await,
                    };
                    (next, change)
                }));
            }
            if in_flight.is_empty() {
                break;
            }
            match self.next(&mut in_flight, halt.is_none()).await {
                Next::Settled((place, change)) => {
                    proven |= matches!(change.outcome, Outcome::Done | Outcome::Retained);
                    match change.ends {
                        Ends::Stale { was_sent: true } => *rounds_without_answer.entry(place).or_default() += 1,
                        Ends::Stale { was_sent: false } => {}
                        _ => looks_in_vain = 0,
                    }
                    if let Some(cause) = self.settle(index, place, change, &mut queue) {
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
        halt.or(closing.map(Halt::Run)).map_or(Ok(()), Err)
    }

    /// Takes tags off versions that keep others, one version after another.
    async fn tags(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        let untagger = Untagger {
            github: self.github,
            registry: self.registry,
            owner: self.owner,
            package,
            clock: Rc::clone(&self.clock),
            fresh_for: STALE,
        };
        let versions = self.report.packages[index].versions.iter().enumerate();
        let planned =
            |version: &VersionReport| version.decision == Decision::Untag && version.outcome == Some(Outcome::Planned);
        let places: Vec<_> = versions.filter(|(_, version)| planned(version)).map(|(place, _)| place).collect();
        for place in places.into_iter().rev() {
            if self.stop.is_asked() {
                return Err(Halt::Run(CutShort::Cancelled));
            }
            // one look before and one after the tags have moved, and the copy's deletion
            if let Some(cut_short) = self.no_room_for(index, 1, 2) {
                return Err(Halt::Run(cut_short));
            }
            // a tag may have moved to another image in the meantime: it is looked at right before
            self.look_again(index, package, known, &mut Queue::default()).await?;
            let versions = &self.report.packages[index].versions;
            let version = &versions[place];
            if !planned(version) {
                continue;
            }
            // a part whose image stays is needed by it, and so would not have gone
            let is_gone = |needer: &VersionReport| matches!(needer.outcome, Some(Outcome::Done | Outcome::Gone));
            let needers = version.after.iter().filter_map(|needer| versions.get(*needer));
            if let Some(needer) = needers.into_iter().find(|needer| !is_gone(needer)).map(label) {
                self.skip_parts(index, &needer, vec![place]);
                continue;
            }
            let mark = format!("{} of {} at {}", version.untag.join(" "), version.name, self.clock.now());
            let change = untagger.untag(version, known.manifests.read.get(&version.name), &mark).await;
            if let Some(halt) = self.settle(index, place, change, &mut Queue::default()) {
                return Err(halt);
            }
        }
        Ok(())
    }

    /// How long a cancelled run goes on at all: a little longer than answers to changes are awaited, so
    /// that whoever awaits them comes first.
    #[expect(clippy::disallowed_methods, reason = "the grace is of real time: it decides nothing")]
    fn grace(&self) -> impl Future<Output = ()> + use<> {
        let stop = self.stop.clone();
        async move {
            stop.asked().await;
            tokio::time::sleep(GRACE + Duration::from_millis(500)).await;
        }
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

    /// Writes down what came of a change, and what stays because of it.
    fn settle(&mut self, index: usize, place: usize, change: Change, queue: &mut Queue) -> Option<Halt> {
        self.write_down(index, place, change.outcome, change.error.clone());
        let package = &self.report.packages[index];
        let entry = &package.versions[place];
        let what = format!("{} {} {} (id {})", package.package_type, package.name, entry.name, entry.id);
        match (change.outcome, &change.error) {
            (Outcome::Failed | Outcome::Unknown, Some(error)) => self.log.error(&format!("{what}: {error}")),
            (Outcome::Retained, Some(error)) => self.log.warning(&format!("{what} stays: {error}")),
            (outcome @ (Outcome::Done | Outcome::Gone), None) => {
                let what = format!("{} {} {}", package.package_type, package.name, label(entry));
                self.log.line(&format!("  {} {what} (id {})", done_word(entry, outcome), entry.id));
            }
            _ => {}
        }
        match change.outcome {
            Outcome::Done | Outcome::Gone => queue.gone(place),
            Outcome::Planned => queue.put_back(place),
            // what else comes back does not depend on it
            _ if entry.decision == Decision::Restore => {
                queue.gone(place);
                self.leave_what_lists(index, place, queue);
            }
            Outcome::Retained | Outcome::Failed | Outcome::Skipped | Outcome::Unknown => {
                let parts = queue.stays(place);
                self.skip_parts(index, &label(&self.report.packages[index].versions[place]), parts);
            }
        }
        self.halt(index, change.ends)
    }

    /// What a change ends beyond its own version.
    fn halt(&mut self, index: usize, ends: Ends) -> Option<Halt> {
        match ends {
            Ends::Nothing | Ends::Stale { .. } => None,
            Ends::Package(why) => {
                self.report.packages[index].error = Some(why);
                Some(Halt::Package)
            }
            Ends::Run(cut_short) => Some(Halt::Run(cut_short)),
        }
    }

    fn write_down(&mut self, index: usize, place: usize, outcome: Outcome, error: Option<String>) {
        let entry = &mut self.report.packages[index].versions[place];
        entry.outcome = Some(outcome);
        entry.error = error;
        if outcome != Outcome::Planned {
            entry.at = Some(self.clock.now());
            self.pulse.done += 1;
        }
    }

    /// What stays needs these, whatever was planned.
    fn skip_parts(&mut self, index: usize, needer: &str, parts: Vec<usize>) {
        let now = self.clock.now();
        for part in parts {
            let entry = &mut self.report.packages[index].versions[part];
            entry.outcome = Some(Outcome::Skipped);
            entry.reason = format!("needed by {needer}");
            entry.at = Some(now);
            self.pulse.done += 1;
        }
    }

    /// What was sent and not answered in time is neither done nor undone.
    fn give_up_waiting(&mut self, index: usize, queue: &Queue) {
        let now = self.clock.now();
        for (number, version) in self.report.packages[index].versions.iter_mut().enumerate() {
            if version.outcome == Some(Outcome::Planned) && queue.is_under_way(number) {
                version.outcome = Some(Outcome::Unknown);
                version.error = Some("the run was cancelled before GitHub answered: perhaps done".to_owned());
                version.at = Some(now);
            }
        }
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
            let quota = self.github.lane().quota_left();
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

fn done_word(entry: &VersionReport, outcome: Outcome) -> String {
    match (entry.decision, outcome) {
        (_, Outcome::Gone) => "gone already:".to_owned(),
        (Decision::Restore, _) => "restored".to_owned(),
        (Decision::Untag, _) => format!("took {} off", entry.untag.join(", ")),
        _ => "deleted".to_owned(),
    }
}

/// A version of the report as reasons name it.
fn label(entry: &VersionReport) -> String {
    version_name(&entry.name, &entry.tags)
}

fn package_of(report: &Report, index: usize) -> Package {
    let package = &report.packages[index];
    Package { package_type: package.package_type, name: package.name.clone(), visibility: package.visibility.clone() }
}
