//! What goes and what stays: a decision and a reason for every version, computed from what was
//! read, without any input, output or clock.
//!
//! The order of a listing never matters, and in doubt a version stays.

use std::{collections::BTreeMap, rc::Rc};

use jiff::Timestamp;

use crate::{
    graph::ImageGraph,
    inputs::{Guards, Rules},
    manifest::Manifests,
    model::{Package, PackageType, Version, subject_of_fallback_tag},
    report::{Decision, Outcome, PackageReport, Report, Role, Status, VersionReport},
    tell::text::short_name,
};

mod bounds;
mod draft;
mod latest;
mod packages;
mod pick;
mod planned;
pub mod reason;
mod restoration;
mod undo;
mod warnings;

use draft::Draft;
pub use packages::{packages, whole_package_depends_on_manifests};
pub(crate) use planned::{difference, version_of};
pub use planned::{lacks_planned, mismatch};
use reason::Reason;
pub use restoration::restoration;
pub(crate) use undo::{Wave, bearers};
pub use undo::{undo, undone};

/// A package and all its versions, as they were read.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The package.
    pub package: Package,
    /// How many active versions it has, where known.
    pub active: Option<u64>,
    /// Its active versions; for a restoration of other types than containers, those that
    /// are asked for.
    pub versions: Vec<Version>,
    /// Its deleted versions, where they matter.
    pub deleted: Vec<Version>,
    /// Whether it is there: a whole package can come back too.
    pub exists: bool,
    /// What the report of an earlier run says of it, if that is carried out or undone.
    pub earlier: Option<Earlier>,
    /// What its manifests say, as far as they were read.
    pub manifests: Manifests,
    /// Why its manifests are not known although a decision depends on them: then nothing goes.
    pub unreadable: Option<String>,
}

impl Listing {
    /// A package of which nothing was read yet.
    pub fn new(package: Package) -> Self {
        Self {
            package,
            active: None,
            versions: Vec::new(),
            deleted: Vec::new(),
            exists: true,
            earlier: None,
            manifests: Manifests::default(),
            unreadable: None,
        }
    }
}

/// What an earlier run's report says of a package.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The whole of it: of 100,000 versions a copy for each package would be felt.
    report: Rc<Report>,
    /// Which of its packages is meant.
    place: usize,
    /// What `planned` means in it.
    pub extent: Extent,
}

impl Earlier {
    /// What a report says of a package, if it has it.
    pub fn of(report: &Rc<Report>, name: &str) -> Option<Self> {
        // GitHub may write a name in another case than whoever asked for it
        let is_it = |package: &PackageReport| package.name.eq_ignore_ascii_case(name);
        let exact = report.packages.iter().position(|package| package.name == name);
        let place = exact.or_else(|| report.packages.iter().position(is_it))?;
        let extent = match (report.dry_run, report.status) {
            (true, _) => Extent::DryRun,
            (false, Status::Running) => Extent::CutOff,
            (false, _) => Extent::Ended,
        };
        Some(Self { report: Rc::clone(report), place, extent })
    }

    /// Whether it says that the whole package goes.
    pub fn took_package(&self) -> bool {
        self.package().decision == Some(Decision::Delete)
    }

    /// Its entry.
    pub fn package(&self) -> &PackageReport {
        // found in `of`
        &self.report.packages[self.place]
    }
}

/// How far the run of a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It changed nothing.
    DryRun,
    /// It told everything it did.
    Ended,
    /// It was killed: what is `planned` was perhaps done.
    CutOff,
}

/// What will happen.
#[derive(Debug)]
pub struct Plan {
    /// Package by package, in the order they were asked for.
    pub packages: Vec<PackagePlan>,
    /// What the user should look at although nothing is wrong.
    pub warnings: Vec<String>,
}

/// What will happen in one package.
#[derive(Debug)]
pub struct PackagePlan {
    /// The package.
    pub package: Package,
    /// How many active versions it has, where known.
    pub active: Option<u64>,
    /// Every version, newest first.
    pub verdicts: Vec<Verdict>,
    /// Why nothing of it is carried out.
    pub hold: Option<Hold>,
    /// Whether the package goes, or comes back, as a whole.
    pub decision: Option<Decision>,
    /// Its deleted versions, where they matter.
    pub deleted: Vec<Version>,
    /// Of a restoration, what is there.
    pub there: Vec<Version>,
    /// What their manifests say, as far as they were read.
    pub manifests: Manifests,
    /// What needs a part, by ids, where the image it goes with is not all of it.
    pub needed_by: BTreeMap<u64, Vec<u64>>,
}

/// Why a package's plan is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A guard holds it back.
    Refused(String),
    /// What was asked for cannot be done.
    Failed(String),
}

/// What will happen to one version, and why.
#[derive(Debug)]
pub struct Verdict {
    /// The version.
    pub version: Version,
    /// Its place in the image graph.
    pub role: Role,
    /// What will happen.
    pub decision: Decision,
    /// What decided.
    pub reason: Reason,
    /// The place of the image it goes with, of a part that goes.
    pub image: Option<usize>,
    /// Places of what has to be gone before it goes: all of that needs it.
    pub after: Vec<usize>,
    /// The tags to take off.
    pub untag: Vec<String>,
    /// What came of it before anything was tried, and why.
    pub settled: Option<(Outcome, Option<String>)>,
    /// Of what a restoration asks for: whether it is there, so that only tags or parts may be missing.
    pub is_there: bool,
    /// Of a deletion: whether it was there when it was planned. What an earlier plan names may not be.
    pub was_there: bool,
    /// The tags that are to come back with it.
    pub tags_back: Vec<String>,
}

