//! What goes and what stays: a decision and a reason for every version, computed from what was
//! read, without any input, output or clock.
//!
//! The order of a listing never matters, and in doubt a version stays.

use jiff::Timestamp;

use crate::{
    graph::ImageGraph,
    inputs::{Guards, Rules},
    manifest::Manifests,
    model::{Package, PackageType, Version, subject_of_fallback_tag},
    report::{Decision, Outcome, PackageReport, Role, VersionReport},
    tell::text::short_name,
};

mod bounds;
mod draft;
mod latest;
mod pick;
pub mod reason;
mod restoration;
mod warnings;

use draft::Draft;
use reason::Reason;
pub use restoration::restoration;

/// A package and all its versions, as they were read.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The package.
    pub package: Package,
    /// How many active versions it has, where known.
    pub active: Option<u64>,
    /// Its active versions; for a restoration, its deleted ones.
    pub versions: Vec<Version>,
    /// What its manifests say, as far as they were read.
    pub manifests: Manifests,
    /// Why its manifests are not known although a decision depends on them: then nothing goes.
    pub unreadable: Option<String>,
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
    /// Whether every version goes, and the package with them.
    pub goes_whole: bool,
    /// What their manifests say, as far as they were read.
    pub manifests: Manifests,
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
            decision: self.goes_whole.then_some(Decision::Delete),
            error,
            refused,
            versions,
        }
    }
}

impl Verdict {
    /// A verdict on a version that hangs together with no other.
    fn alone(version: Version, decision: Decision, reason: Reason) -> Self {
        Self { version, role: Role::Root, decision, reason, image: None, after: Vec::new(), untag: Vec::new() }
    }

    fn into_report(self, via: Option<u64>) -> VersionReport {
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
            outcome: match self.decision {
                Decision::Keep => None,
                Decision::Retain => Some(Outcome::Retained),
                Decision::Delete | Decision::Restore | Decision::Untag => Some(Outcome::Planned),
            },
            error: None,
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
/// the newest that `keep-latest` spares, and nothing is needed: what could go is among these.
pub fn depends_on_manifests(listing: &Listing, rules: &Rules, now: Timestamp) -> bool {
    if listing.package.package_type != PackageType::Container {
        return false;
    }
    if listing.versions.iter().any(|version| pick::may_be_swept(version, rules, now)) {
        return rules.limit != Some(0);
    }
    let mut drafts = [Draft::new(listing.clone(), rules, now)];
    bounds::hold_back(&mut drafts, rules.limit, 100);
    drafts.iter().any(|draft| draft.changes() > 0)
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
