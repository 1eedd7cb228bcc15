//! A run from its inputs to its exit: read, plan, apply, tell.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::{
    apply::{Applier, Known, Pulse},
    caller::Caller,
    clock::Clock,
    failure::ReadError,
    github::GitHub,
    inputs::{self, Environment, Inputs, Target},
    inventory,
    model::{Owner, PackageType},
    packages::Read,
    plan::{self, Hold, Plan},
    registry::Registry,
    report::{CutShort, Mode, Outcome, PackageReport, Report, Status, file::ReportFile},
    rights,
    stop::Stop,
    tell::{self, log::Log},
    verify::{self, Findings},
};

mod reading;

use reading::tell_reading;

/// What a run works with.
struct Run {
    inputs: Inputs,
    report: Report,
    file: Option<ReportFile>,
    /// When it began, by [`Clock::elapsed`].
    began: Duration,
    clock: Rc<dyn Clock>,
    stop: Stop,
    log: Rc<Log>,
}

/// What is begun is ended, for so long after the run's time is up: half an image would be left over
/// for good, since nothing selects the rest of it.
const ENDING: Duration = Duration::from_secs(120);

/// Does what the environment's inputs ask for, and tells it: in the log, in the report, in the
/// step's outputs and in its summary. Returns how it ended.
pub async fn run(environment: &Environment, clock: Rc<dyn Clock>, stop: Stop, log: Rc<Log>) -> Status {
    if let Some(token) = inputs::token(environment) {
        log.mask(token.expose_secret());
    }
    let (started_at, began) = (clock.now(), clock.elapsed());
    let report = match inputs::read(environment) {
        Ok(inputs) => {
            let report = begin(&inputs, started_at);
            let run = Run { inputs, report, file: None, began, clock: Rc::clone(&clock), stop, log: Rc::clone(&log) };
            run.until_the_end(environment).await
        }
        Err(complaints) => {
            let mut report = nothing_begun(started_at);
            report.errors = complaints.iter().map(ToString::to_string).collect();
            for error in &report.errors {
                log.error(error);
            }
            report.finish(None, clock.now());
            if complaints.iter().all(|complaint| complaint.refuses) {
                report.status = Status::Refused;
            }
            report
        }
    };
    tell_the_end(environment, report, &log)
}