impl PackagePlan {
    /// The plan as the report tells it, before anything was done.
    pub fn into_report(self) -> PackageReport {
        let (error, refused) = match self.hold {
            None => (None, false),
            Some(Hold::Refused(why)) => (Some(why), true),
            Some(Hold::Failed(why)) => (Some(why), false),
        };
        let ids: Vec<_> = self.verdicts.iter().map(|verdict| verdict.version.id).collect();
        let versions = self.verdicts.into_iter().map(|verdict| {
            let via = verdict.image.and_then(|image| ids.get(image).copied());
            verdict.into_report(via)
        });
        let versions = versions.collect();
        PackageReport {
            package_type: self.package.package_type,
            name: self.package.name,
            visibility: self.package.visibility,
            active: self.active,
            decision: self.decision,
            error,
            refused,
            inventory: None,
            needed_by: self.needed_by,
            versions,
        }
    }
}

impl Verdict {
    /// A verdict on a version that hangs together with no other.
    fn alone(version: Version, decision: Decision, reason: Reason) -> Self {
        Self {
            version,
            role: Role::Root,
            decision,
            reason,
            image: None,
            after: Vec::new(),
            untag: Vec::new(),
            settled: None,
            is_there: false,
            was_there: true,
            tags_back: Vec::new(),
        }
    }

    /// Whether something is to be done about it.
    fn is_to_do(&self) -> bool {
        self.settled.is_none() && matches!(self.decision, Decision::Delete | Decision::Untag | Decision::Restore)
    }

    fn into_report(self, via: Option<u64>) -> VersionReport {
        let planned = match self.decision {
            Decision::Keep => None,
            Decision::Retain => Some(Outcome::Retained),
            Decision::Delete | Decision::Restore | Decision::Untag => Some(Outcome::Planned),
        };
        let is_settled = self.settled.is_some();
        let (outcome, error) = match self.settled {
            Some((outcome, error)) => (Some(outcome), error),
            None => (planned, None),
        };
        VersionReport {
            id: self.version.id,
            name: self.version.name,
            tags: self.version.tags.unwrap_or_default(),
            created_at: self.version.created_at,
            updated_at: self.version.updated_at,
            role: self.role,
            decision: self.decision,
            reason: self.reason.to_string(),
            via,
            untag: self.untag,
            after: self.after,
            is_there: self.is_there,
            was_there: self.was_there,
            is_settled,
            tags_back: self.tags_back,
            outcome,
            error,
            at: None,
        }
    }
}

/// Plans a deletion over all packages in question.
pub fn deletion(listings: Vec<Listing>, rules: &Rules, guards: Guards, now: Timestamp) -> Plan {
    let mut drafts: Vec<_> = listings.into_iter().map(|listing| Draft::new(listing, rules, now)).collect();
    bounds::hold_back(&mut drafts, rules.limit, guards.max_delete_percent);
    let mut packages: Vec<_> = drafts.into_iter().map(Draft::into_plan).collect();
    bounds::apply_guards(&mut packages, guards);
    let warnings = warnings::of(&packages, rules);
    Plan { packages, warnings }
}

/// Whether a decision on the package depends on its manifests. Reading one counts as a download
/// at GitHub, so nothing is read where nothing could go.
///
/// Without manifests every version counts as an image of its own. So more of them are older than
/// the newest that `keep-latest` spares, and nothing is needed: what could go is among these. Only
/// the last image may be one that could go with its package, were its parts known.
pub fn depends_on_manifests(listing: &Listing, rules: &Rules, now: Timestamp) -> bool {
    if listing.package.package_type != PackageType::Container {
        return false;
    }
    if listing.versions.iter().any(|version| pick::may_be_swept(version, rules, now)) {
        return rules.limit != Some(0);
    }
    let mut drafts = [Draft::new(listing.clone(), rules, now)];
    bounds::hold_back(&mut drafts, rules.limit, 100);
    drafts.iter().any(|draft| draft.changes() > 0 || (rules.delete_empty_package && draft.retains()))
}

/// The digests that no version of the package has, and of which the registry has to say that they
/// are gone before `delete-*-images` takes what lists them or refers to them.
pub fn digests_in_doubt(versions: &[Version], manifests: &Manifests, rules: &Rules, now: Timestamp) -> Vec<String> {
    let graph = ImageGraph::new(versions.iter(), manifests);
    let unsure = versions.iter().enumerate();
    let mut digests: Vec<_> =
        unsure.flat_map(|(place, version)| pick::unsure(version, place, &graph, rules, now)).collect();
    digests.sort();
    digests.dedup();
    digests
}

/// A version as people know it: its first tag and its digest.
pub(crate) fn name_of(version: &Version) -> String {
    version_name(&version.name, version.tags.as_deref().unwrap_or_default())
}

/// A version as people know it, by its name and its tags.
pub(crate) fn version_name(name: &str, tags: &[String]) -> String {
    let own = tags.iter().find(|tag| subject_of_fallback_tag(tag).is_none());
    match own.filter(|tag| *tag != name) {
        Some(tag) => format!("{tag} ({}…)", short_name(name)),
        None if short_name(name).len() < name.len() => format!("{}…", short_name(name)),
        None => name.to_owned(),
    }
}

/// Newest first: by the later of pushed and updated, then by id; what has no date comes last.
fn newest_first(left: &Version, right: &Version) -> std::cmp::Ordering {
    (right.last_touched(), right.id).cmp(&(left.last_touched(), left.id))
}
