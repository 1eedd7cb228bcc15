//! What a run means to do and what came of it, as data: the document of the report file, and
//! what the log, the summary and the outputs are told from.
//!
//! The fields and their order are a file format: other runs read it to restore.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{inventory::Inventory, model::PackageType};

pub mod earlier;
pub mod file;

/// The version of the file format.
pub const SCHEMA: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// `tidy-packages` and its version.
    pub tool: String,
    /// What was asked for.
    pub mode: Mode,
    /// Whether changes were left out.
    pub dry_run: bool,
    /// `running` until the end.
    pub status: Status,
    /// Login of the owner.
    pub owner: String,
    /// Base of the API that was spoken to.
    pub api_url: String,
    /// `owner/name` of the repository whose workflow this is, where known.
    pub repository: Option<String>,
    /// The workflow run's number, where known.
    pub run_id: Option<String>,
    /// The one moment that all ages count from; `None` before GitHub was asked.
    pub now: Option<Timestamp>,
    /// When the run began, by the own clock.
    pub started_at: Timestamp,
    /// When it ended, by the own clock.
    pub finished_at: Option<Timestamp>,
    /// Every input that holds, by name, without the token.
    pub inputs: BTreeMap<String, String>,
    /// Kept current with `packages`.
    pub counts: Counts,
    /// In the order they are worked on.
    pub packages: Vec<PackageReport>,
    /// With `mode: report`, for images: the owner's packages of the old Docker registry that could not
    /// move to the container registry, since something is in their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<Vec<Conflict>>,
    /// What the user should know although nothing failed. Not part of the file.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// What ended or spoilt the run as a whole, each with what to do about it. Not part of the file.
    #[serde(skip)]
    pub errors: Vec<String>,
    /// Where the report file is, relative to the workspace. Not part of the file.
    #[serde(skip)]
    pub path: Option<String>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Delete what the inputs select.
    Delete,
    /// Bring deleted versions back.
    Restore,
    /// List and explain, change nothing.
    Report,
}

impl Mode {
    /// The word that inputs and the file use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Report => "report",
        }
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not over yet.
    Running,
    /// All that was planned has been dealt with.
    Complete,
    /// A rate or time limit stopped it; the next run goes on.
    Partial,
    /// A guard held it back, for one package at least.
    Refused,
    /// Something failed; everything else was done.
    Failed,
    /// A signal ended it.
    Cancelled,
}

impl Status {
    /// The word that outputs and the file use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How many versions there are of each kind.
///
/// `kept + selected` are the active versions; once a live deletion has ended,
/// `selected = deleted + untagged + retained + failed + skipped`. A dry run has only
/// `selected`, `retained` and `kept`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Decided to go (or, in a restore, to come back).
    pub selected: u64,
    /// Deleted, or found gone already.
    pub deleted: u64,
    /// Lost some of its tags only.
    pub untagged: u64,
    /// Brought back.
    pub restored: u64,
    /// Would go, but GitHub refuses.
    pub retained: u64,
    /// Could not be changed.
    pub failed: u64,
    /// Selected, but not tried.
    pub skipped: u64,
    /// Left as they are.
    pub kept: u64,
}

impl Counts {
    /// Counts what the packages' versions came to.
    fn of(packages: &[PackageReport], changes_nothing: bool) -> Self {
        let mut counts = Self::default();
        for version in packages.iter().flat_map(|package| &package.versions) {
            if !version.decision.is_selected() {
                counts.kept += 1;
                continue;
            }
            counts.selected += 1;
            match version.outcome {
                Some(Outcome::Retained) => counts.retained += 1,
                _ if changes_nothing => {}
                Some(Outcome::Done | Outcome::Gone) => match version.decision {
                    Decision::Restore => counts.restored += 1,
                    Decision::Untag => counts.untagged += 1,
                    Decision::Delete | Decision::Keep | Decision::Retain => counts.deleted += 1,
                },
                Some(Outcome::Failed | Outcome::Unknown) => counts.failed += 1,
                Some(Outcome::Skipped) => counts.skipped += 1,
                Some(Outcome::Planned) | None => {}
            }
        }
        counts
    }
}

impl Report {
    /// Brings the counts up to what the versions say.
    pub fn recount(&mut self) {
        self.counts = Counts::of(&self.packages, self.changes_nothing());
    }

    /// Whether the run only says what would be done.
    pub fn changes_nothing(&self) -> bool {
        self.dry_run || self.mode == Mode::Report
    }

    /// Closes the books: what was planned and not tried was skipped, and the status follows from
    /// what happened. `cut_short` says why not everything was tried, if so.
    pub fn finish(&mut self, cut_short: Option<CutShort>, finished_at: Timestamp) {
        let why = cut_short.map(CutShort::why_not_tried);
        let (mut unsettled, changes_nothing) = (false, self.changes_nothing());
        for package in &mut self.packages {
            let held = package.error.is_some().then_some("not tried: see the package's error");
            for version in &mut package.versions {
                if version.outcome == Some(Outcome::Planned) && !changes_nothing {
                    version.outcome = Some(Outcome::Skipped);
                    version.error = held.or(why).map(str::to_owned);
                }
                unsettled |= matches!(version.outcome, Some(Outcome::Failed | Outcome::Unknown));
            }
        }
        let failed = unsettled
            || !self.errors.is_empty()
            || self.packages.iter().any(|package| package.error.is_some() && !package.refused);
        self.status = match cut_short {
            Some(CutShort::Cancelled) => Status::Cancelled,
            _ if failed => Status::Failed,
            _ if self.packages.iter().any(|package| package.refused) => Status::Refused,
            Some(CutShort::Limit | CutShort::Time) => Status::Partial,
            Some(CutShort::NotWritable) => Status::Refused,
            None => Status::Complete,
        };
        self.finished_at = Some(finished_at);
        self.recount();
    }
}

