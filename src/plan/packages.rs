//! Whole packages that go or come back, by their exact names (`target: packages`).

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{
    Earlier, Hold, Listing, PackagePlan, Plan, Verdict, newest_first, pick::protected, planned::difference,
    reason::Reason,
};
use crate::{
    graph::ImageGraph,
    inputs::{Guards, Rules},
    model::{PackageType, Version},
    report::{Decision, Mode, Outcome, VersionReport},
};

/// Plans that packages go, or come back, as a whole. `limit` and `max-deletions` count packages.
pub fn packages(listings: Vec<Listing>, rules: &Rules, guards: Guards, mode: Mode, now: Timestamp) -> Plan {
    let mut packages: Vec<_> = match mode {
        Mode::Restore => listings.into_iter().map(coming_back).collect(),
        Mode::Delete | Mode::Report => listings.into_iter().map(|listing| going(listing, rules, now)).collect(),
    };
    if let Some(limit) = rules.limit {
        packages.iter_mut().filter(|package| package.decision.is_some()).skip(limit).for_each(|package| {
            keep(package, |_| Reason::Limit(limit));
        });
    }
    if mode != Mode::Restore {
        guard(&mut packages, guards);
    }
    let warnings = packages.iter().filter_map(is_kept).collect();
    Plan { packages, warnings }
}

/// Who names a package means all of it: that it stays for one of its versions has to be seen.
fn is_kept(package: &PackagePlan) -> Option<String> {
    let mut reasons = package.verdicts.iter().map(|verdict| &verdict.reason);
    let (reason, way_out) = reasons.find_map(|reason| Some((reason, way_out(reason)?)))?;
    Some(format!(
        "{} {} stays as a whole: {reason}. If all of it is to go, {way_out}",
        package.package.package_type, package.package.name
    ))
}

/// What lets a package go that stays for this reason.
fn way_out(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::Excluded { .. } => Some("set exclude-tags: none"),
        Reason::UntaggedGrace(_) => Some("wait until no push can be under way, or set untagged-grace: 0s"),
        Reason::TagsUnknown | Reason::AgeUnknown => Some("delete it by hand in its settings"),
        _ => None,
    }
}

/// Whether manifests have to be read to know whether a package may go as a whole: a young untagged version may
/// be part of an image in it, or of one that is being pushed.
pub fn whole_package_depends_on_manifests(listing: &Listing, rules: &Rules, now: Timestamp) -> bool {
    let holds = |wanted: fn(&Reason) -> bool| {
        listing.versions.iter().any(|version| holding(version, rules, now).is_some_and(|reason| wanted(&reason)))
    };
    listing.package.package_type == PackageType::Container
        && holds(|reason| matches!(reason, Reason::UntaggedGrace(_)))
        && !holds(|reason| !matches!(reason, Reason::UntaggedGrace(_)))
}

/// Why a version holds its package, whatever names that.
fn holding(version: &Version, rules: &Rules, now: Timestamp) -> Option<Reason> {
    let Some(tags) = &version.tags else { return Some(Reason::TagsUnknown) };
    match version.last_touched() {
        None => Some(Reason::AgeUnknown),
        Some(_) => protected(version, tags, rules, now),
    }
}

fn coming_back(listing: Listing) -> PackagePlan {
    let decision = (!listing.exists).then_some(Decision::Restore);
    PackagePlan { decision, ..plan(listing, Vec::new()) }
}

fn going(mut listing: Listing, rules: &Rules, now: Timestamp) -> PackagePlan {
    let earlier = listing.earlier.take();
    listing.versions.sort_by(newest_first);
    let graph = ImageGraph::new(listing.versions.iter(), &listing.manifests);
    // what is part of an image goes with it, however young it is
    let is_part = |place: usize| graph.needed_by(place).next().is_some();
    let versions = listing.versions.iter().enumerate();
    let holding = versions.filter_map(|(place, version)| match holding(version, rules, now)? {
        Reason::UntaggedGrace(_) if is_part(place) => None,
        reason => Some((version.id, reason)),
    });
    let holding: HashMap<u64, Reason> = holding.collect();
    let unreadable = listing.unreadable.take();
    let versions = listing.versions.iter().cloned();
    let verdicts = versions.map(|version| Verdict::alone(version, Decision::Delete, Reason::WholePackage)).collect();
    let changed = earlier.as_ref().and_then(|earlier| changed(&listing, &earlier.package().versions));
    let was_to_go = earlier.as_ref().is_none_or(Earlier::took_package);
    let mut package = plan(listing, verdicts);
    package.decision = Some(Decision::Delete);
    package.hold = unreadable.map(Hold::Failed);
    let first = package.verdicts.iter().find_map(|verdict| holding.get(&verdict.version.id));
    if !was_to_go {
        keep(&mut package, |_| Reason::NotPlanned);
    } else if let Some(changed) = changed {
        package.decision = None;
        for verdict in &mut package.verdicts {
            verdict.reason = Reason::Changed;
            verdict.settled = Some((Outcome::Skipped, Some(changed.clone())));
        }
    } else if let Some(first) = first {
        let stays = Reason::PackageStays(first.to_string());
        keep(&mut package, |verdict| holding.get(&verdict.version.id).unwrap_or(&stays).clone());
    }
    package
}

/// What is not as the plan of an earlier run knew it.
fn changed(listing: &Listing, planned: &[VersionReport]) -> Option<String> {
    let planned: HashMap<u64, &VersionReport> = planned.iter().map(|entry| (entry.id, entry)).collect();
    listing.versions.iter().find_map(|version| match planned.get(&version.id) {
        None => Some(format!("{} is new", super::name_of(version))),
        Some(entry) => difference(entry, version).map(|how| format!("{}: {how}", super::name_of(version))),
    })
}

pub(super) fn keep(package: &mut PackagePlan, reason: impl Fn(&Verdict) -> Reason) {
    package.decision = None;
    for verdict in &mut package.verdicts {
        verdict.decision = Decision::Keep;
        verdict.reason = reason(verdict);
    }
}

fn guard(packages: &mut [PackagePlan], guards: Guards) {
    let going = packages.iter().filter(|package| package.decision.is_some()).count() as u64;
    for package in packages.iter_mut().filter(|package| package.decision.is_some() && package.hold.is_none()) {
        if let Some(most) = guards.max_deletions.filter(|most| going > *most) {
            package.hold = Some(Hold::Refused(format!(
                "max-deletions: the plan would delete {going} packages, more than {most}; nothing was deleted. If the \
                 plan is right, raise max-deletions, or set limit to go in steps"
            )));
        } else if guards.max_delete_percent < 100 {
            package.hold = Some(Hold::Refused(format!(
                "max-delete-percent: a whole package is more than {} % of its versions; it was not deleted",
                guards.max_delete_percent
            )));
        }
    }
}

fn plan(listing: Listing, verdicts: Vec<Verdict>) -> PackagePlan {
    PackagePlan {
        package: listing.package,
        active: listing.active,
        verdicts,
        hold: None,
        decision: None,
        deleted: listing.deleted,
        there: Vec::new(),
        needed_by: BTreeMap::new(),
        manifests: listing.manifests,
    }
}