impl Run {
    async fn until_the_end(mut self, environment: &Environment) -> Report {
        let cut_short = match self.take_report_file(environment) {
            Ok(()) => self.work().await,
            Err(error) => {
                let error = format!("{error:#}. Nothing was changed: what is changed must be on record (report-file)");
                self.fail(error);
                Some(CutShort::NotWritable)
            }
        };
        self.report.finish(cut_short, self.clock.now());
        if cut_short == Some(CutShort::NotWritable) {
            self.report.status = Status::Refused;
        }
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.write(&self.report)) {
            self.fail(format!("{error:#}"));
            self.report.status = Status::Failed;
        }
        self.report
    }

    fn take_report_file(&mut self, environment: &Environment) -> anyhow::Result<()> {
        let Some(wanted) = &self.inputs.report_file else { return Ok(()) };
        let mut roots = vec![self.inputs.workspace.clone()];
        roots.extend(environment.get("RUNNER_TEMP").map(PathBuf::from));
        let file = ReportFile::take(wanted, &roots)?;
        file.write(&self.report)?;
        let path = file.path();
        let relative = path.strip_prefix(&self.inputs.workspace).unwrap_or(path);
        self.report.path = Some(relative.to_string_lossy().into_owned());
        self.file = Some(file);
        Ok(())
    }

    /// Everything that speaks with GitHub. Returns why the run was cut short, if it was.
    async fn work(&mut self) -> Option<CutShort> {
        let (github, registry) = match self.clients() {
            Ok(clients) => clients,
            Err(error) => {
                self.fail(format!("the connection to {} cannot be set up: {error:#}", self.inputs.api_url));
                return None;
            }
        };
        let until = self.until();
        github.lane().close_at(until);
        registry.lane().close_at(until);
        let (stop, log, clock) = (self.stop.clone(), Rc::clone(&self.log), Rc::clone(&self.clock));
        let time_is_up = clock.patience(until.saturating_sub(clock.elapsed()));
        let read = tokio::select! {
            biased;
            () = stop.asked() => return Some(CutShort::Cancelled),
            read = self.read(&github, &registry) => read,
            () = tell_reading(&github, &registry, &log) => return None,
            // nothing was changed yet, so that no answer has to be awaited
            () = time_is_up, if until < Duration::MAX => Err(ReadError::CutShort(CutShort::Time, String::new())),
        };
        let (owner, read) = match read {
            Ok(read) => read,
            Err(ReadError::CutShort(cut_short, why)) => return Some(self.cut_short(cut_short, &why)),
            Err(ReadError::Failed(why)) => {
                self.fail(why);
                return None;
            }
        };
        let (mut known, unread) = self.decide(read);
        self.tell_plan();
        let may = rights::missing_scope(github.scopes().as_deref(), self.inputs.mode, &self.report);
        match may {
            Some(missing) if self.inputs.dry_run => self.warn(missing),
            Some(missing) => {
                self.fail(missing);
                return None;
            }
            None => {}
        }
        if self.report.changes_nothing() || known.is_empty() {
            return unread;
        }
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.write(&self.report)) {
            self.fail(format!("{error:#}. Nothing was changed: what is changed must be on record (report-file)"));
            return Some(CutShort::NotWritable);
        }
        github.lane().close_at(until.saturating_add(ENDING));
        registry.lane().close_at(until.saturating_add(ENDING));
        let cut_short = self.applier(&github, &registry, &owner).carry_out(&mut known).await;
        let cut_short = cut_short.map(|cut_short| self.cut_short(cut_short, "")).or(unread);
        let may_look = matches!(cut_short, None | Some(CutShort::Limit | CutShort::Time));
        if !may_look || !self.inputs.verify || self.inputs.mode != Mode::Delete {
            return cut_short;
        }
        let looked = tokio::select! {
            biased;
            () = stop.asked() => Some(CutShort::Cancelled),
            looked = self.verify(&github, &registry, &owner, &mut known) => looked,
        };
        looked.or(cut_short)
    }

    fn clients(&self) -> anyhow::Result<(GitHub, Registry)> {
        let Inputs { api_url, registry_url, token, pace, .. } = &self.inputs;
        let caller = Caller {
            token: token.clone(),
            pace: *pace,
            clock: Rc::clone(&self.clock),
            stop: self.stop.clone(),
            log: Rc::clone(&self.log),
        };
        let github = GitHub::new(api_url.clone(), &caller)?;
        let registry = Registry::new(registry_url.clone(), api_url.clone(), &caller)?;
        let registry = if self.inputs.mode == Mode::Report { registry.for_inventory() } else { registry };
        Ok((github, registry))
    }

    /// Turns what was read into the plan. Returns what is known of each package besides, and why not
    /// all of them were read, if something cut that short: the others are for the next run.
    fn decide(&mut self, read: Vec<Read>) -> (Vec<Known>, Option<CutShort>) {
        let now = self.report.now.unwrap_or(self.report.started_at);
        let mut failed = Vec::new();
        let mut unread = Vec::new();
        let mut listings = Vec::new();
        let mut known = Vec::new();
        for Read { name, read_at, result } in read {
            match result {
                Ok(read) => {
                    listings.push(read);
                    known.push(Known { read_at, ..Known::default() });
                }
                Err(ReadError::CutShort(cut_short, why)) => unread.push((name, cut_short, why)),
                Err(ReadError::Failed(why)) => failed.push(unreadable(self.inputs.package_type, name, why)),
            }
        }
        let inventories: Vec<_> = match self.inputs.mode {
            Mode::Report => listings.iter().map(|listing| Some(inventory::of(listing, now))).collect(),
            Mode::Delete | Mode::Restore => listings.iter().map(|_| None).collect(),
        };
        let mismatch = listings.iter().find_map(plan::mismatch);
        let Inputs { rules, guards, mode, .. } = &self.inputs;
        let Plan { mut packages, warnings } = match (mode, self.inputs.target, &self.inputs.earlier) {
            (Mode::Restore, _, Some(_)) => plan::undo(listings, rules),
            (_, Target::Packages, _) => plan::packages(listings, rules, *guards, *mode, now),
            (Mode::Restore, ..) => plan::restoration(listings, rules, now),
            (Mode::Delete | Mode::Report, ..) => plan::deletion(listings, rules, *guards, now),
        };
        for warning in warnings {
            self.warn(warning);
        }
        for warning in self.doubts_about_the_report() {
            self.warn(warning);
        }
        if let Some(what) = mismatch {
            let why = format!(
                "the report is refused: {what}, so nothing in it can be believed. Nothing was changed. Make a new plan \
                 with a dry run"
            );
            packages.iter_mut().for_each(|package| package.hold = Some(Hold::Refused(why.clone())));
        }
        for ((mut package, inventory), known) in packages.into_iter().zip(inventories).zip(&mut known) {
            known.manifests = std::mem::take(&mut package.manifests);
            known.deleted = std::mem::take(&mut package.deleted);
            known.active = std::mem::take(&mut package.there);
            self.report.packages.push(PackageReport { inventory, ..package.into_report() });
        }
        self.report.packages.extend(failed);
        self.report.recount();
        let cut_short = unread.first().map(|(name, cut_short, why)| {
            let what =
                format!("{} of {} packages not read, {name} first: {why}", unread.len(), unread.len() + known.len());
            self.cut_short(*cut_short, &what)
        });
        (known, cut_short)
    }

    /// What makes a report do less than whoever names it may think.
    fn doubts_about_the_report(&self) -> Vec<String> {
        let Some(earlier) = &self.inputs.earlier else { return Vec::new() };
        let mut doubts = Vec::new();
        if self.inputs.packages.names.is_empty() {
            doubts.push("no package of the report is meant: there is nothing to do".to_owned());
        }
        if self.inputs.mode == Mode::Restore && earlier.dry_run {
            doubts.push("the report is of a dry run, which changed nothing: there is nothing to undo".to_owned());
        }
        let named = |name: &String| self.inputs.packages.names.contains(name);
        let failed = earlier.packages.iter().filter(|package| named(&package.name));
        for package in failed.filter(|package| package.versions.is_empty()) {
            if let Some(error) = &package.error {
                let title = format!("{} {}", package.package_type, package.name);
                doubts.push(format!("{title}: the report has no plan for it, since {error}"));
            }
        }
        doubts
    }

    fn tell_plan(&self) {
        for package in &self.report.packages {
            tell::plan::plan(&self.log, package, self.report.changes_nothing());
            if let Some(error) = &package.error {
                self.log.error(&format!("{} {}: {error}", package.package_type, package.name));
            }
        }
    }

    fn applier<'a>(&'a mut self, github: &'a GitHub, registry: &'a Registry, owner: &'a Owner) -> Applier<'a> {
        let until = self.until();
        Applier {
            github,
            registry,
            owner,
            report: &mut self.report,
            file: self.file.as_ref(),
            target: self.inputs.target,
            concurrency: self.inputs.pace.concurrency,
            until,
            verify: self.inputs.verify,
            clock: Rc::clone(&self.clock),
            stop: self.stop.clone(),
            log: Rc::clone(&self.log),
            pulse: Pulse::default(),
        }
    }

    /// Looks at every package again in which something was changed, and brings back what is needed
    /// after all. Returns what cut it short, if anything did.
    async fn verify(
        &mut self,
        github: &GitHub,
        registry: &Registry,
        owner: &Owner,
        known: &mut [Known],
    ) -> Option<CutShort> {
        let mut cut_short = None;
        for (index, known) in known.iter_mut().enumerate() {
            let package = &self.report.packages[index];
            let touched = |outcome| matches!(outcome, Some(Outcome::Done | Outcome::Unknown));
            if package.decision.is_some() || !package.versions.iter().any(|version| touched(version.outcome)) {
                continue;
            }
            match verify::look(github, registry, owner, package, &mut known.manifests).await {
                Ok(Findings { warnings, broken, needed_again }) => {
                    let (brought_back, lost) =
                        self.applier(github, registry, owner).bring_back(index, &needed_again).await;
                    warnings.into_iter().chain(brought_back).for_each(|warning| self.warn(warning));
                    broken.into_iter().chain(lost).for_each(|error| self.fail(error));
                }
                Err(error) => {
                    let (ReadError::CutShort(_, why) | ReadError::Failed(why)) = &error;
                    let title = format!("{} {}", package.package_type, package.name);
                    self.warn(format!("{title}: could not be looked at again after the deletion: {why}"));
                    if let ReadError::CutShort(why, _) = error {
                        cut_short = Some(why);
                    }
                }
            }
        }
        cut_short
    }

    /// When the run's own time is up, by [`Clock::elapsed`].
    fn until(&self) -> Duration {
        let limit = self.inputs.pace.time_limit.map(|limit| limit.unsigned_abs());
        limit.map_or(Duration::MAX, |limit| self.began.saturating_add(limit))
    }

    /// Tells why the run ends early, where that is no failure, and what is left.
    fn cut_short(&mut self, cut_short: CutShort, why: &str) -> CutShort {
        let versions = || self.report.packages.iter().flat_map(|package| &package.versions);
        let changed = versions().any(|version| matches!(version.outcome, Some(Outcome::Done | Outcome::Gone)));
        let so_far = if changed { "What was done stays done" } else { "Nothing was changed" };
        let next = "the next run with the same inputs goes on from there";
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        match cut_short {
            CutShort::Limit => self.warn(format!(
                "stopped by GitHub's rate limit, which resets too late for this run{why}. {so_far}; {next}. max-wait \
                 sets how long a run waits, quota-reserve how much it leaves for others"
            )),
            CutShort::Time => {
                self.warn(format!("stopped by time-limit, which left no time for more{why}. {so_far}; {next}"));
            }
            CutShort::Cancelled | CutShort::NotWritable => {}
        }
        cut_short
    }

    fn warn(&mut self, warning: String) {
        self.log.warning(&warning);
        self.report.warnings.push(warning);
    }

    fn fail(&mut self, error: String) {
        self.log.error(&error);
        self.report.errors.push(error);
    }
}

