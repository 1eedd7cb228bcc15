//! Which deleted versions come back.

use jiff::Timestamp;

use super::{
    Hold, Listing, PackagePlan, Plan, Verdict, newest_first,
    pick::{all_match, excluded, is, names},
    reason::Reason,
};
use crate::{
    inputs::Rules,
    manifest::Manifests,
    model::{PackageType, Version},
    report::Decision,
};

/// Plans a restoration.
///
/// A listing's versions are the deleted ones; `still_active` are those that `version-ids` names
/// and that are not deleted at all.
pub fn restoration(listings: Vec<(Listing, Vec<Version>)>, rules: &Rules, now: Timestamp) -> Plan {
    let mut packages: Vec<_> =
        listings.into_iter().map(|(listing, still_active)| of_package(listing, still_active, rules, now)).collect();
    limit(&mut packages, rules.limit);
    let warnings = packages.iter().filter(|_| rules.tags.is_some()).filter_map(parts_are_left).collect();
    Plan { packages, warnings }
}

fn of_package(listing: Listing, still_active: Vec<Version>, rules: &Rules, now: Timestamp) -> PackagePlan {
    let Listing { package, active, mut versions, .. } = listing;
    versions.sort_by(newest_first);
    let absent: Vec<_> = rules
        .version_ids
        .iter()
        .flatten()
        .filter(|reference| !versions.iter().chain(&still_active).any(|version| is(reference, version)))
        .map(ToString::to_string)
        .collect();
    let hold = (!absent.is_empty()).then(|| {
        Hold::Failed(format!(
            "version-ids: {} neither among the package's {} deleted versions nor active; nothing was restored. GitHub \
             keeps deleted versions for 30 days",
            absent.join(", "),
            versions.len()
        ))
    });
    let deleted = versions.into_iter().map(|version| {
        let (decision, reason) = match comes_back(&version, rules, now) {
            Ok(reason) if hold.is_none() => (Decision::Restore, reason),
            Ok(reason) | Err(reason) => (Decision::Keep, reason),
        };
        Verdict::alone(version, decision, reason)
    });
    let mut verdicts: Vec<_> = deleted.collect();
    let active_ones = still_active.into_iter();
    verdicts.extend(active_ones.map(|version| Verdict::alone(version, Decision::Keep, Reason::NotDeleted)));
    PackagePlan { package, active, verdicts, hold, goes_whole: false, manifests: Manifests::default() }
}

/// The parts of an image have no tags: who restores by tag gets a root that lacks them.
fn parts_are_left(package: &PackagePlan) -> Option<String> {
    let comes_back = package.verdicts.iter().any(|verdict| verdict.decision == Decision::Restore);
    (comes_back && package.package.package_type == PackageType::Container).then(|| {
        format!(
            "container {}: this version restores exactly the versions that are picked, and the parts of an image have no \
             tags. To get whole images back, name them by version-ids (the report and the summary of the deletion have \
             them all), or use deleted-within without tags",
            package.package.name
        )
    })
}

fn comes_back(version: &Version, rules: &Rules, now: Timestamp) -> Result<Reason, Reason> {
    let mut why = Reason::NotNamed;
    if let Some(wanted) = &rules.version_ids {
        if !names(wanted, version) {
            return Err(Reason::NotNamed);
        }
        why = Reason::Named;
    }
    if let Some(span) = rules.deleted_within {
        let within = version.deleted_at.is_some_and(|deleted_at| now.duration_since(deleted_at) <= span);
        if !within {
            return Err(Reason::DeletedEarlier(span));
        }
        why = Reason::DeletedWithin(span);
    }
    if let Some(patterns) = &rules.tags {
        let own: Vec<_> = version.own_tags().collect();
        if version.tags.is_none() {
            return Err(Reason::TagsUnknown);
        }
        why = all_match(&own, patterns)?;
    }
    if let Some((tag, pattern)) = version.tags.as_ref().and_then(|tags| excluded(tags, &rules.exclude_tags)) {
        return Err(Reason::Excluded { tag, pattern });
    }
    Ok(why)
}

/// `limit`: the versions that were deleted last come back first.
fn limit(packages: &mut [PackagePlan], limit: Option<usize>) {
    let Some(limit) = limit else { return };
    let coming = packages.iter_mut().flat_map(|package| &mut package.verdicts);
    let mut coming: Vec<_> = coming.filter(|verdict| verdict.decision == Decision::Restore).collect();
    coming.sort_by_key(|verdict| std::cmp::Reverse((verdict.version.deleted_at, verdict.version.id)));
    for verdict in coming.into_iter().skip(limit) {
        verdict.decision = Decision::Keep;
        verdict.reason = Reason::Limit(limit);
    }
}