/// Why a run ended before everything was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutShort {
    /// A signal.
    Cancelled,
    /// A rate limit that resets too late.
    Limit,
    /// The run's own time limit.
    Time,
    /// The report cannot be written, so nothing may be changed.
    NotWritable,
}

impl CutShort {
    fn why_not_tried(self) -> &'static str {
        match self {
            Self::Cancelled => "not tried: the run was cancelled",
            Self::Limit => "not tried: GitHub's rate limit resets too late for this run",
            Self::Time => "not tried: the run's time-limit was reached",
            Self::NotWritable => "not tried: the report cannot be written",
        }
    }
}

/// A package that is in conflict with the migration from the Docker registry
/// (<https://docs.github.com/rest/packages/packages>, "docker/conflicts").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its name there, `owner/repository/image` or shorter.
    pub name: String,
    /// `public`, `private`, … where known.
    pub visibility: Option<String>,
}

/// One package of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageReport {
    /// Which registry it lives in.
    #[serde(rename = "type")]
    pub package_type: PackageType,
    /// Its name as GitHub lists it.
    pub name: String,
    /// `public`, `private`, … where known.
    pub visibility: Option<String>,
    /// How many active versions it has (in a restore: `None` where GitHub did not say).
    pub active: Option<u64>,
    /// `delete` or `restore` where the whole package is concerned.
    pub decision: Option<Decision>,
    /// What ended this package, and what to do about it.
    pub error: Option<String>,
    /// Whether a guard held this package back (then `error` says which). Not part of the file.
    #[serde(skip)]
    pub refused: bool,
    /// With `mode: report`: what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// The ids of what needs a part that goes, by the part's id: of those parts that several images share, or
    /// that hang on another part. For all others `via` says it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needed_by: BTreeMap<u64, Vec<u64>>,
    /// Every version in question, newest first.
    pub versions: Vec<VersionReport>,
}

impl PackageReport {
    /// The ids of what needs a part directly: what lists it, or what it refers to.
    pub fn needers(&self, part: &VersionReport) -> Vec<u64> {
        self.needed_by.get(&part.id).cloned().unwrap_or_else(|| part.via.into_iter().collect())
    }
}

/// One version of a run: what was decided and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionReport {
    /// GitHub's number for it.
    pub id: u64,
    /// Version string or digest.
    pub name: String,
    /// All its tags; empty where GitHub did not say.
    pub tags: Vec<String>,
    /// When it was pushed, where known.
    pub created_at: Option<Timestamp>,
    /// When it was last changed, where known.
    pub updated_at: Option<Timestamp>,
    /// Its place in the image graph.
    pub role: Role,
    /// What should happen to it.
    pub decision: Decision,
    /// One line that names what decided.
    pub reason: String,
    /// The id of the version it goes with.
    pub via: Option<u64>,
    /// With `untag`: the tags to take off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untag: Vec<String>,
    /// Places, among the package's versions, of what has to be gone before this one goes. Not part
    /// of the file.
    #[serde(skip)]
    pub after: Vec<usize>,
    /// Of what a restoration asks for: whether it is there, so that only tags or parts may be missing.
    /// Not part of the file.
    #[serde(skip)]
    pub is_there: bool,
    /// Of a deletion: whether it was there when the run began. Not part of the file.
    #[serde(skip)]
    pub was_there: bool,
    /// Whether the plan knew what would come of it, and nothing has to be tried. Not part of the file.
    #[serde(skip)]
    pub is_settled: bool,
    /// The tags that are to come back with it. Not part of the file.
    #[serde(skip)]
    pub tags_back: Vec<String>,
    /// What came of the decision; `None` where there was nothing to do.
    pub outcome: Option<Outcome>,
    /// What GitHub answered where it refused, or why it was not tried.
    pub error: Option<String>,
    /// When the outcome was known.
    pub at: Option<Timestamp>,
}

/// A version's place in the image graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing live lists it, and it refers to nothing live.
    Root,
    /// An index lists it.
    Child,
    /// It refers to another version.
    Referrer,
}

/// What should happen to a version (or a whole package).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It goes.
    Delete,
    /// It is left as it is.
    Keep,
    /// It would go, but GitHub would refuse.
    Retain,
    /// It comes back.
    Restore,
    /// Some of its tags go.
    Untag,
}

impl Decision {
    /// Whether it counts as selected.
    pub fn is_selected(self) -> bool {
        self != Self::Keep
    }
}

/// What came of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Not tried yet; in a report that never finished: perhaps done.
    Planned,
    /// Done.
    Done,
    /// Was gone already.
    Gone,
    /// GitHub refuses to delete it.
    Retained,
    /// Could not be done.
    Failed,
    /// Not tried.
    Skipped,
    /// The run ended before GitHub had answered.
    Unknown,
}
