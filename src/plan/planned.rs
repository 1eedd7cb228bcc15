//! The plan of an earlier run's report, held against what is there now: nothing more goes than it
//! says, and nothing that changed since.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{
    Earlier, Listing, Verdict,
    pick::{Pick, protected},
    reason::Reason,
};
use crate::{
    inputs::Rules,
    model::Version,
    report::{Decision, Outcome, VersionReport},
};

/// What a report plans for one package, by ids.
pub(super) struct Planned {
    earlier: Earlier,
    /// Where in it a version stands.
    places: HashMap<u64, usize>,
    /// Whether the package goes with its last version.
    pub(super) takes_package: bool,
}

impl Planned {
    pub(super) fn new(earlier: Earlier) -> Self {
        let takes_package = earlier.package().decision == Some(Decision::Delete);
        let places =
            earlier.package().versions.iter().enumerate().map(|(place, version)| (version.id, place)).collect();
        Self { earlier, places, takes_package }
    }

    fn get(&self, id: u64) -> Option<&VersionReport> {
        self.places.get(&id).and_then(|place| self.earlier.package().versions.get(*place))
    }

    /// What the plan says of a version that is there.
    pub(super) fn pick(&self, version: &Version, rules: &Rules, now: Timestamp) -> Result<Pick, Reason> {
        let Some(entry) = self.get(version.id) else { return Err(Reason::NotPlanned) };
        let reason = Reason::AsPlanned(entry.reason.clone());
        if !is_to_change(entry) {
            return Err(reason);
        }
        if let Some(difference) = difference(entry, version) {
            return Err(Reason::Differs(difference));
        }
        if matches!(entry.outcome, Some(Outcome::Done | Outcome::Gone)) {
            return Err(Reason::Differs("that was done, and somebody took it back".to_owned()));
        }
        let tags = version.tags.as_deref().unwrap_or_default();
        match protected(version, tags, rules, now) {
            // a part goes with its image, however young it is
            Some(Reason::UntaggedGrace(_)) if entry.via.is_some() => {}
            Some(protected) => return Err(protected),
            None => {}
        }
        Ok(Pick { reason, untag: entry.untag.clone() })
    }

    /// Whether the plan takes a version, or tags of it.
    pub(super) fn takes(&self, id: u64) -> bool {
        self.get(id).is_some_and(is_to_change)
    }

    /// What becomes of a version that the plan takes, and that stays for a reason of today.
    pub(super) fn hold_to(&self, mut verdict: Verdict, needer_was_to_go: bool) -> Verdict {
        let Some(entry) = self.get(verdict.version.id).filter(|_| verdict.decision == Decision::Keep) else {
            return verdict;
        };
        match entry.decision {
            Decision::Retain => {
                verdict.decision = Decision::Retain;
                verdict.reason = Reason::AsPlanned(entry.reason.clone());
            }
            Decision::Delete | Decision::Untag if !matches!(verdict.reason, Reason::Limit(_) | Reason::Held) => {
                verdict.decision = entry.decision;
                verdict.untag.clone_from(&entry.untag);
                let why = (!needer_was_to_go).then(|| verdict.reason.to_string());
                if !needer_was_to_go {
                    verdict.reason = Reason::Changed;
                    // the next plan made of this report is still the one that somebody has seen
                    verdict.version = version_of(entry);
                }
                verdict.settled = Some((Outcome::Skipped, why));
            }
            Decision::Delete | Decision::Untag | Decision::Keep | Decision::Restore => {}
        }
        verdict
    }

    /// What the plan takes and is not there any more: gone already, or something that cannot be told.
    pub(super) fn not_there(self, there: &[Version], deleted: &[Version]) -> Vec<Verdict> {
        let ids = |versions: &[Version]| versions.iter().map(|version| version.id).collect::<HashSet<_>>();
        let (ids_there, ids_deleted) = (ids(there), ids(deleted));
        let names_there: HashSet<&str> = there.iter().map(|version| version.name.as_str()).collect();
        let is_missing = |entry: &VersionReport| is_to_change(entry) && !ids_there.contains(&entry.id);
        let mut missing: Vec<_> = self.earlier.package().versions.iter().filter(|entry| is_missing(entry)).collect();
        missing.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        let verdict = |entry: &VersionReport| {
            let is_deleted = ids_deleted.contains(&entry.id);
            let was_pushed_again = names_there.contains(entry.name.as_str());
            let (outcome, why) = match entry.decision {
                _ if was_pushed_again => (Outcome::Skipped, Some("it was deleted and pushed again")),
                Decision::Delete if is_deleted => (Outcome::Gone, None),
                Decision::Delete => (Outcome::Skipped, Some("it is neither there nor among the deleted versions")),
                _ => (Outcome::Skipped, Some("it is not there any more")),
            };
            let reason = match outcome {
                Outcome::Gone => Reason::AsPlanned(entry.reason.clone()),
                _ => Reason::Changed,
            };
            let mut verdict = Verdict::alone(version_of(entry), entry.decision, reason);
            verdict.role = entry.role;
            verdict.was_there = false;
            verdict.settled = Some((outcome, why.map(str::to_owned)));
            verdict.untag.clone_from(&entry.untag);
            verdict
        };
        missing.into_iter().map(verdict).collect()
    }
}

/// What proves that a report's ids and names are not those of the package: nothing of it may be
/// believed then.
pub fn mismatch(listing: &Listing) -> Option<String> {
    let known: HashMap<u64, &Version> =
        listing.deleted.iter().chain(&listing.versions).map(|version| (version.id, version)).collect();
    let by_name: HashMap<&str, &Version> =
        listing.deleted.iter().chain(&listing.versions).map(|version| (version.name.as_str(), version)).collect();
    let mismatch = |entry: &VersionReport| match known.get(&entry.id) {
        Some(version) if version.name == entry.name => None,
        Some(version) => Some(format!("the id {} is that of {}, and not of {}", entry.id, version.name, entry.name)),
        None if !is_to_change(entry) => None,
        None => {
            let other = by_name.get(entry.name.as_str())?;
            // what GitHub has forgotten may have been pushed again
            let is_newer = other.created_at > entry.created_at && entry.created_at.is_some();
            (!is_newer).then(|| format!("{} has the id {}, and not {}", entry.name, other.id, entry.id))
        }
    };
    let versions = &listing.earlier.as_ref()?.package().versions;
    let what = versions.iter().find_map(mismatch)?;
    Some(format!("{} {}: {what}", listing.package.package_type, listing.package.name))
}

/// Whether some of what a report plans is not among these versions.
pub fn lacks_planned(earlier: &Earlier, versions: &[Version]) -> bool {
    let there: HashSet<_> = versions.iter().map(|version| version.id).collect();
    earlier.package().versions.iter().any(|entry| is_to_change(entry) && !there.contains(&entry.id))
}

fn is_to_change(entry: &VersionReport) -> bool {
    matches!(entry.decision, Decision::Delete | Decision::Untag)
}

/// A version as a report knew it.
pub(crate) fn version_of(entry: &VersionReport) -> Version {
    Version {
        id: entry.id,
        name: entry.name.clone(),
        tags: Some(entry.tags.clone()),
        created_at: entry.created_at,
        updated_at: entry.updated_at,
        deleted_at: None,
    }
}

/// How a planned version differs from what is there now.
pub(crate) fn difference(entry: &VersionReport, version: &Version) -> Option<String> {
    let Some(tags) = version.tags.clone() else {
        return Some("GitHub does not say any more what tags it has".to_owned());
    };
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