/// A package that could not be read: nothing of it is decided.
fn unreadable(package_type: PackageType, name: String, error: String) -> PackageReport {
    PackageReport {
        package_type,
        name,
        visibility: None,
        active: None,
        decision: None,
        error: Some(error),
        refused: false,
        inventory: None,
        needed_by: Default::default(),
        versions: Vec::new(),
    }
}

fn begin(inputs: &Inputs, started_at: Timestamp) -> Report {
    Report {
        mode: inputs.mode,
        dry_run: inputs.dry_run,
        owner: inputs.owner.clone(),
        api_url: inputs.api_url.as_str().trim_end_matches('/').to_owned(),
        repository: inputs.context.repository.clone(),
        run_id: inputs.context.run_id.clone(),
        inputs: inputs.effective.clone(),
        ..nothing_begun(started_at)
    }
}

fn nothing_begun(started_at: Timestamp) -> Report {
    Report {
        schema: crate::report::SCHEMA,
        tool: concat!("tidy-packages ", env!("CARGO_PKG_VERSION")).to_owned(),
        mode: Mode::Delete,
        dry_run: false,
        status: Status::Running,
        owner: String::new(),
        api_url: String::new(),
        repository: None,
        run_id: None,
        now: None,
        started_at,
        finished_at: None,
        inputs: std::collections::BTreeMap::new(),
        counts: crate::report::Counts::default(),
        packages: Vec::new(),
        conflicts: None,
        warnings: Vec::new(),
        errors: Vec::new(),
        path: None,
    }
}

/// The outputs file, the summary, the last lines of the log. Outside of Actions there are no
/// files, and that is fine.
fn tell_the_end(environment: &Environment, mut report: Report, log: &Log) -> Status {
    tell::plan::outcome(log, &report);
    let summary = environment.get("GITHUB_STEP_SUMMARY").map(Path::new);
    if let Some(Err(error)) = summary.map(|path| tell::summary::append(path, &report)) {
        log.warning(&format!("the job summary cannot be written: {error}"));
    }
    let outputs = environment.get("GITHUB_OUTPUT").map(Path::new);
    if let Some(Err(error)) = outputs.map(|path| tell::outputs::append(path, &tell::outputs::values(&report))) {
        log.error(&format!("the outputs cannot be written, so later steps know nothing of this run: {error}"));
        report.status = Status::Failed;
    }
    report.status
}
