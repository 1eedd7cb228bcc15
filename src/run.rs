//! A run from its inputs to its exit: read, plan, apply, tell.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::{
    apply::{Applier, Pulse},
    clock::Clock,
    github::GitHub,
    inputs::{self, Environment, Inputs},
    model::{Owner, PackageType},
    owner,
    packages::{Contents, Read, ReadError, Reader},
    plan::{self, Hold, Plan},
    report::{CutShort, Decision, Mode, Outcome, PackageReport, Report, Status, file::ReportFile},
    rights,
    stop::Stop,
    tell::{self, log::Log},
    verify,
};

/// What a run works with.
struct Run {
    inputs: Inputs,
    report: Report,
    file: Option<ReportFile>,
    clock: Rc<dyn Clock>,
    stop: Stop,
    log: Rc<Log>,
}

/// Does what the environment's inputs ask for, and tells it: in the log, in the report, in the
/// step's outputs and in its summary. Returns how it ended.
pub async fn run(environment: &Environment, clock: Rc<dyn Clock>, stop: Stop, log: Rc<Log>) -> Status {
    if let Some(token) = inputs::token(environment) {
        log.mask(token.expose_secret());
    }
    let started_at = clock.now();
    let report = match inputs::read(environment) {
        Ok(inputs) => {
            let report = begin(&inputs, started_at);
            let run = Run { inputs, report, file: None, clock: Rc::clone(&clock), stop, log: Rc::clone(&log) };
            run.until_the_end(environment).await
        }
        Err(complaints) => {
            let mut report = nothing_begun(started_at);
            report.errors = complaints.iter().map(ToString::to_string).collect();
            for error in &report.errors {
                log.error(error);
            }
            report.finish(None, clock.now());
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
        let made = GitHub::new(
            self.inputs.api_url.clone(),
            self.inputs.token.clone(),
            self.inputs.pace,
            Rc::clone(&self.clock),
            self.stop.clone(),
            Rc::clone(&self.log),
        );
        let github = match made {
            Ok(github) => github,
            Err(error) => {
                self.fail(format!("the connection to {} cannot be set up: {error:#}", self.inputs.api_url));
                return None;
            }
        };
        let stop = self.stop.clone();
        let read = tokio::select! {
            biased;
            () = stop.asked() => return Some(CutShort::Cancelled),
            read = self.read(&github) => read,
        };
        let (owner, read) = match read {
            Ok(read) => read,
            Err(ReadError::Limit(why)) => return Some(self.limited(&why)),
            Err(ReadError::Failed(why)) => {
                self.fail(why);
                return None;
            }
        };
        let read_at = self.decide(&github, read);
        let read_at = match read_at {
            Ok(read_at) => read_at,
            Err(cut_short) => return Some(cut_short),
        };
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
        if self.inputs.dry_run {
            return None;
        }
        if let Some(Err(error)) = self.file.as_ref().map(|file| file.write(&self.report)) {
            self.fail(format!("{error:#}. Nothing was changed: what is changed must be on record (report-file)"));
            return Some(CutShort::NotWritable);
        }
        let cut_short = self.apply(&github, &owner, &read_at).await;
        if cut_short.is_none() && self.inputs.verify && self.inputs.mode == Mode::Delete {
            let looked = tokio::select! {
                biased;
                () = stop.asked() => false,
                () = self.verify(&github, &owner) => true,
            };
            if !looked {
                return Some(CutShort::Cancelled);
            }
        }
        cut_short
    }

    async fn read(&self, github: &GitHub) -> Result<(Owner, Vec<Read>), ReadError> {
        let event = self.inputs.context.event_path.as_deref();
        let owner = owner::resolve(github, &self.inputs.owner, event).await?;
        let (clock, log) = (Rc::clone(&self.clock), Rc::clone(&self.log));
        let reader = Reader { github, owner: &owner, inputs: &self.inputs, clock, log };
        let read = reader.read_all().await?;
        Ok((owner, read))
    }

    /// Turns what was read into the plan. Returns when each package was listed.
    fn decide(&mut self, github: &GitHub, read: Vec<Read>) -> Result<Vec<Duration>, CutShort> {
        let now = github.date().map_or(self.clock.now(), |date| date.min(self.clock.now()));
        self.report.now = Some(now);
        self.log.line(&format!("now is {now:.0}: all ages count from here"));
        let mut failed = Vec::new();
        let mut contents = Vec::new();
        let mut read_at = Vec::new();
        for Read { name, read_at: at, result } in read {
            match result {
                Ok(read) => {
                    contents.push(read);
                    read_at.push(at);
                }
                Err(ReadError::Limit(why)) => return Err(self.limited(&why)),
                Err(ReadError::Failed(why)) => failed.push(unreadable(self.inputs.package_type, name, why)),
            }
        }
        let Plan { mut packages, warnings } = match self.inputs.mode {
            Mode::Restore => {
                let contents = contents.into_iter().map(|Contents { listing, still_active }| (listing, still_active));
                plan::restoration(contents.collect(), &self.inputs.rules, now)
            }
            Mode::Delete | Mode::Report => {
                let listings = contents.into_iter().map(|contents| contents.listing).collect();
                plan::deletion(listings, &self.inputs.rules, self.inputs.guards, now)
            }
        };
        if self.inputs.package_type == PackageType::Container {
            self.without_image_graph(&mut packages);
        }
        for warning in warnings {
            self.warn(warning);
        }
        self.report.packages = packages.into_iter().map(plan::PackagePlan::into_report).collect();
        self.report.packages.extend(failed);
        self.report.recount();
        Ok(read_at)
    }

    /// Until the image graph is read, nobody knows which versions of a container kept images
    /// need: its plan is shown, and not carried out.
    fn without_image_graph(&mut self, packages: &mut [plan::PackagePlan]) {
        let changes = |package: &plan::PackagePlan| {
            package.verdicts.iter().any(|verdict| matches!(verdict.decision, Decision::Delete | Decision::Restore))
        };
        let mut shown = false;
        for package in packages.iter_mut().filter(|package| changes(package) && package.hold.is_none()) {
            shown = true;
            if !self.inputs.dry_run {
                package.hold = Some(Hold::Refused(
                    "changing container packages is not available yet in this version: it does not read which parts \
                     kept images need. Nothing of this package was changed; a dry run shows its plan"
                        .to_owned(),
                ));
            }
        }
        if shown && self.inputs.dry_run {
            self.warn(
                "this version does not read yet which versions belong to one image: the plan of a container package \
                 may name parts that kept images need, and cannot be carried out"
                    .to_owned(),
            );
        }
    }

    fn tell_plan(&self) {
        for package in &self.report.packages {
            tell::plan::plan(&self.log, package, self.inputs.dry_run);
            if let Some(error) = &package.error {
                self.log.error(&format!("{} {}: {error}", package.package_type, package.name));
            }
        }
    }

    async fn apply(&mut self, github: &GitHub, owner: &Owner, read_at: &[Duration]) -> Option<CutShort> {
        let mut applier = Applier {
            github,
            owner,
            report: &mut self.report,
            file: self.file.as_ref(),
            concurrency: self.inputs.pace.concurrency,
            clock: Rc::clone(&self.clock),
            stop: self.stop.clone(),
            log: Rc::clone(&self.log),
            pulse: Pulse::default(),
        };
        let cut_short = applier.carry_out(read_at).await;
        if cut_short == Some(CutShort::Limit) {
            self.warn_of_limit("");
        }
        cut_short
    }

    async fn verify(&mut self, github: &GitHub, owner: &Owner) {
        let mut warnings = Vec::new();
        for package in &self.report.packages {
            let touched = |outcome| matches!(outcome, Some(Outcome::Done | Outcome::Unknown));
            if !package.versions.iter().any(|version| touched(version.outcome)) {
                continue;
            }
            match verify::missing(github, owner, package).await {
                Ok(missing) => warnings.extend(missing),
                Err(failure) => warnings.push(format!(
                    "{} {}: could not be looked at again after the deletion: {}",
                    package.package_type,
                    package.name,
                    failure.explained()
                )),
            }
        }
        for warning in warnings {
            self.warn(warning);
        }
    }

    fn limited(&mut self, why: &str) -> CutShort {
        self.warn_of_limit(&format!(" ({why})"));
        CutShort::Limit
    }

    fn warn_of_limit(&mut self, why: &str) {
        let changed = self
            .report
            .packages
            .iter()
            .flat_map(|package| &package.versions)
            .any(|version| matches!(version.outcome, Some(Outcome::Done | Outcome::Gone)));
        let so_far = if changed { "What was done stays done" } else { "Nothing was changed" };
        self.warn(format!(
            "stopped by GitHub's rate limit, which resets too late for this run{why}. {so_far}; the next run goes on \
             from there. max-wait sets how long a run waits, quota-reserve how much it leaves for others"
        ));
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

impl From<anyhow::Error> for ReadError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
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
