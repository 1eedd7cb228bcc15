//! What bounds a plan as a whole: the limit of a run, and the guards.

use super::{Hold, PackagePlan, Verdict, draft::Draft, newest_first, reason::Reason};
use crate::{
    inputs::Guards,
    report::{Decision, Outcome},
};

/// Retains the last image of every package, and holds back what is beyond `limit`: at most this
/// many images (or versions of other types) in the whole run, oldest first. What is retained takes
/// no place, nor does a package that `max-delete-percent` refuses: it would take them in every run.
pub(super) fn hold_back(drafts: &mut [Draft], limit: Option<usize>, most_percent: u8) {
    let mut taking_part: Vec<&mut Draft> = drafts.iter_mut().collect();
    taking_part.iter_mut().for_each(|draft| draft.retain_last_image());
    let Some(limit) = limit else { return };
    loop {
        let images = taking_part.iter().enumerate();
        let mut images: Vec<_> =
            images.flat_map(|(number, draft)| draft.images().into_iter().map(move |place| (number, place))).collect();
        images.sort_by(|left, right| {
            newest_first(taking_part[right.0].version(right.1), taking_part[left.0].version(left.1))
        });
        for (number, place) in images.into_iter().skip(limit) {
            taking_part[number].withhold(place, Decision::Keep, Reason::Limit(limit));
        }
        taking_part.iter_mut().for_each(|draft| draft.reconsider_last_image(limit));
        let (allowed, refused): (Vec<_>, Vec<_>) =
            taking_part.into_iter().partition(|draft| !is_too_much(draft.changes(), draft.size(), most_percent));
        if refused.is_empty() {
            return;
        }
        taking_part = allowed;
        for draft in &mut taking_part {
            draft.release();
            draft.retain_last_image();
        }
    }
}

/// `max-delete-percent`: whether so many of these are a larger share.
fn is_too_much(going: usize, of: usize, most_percent: u8) -> bool {
    going as u64 * 100 > u64::from(most_percent) * of as u64
}

/// `max-deletions` over the whole run, `max-delete-percent` package by package. What GitHub would
/// refuse does not count; a version that loses tags does.
pub(super) fn apply_guards(packages: &mut [PackagePlan], guards: Guards) {
    let deletions = |package: &PackagePlan| package.verdicts.iter().filter(|verdict| verdict.is_to_do()).count();
    let total = packages.iter().map(deletions).sum::<usize>() as u64;
    for package in packages {
        let is_gone = |verdict: &&Verdict| matches!(verdict.settled, Some((Outcome::Gone, _)));
        let gone = package.verdicts.iter().filter(is_gone).count();
        let (going, active) = (deletions(package), package.verdicts.len() - gone);
        if going == 0 || package.hold.is_some() {
            continue;
        }
        let percent = guards.max_delete_percent;
        if let Some(most) = guards.max_deletions.filter(|most| total > *most) {
            package.hold = Some(Hold::Refused(format!(
                "max-deletions: the plan would delete {total} versions, more than {most}; nothing was deleted. If the \
                 plan is right, raise max-deletions, or set limit to go in steps"
            )));
        } else if is_too_much(going, active, percent) {
            package.hold = Some(Hold::Refused(format!(
                "max-delete-percent: the plan would delete {going} of {active} versions, more than {percent} %; \
                 nothing of the package was deleted. If the plan is right, raise max-delete-percent, or set limit to \
                 go in steps"
            )));
        }
    }
}
