//! What bounds a plan as a whole: the limit of a run, and the guards.

use super::{Hold, PackagePlan, draft::Draft, newest_first, reason::Reason};
use crate::{inputs::Guards, report::Decision};

/// Retains the last image of every package, and holds back what is beyond `limit`: at most this
/// many images (or versions of other types) in the whole run, oldest first. What is retained takes
/// no place, or it would take one in every run.
pub(super) fn hold_back(drafts: &mut [Draft], limit: Option<usize>) {
    drafts.iter_mut().for_each(Draft::retain_last_image);
    let Some(limit) = limit else { return };
    let images = drafts.iter().enumerate();
    let mut images: Vec<_> =
        images.flat_map(|(number, draft)| draft.images().into_iter().map(move |place| (number, place))).collect();
    images.sort_by(|left, right| newest_first(drafts[right.0].version(right.1), drafts[left.0].version(left.1)));
    for (number, place) in images.into_iter().skip(limit) {
        drafts[number].withhold(place, Decision::Keep, Reason::Limit(limit));
    }
    drafts.iter_mut().for_each(|draft| draft.reconsider_last_image(limit));
}

/// `max-deletions` over the whole run, `max-delete-percent` package by package. What GitHub would
/// refuse does not count; a version that loses tags does.
pub(super) fn apply_guards(packages: &mut [PackagePlan], guards: Guards) {
    let deletions = |package: &PackagePlan| {
        let goes = |decision| matches!(decision, Decision::Delete | Decision::Untag);
        package.verdicts.iter().filter(|verdict| goes(verdict.decision)).count() as u64
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
