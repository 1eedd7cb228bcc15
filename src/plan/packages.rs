//! Whole packages that go or come back, by their exact names (`target: packages`).

use std::collections::{BTreeMap, HashMap};

use super::{
    Earlier, Hold, Listing, PackagePlan, Plan, Verdict, newest_first, pick::excluded, planned::difference,
    reason::Reason,
};
use crate::{
    inputs::{Guards, Rules},
    report::{Decision, Mode, Outcome, VersionReport},
};

/// Plans that packages go, or come back, as a whole. `limit` and `max-deletions` count packages.
pub fn packages(listings: Vec<Listing>, rules: &Rules, guards: Guards, mode: Mode) -> Plan {
    let mut packages: Vec<_> = match mode {
        Mode::Restore => listings.into_iter().map(coming_back).collect(),
        Mode::Delete | Mode::Report => listings.into_iter().map(|listing| going(listing, rules)).collect(),
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

/// Who names a package means all of it: that it stays for a tag has to be seen.
fn is_kept(package: &PackagePlan) -> Option<String> {
    let reasons = package.verdicts.iter().map(|verdict| &verdict.reason);
    let protected = reasons.into_iter().find(|reason| matches!(reason, Reason::Excluded { .. }))?;
    Some(format!(
        "{} {} stays as a whole: {protected}. If all of it is to go, set exclude-tags: none",
        package.package.package_type, package.package.name
    ))
}

fn coming_back(listing: Listing) -> PackagePlan {
    let decision = (!listing.exists).then_some(Decision::Restore);
    PackagePlan { decision, ..plan(listing, Vec::new()) }
}

fn going(mut listing: Listing, rules: &Rules) -> PackagePlan {
    let earlier = listing.earlier.take();
    listing.versions.sort_by(newest_first);
    let versions = listing.versions.iter().cloned();
    let verdicts = versions.map(|version| Verdict::alone(version, Decision::Delete, Reason::WholePackage)).collect();
    let changed = earlier.as_ref().and_then(|earlier| changed(&listing, &earlier.package().versions));
    let was_to_go = earlier.as_ref().is_none_or(Earlier::took_package);
    let mut package = plan(listing, verdicts);
    package.decision = Some(Decision::Delete);
    let protected = package.verdicts.iter().find_map(|verdict| {
        let tags = verdict.version.tags.as_deref()?;
        excluded(tags, &rules.exclude_tags)
    });
    if !was_to_go {
        keep(&mut package, |_| Reason::NotPlanned);
    } else if let Some(changed) = changed {
        package.decision = None;
        for verdict in &mut package.verdicts {
            verdict.reason = Reason::Changed;
            verdict.settled = Some((Outcome::Skipped, Some(changed.clone())));
        }
    } else if let Some((tag, pattern)) = protected {
        let by_tag = Reason::Excluded { tag, pattern };
        keep(&mut package, |verdict| match &verdict.version.tags {
            Some(tags) if excluded(tags, &rules.exclude_tags).is_some() => by_tag.clone(),
            _ => Reason::PackageStays(by_tag.to_string()),
        });
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
    for package in packages.iter_mut().filter(|package| package.decision.is_some()) {
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
