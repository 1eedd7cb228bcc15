//! What bounds a plan as a whole: the limit of a run, GitHub's last tagged image, the guards.

use super::{Hold, PackagePlan, newest_first, reason::Reason};
use crate::{
    inputs::Guards,
    report::{Decision, Role},
};

/// `limit`: at most this many roots in the whole run, oldest first.
pub(super) fn apply_limit(packages: &mut [PackagePlan], limit: Option<usize>) {
    let Some(limit) = limit else { return };
    let mut going: Vec<_> = packages
        .iter_mut()
        .flat_map(|package| &mut package.verdicts)
        .filter(|verdict| verdict.role == Role::Root && verdict.decision == Decision::Delete)
        .collect();
    going.sort_by(|left, right| newest_first(&right.version, &left.version));
    for verdict in going.into_iter().skip(limit) {
        verdict.decision = Decision::Keep;
        verdict.reason = Reason::Limit(limit);
    }
}

/// GitHub refuses to delete the last tagged version of a package ("You must delete the package
/// instead."), and an empty package would be gone for its users: the newest one stays.
pub(super) fn retain_last_image(package: &mut PackagePlan) {
    let stays = |decision| decision != Decision::Delete;
    let is_image = |index: &usize| {
        let verdict = &package.verdicts[*index];
        verdict.role == Role::Root && verdict.version.own_tags().next().is_some()
    };
    let all: Vec<usize> = (0..package.verdicts.len()).collect();
    let tagged: Vec<usize> = all.iter().copied().filter(is_image).collect();
    let none_left = |of: &[usize]| !of.is_empty() && !of.iter().any(|index| stays(package.verdicts[*index].decision));
    let (candidates, reason) = if none_left(&tagged) {
        (tagged, Reason::LastTaggedImage)
    } else if none_left(&all) {
        (all, Reason::LastVersion)
    } else {
        return;
    };
    let newest = candidates
        .into_iter()
        .min_by(|left, right| newest_first(&package.verdicts[*left].version, &package.verdicts[*right].version));
    if let Some(verdict) = newest.and_then(|index| package.verdicts.get_mut(index)) {
        verdict.decision = Decision::Retain;
        verdict.reason = reason;
    }
}

/// `max-deletions` over the whole run, `max-delete-percent` package by package. What GitHub would
/// refuse does not count.
pub(super) fn apply_guards(packages: &mut [PackagePlan], guards: Guards) {
    let deletions = |package: &PackagePlan| {
        package.verdicts.iter().filter(|verdict| verdict.decision == Decision::Delete).count() as u64
    };
    let total: u64 = packages.iter().map(deletions).sum();
    for package in packages {
        let (going, active) = (deletions(package), package.verdicts.len() as u64);
        if going == 0 || package.hold.is_some() {
            continue;
        }
        let percent = u64::from(guards.max_delete_percent);
        if let Some(most) = guards.max_deletions.filter(|most| total > *most) {
            package.hold = Some(Hold::Refused(format!(
                "max-deletions: the plan would delete {total} versions, more than {most}; nothing was deleted. If the \
                 plan is right, raise max-deletions, or set limit to go in steps"
            )));
        } else if going * 100 > percent * active {
            package.hold = Some(Hold::Refused(format!(
                "max-delete-percent: the plan would delete {going} of {active} versions, more than {percent} %; \
                 nothing of the package was deleted. If the plan is right, raise max-delete-percent, or set limit to \
                 go in steps"
            )));
        }
    }
}
