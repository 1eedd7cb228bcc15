//! Which deleted versions come back.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::{
    Hold, Listing, PackagePlan, Plan, Verdict, newest_first,
    pick::{all_match, excluded, is, names},
    reason::Reason,
};
use crate::{
    inputs::{Rules, VersionReference},
    model::Version,
    report::Decision,
};

/// Plans a restoration: what `version-ids`, `tags` and `deleted-within` pick of a listing's deleted
/// versions. The parts of an image are found out once it is back, since nobody can read its manifest
/// before.
pub fn restoration(listings: Vec<Listing>, rules: &Rules, now: Timestamp) -> Plan {
    let mut packages: Vec<_> = listings.into_iter().map(|listing| of_package(listing, rules, now)).collect();
    limit(&mut packages, rules.limit);
    let warnings = packages.iter().filter(|_| rules.tags.is_some()).filter_map(no_tags_are_shown).collect();
    Plan { packages, warnings }
}

fn of_package(listing: Listing, rules: &Rules, now: Timestamp) -> PackagePlan {
    let Listing { package, active, versions, mut deleted, manifests, .. } = listing;
    deleted.sort_by(newest_first);
    let named: Vec<_> = rules.version_ids.iter().flatten().collect();
    let absent: Vec<_> = named
        .iter()
        .filter(|reference| !deleted.iter().chain(&versions).any(|version| is(reference, version)))
        .map(ToString::to_string)
        .collect();
    let hold = (!absent.is_empty()).then(|| {
        Hold::Failed(format!(
            "version-ids: {} neither among the package's {} deleted versions nor active; nothing was restored. GitHub \
             keeps deleted versions for 30 days",
            absent.join(", "),
            deleted.len()
        ))
    });
    let mut picked: HashSet<String> = HashSet::new();
    // of what was deleted several times, the last deletion is the one to undo
    let mut once = |version: &Version| match comes_back(version, rules, now) {
        Ok(_) if !picked.insert(version.name.clone()) && !is_named_by_id(version, rules) => Err(Reason::DeletedAgain),
        decided => decided,
    };
    let mut by_deletion: Vec<_> = deleted.iter().collect();
    by_deletion.sort_by_key(|version| std::cmp::Reverse(version.deleted_at));
    let mut decided: HashMap<u64, _> = by_deletion.into_iter().map(|version| (version.id, once(version))).collect();
    let coming =
        deleted.iter().cloned().map(|version| match decided.remove(&version.id).unwrap_or(Err(Reason::NotNamed)) {
            Ok(reason) if hold.is_none() => {
                let tags_back = version.tags.clone().unwrap_or_default();
                Verdict { tags_back, ..Verdict::alone(version, Decision::Restore, reason) }
            }
            Ok(reason) | Err(reason) => Verdict::alone(version, Decision::Keep, reason),
        });
    let mut verdicts: Vec<_> = coming.collect();
    let active_ones = versions.iter().filter(|version| named.iter().any(|reference| is(reference, version)));
    verdicts.extend(active_ones.map(|version| Verdict {
        is_there: true,
        ..Verdict::alone(version.clone(), Decision::Keep, Reason::NotDeleted)
    }));
    PackagePlan {
        package,
        active,
        verdicts,
        hold,
        decision: None,
        deleted,
        there: versions,
        manifests,
        needed_by: BTreeMap::new(),
    }
}

fn is_named_by_id(version: &Version, rules: &Rules) -> bool {
    rules.version_ids.iter().flatten().any(|named| *named == VersionReference::Id(version.id))
}

/// GitHub may not show the tags of deleted versions: then none can be found by them.
fn no_tags_are_shown(package: &PackagePlan) -> Option<String> {
    let has_tags = |version: &Version| version.tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let shows_none = !package.deleted.is_empty() && !package.deleted.iter().any(has_tags);
    shows_none.then(|| {
        format!(
            "{} {}: GitHub shows no tags of its deleted versions, so none is found by tags. The report of the run that \
             deleted them knows the tags: use from-report, or deleted-within",
            package.package.package_type, package.package.name
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

/// `limit`: the images that were deleted last come back first, each with its parts. A package that
/// comes back as a whole counts once.
pub(super) fn limit(packages: &mut [PackagePlan], limit: Option<usize>) {
    let Some(limit) = limit else { return };
    let mut coming = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        if package.decision.is_some() {
            let last = package.verdicts.iter().map(|verdict| (verdict.version.deleted_at, verdict.version.id)).max();
            coming.extend(last.map(|last| (std::cmp::Reverse(last), number, None)));
            continue;
        }
        for (place, verdict) in package.verdicts.iter().enumerate() {
            if verdict.decision == Decision::Restore && verdict.image.is_none() {
                let key = std::cmp::Reverse((verdict.version.deleted_at, verdict.version.id));
                coming.push((key, number, Some(place)));
            }
        }
    }
    coming.sort();
    for (_, number, place) in coming.into_iter().skip(limit) {
        let package = &mut packages[number];
        package.decision = None;
        for (other, verdict) in package.verdicts.iter_mut().enumerate() {
            let is_meant = place.is_none() || Some(other) == place || verdict.image == place;
            if verdict.decision == Decision::Restore && is_meant {
                verdict.decision = Decision::Keep;
                verdict.reason = Reason::Limit(limit);
            }
        }
    }
}
