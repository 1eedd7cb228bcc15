//! The plan, its progress and its end, in the log.

use std::collections::{BTreeMap, HashMap};

use jiff::SignedDuration;

use super::{
    log::Log,
    text::{counted, short_name, shorten, tag_list},
};
use crate::{
    inventory::Inventory,
    report::{Counts, Decision, Mode, Outcome, PackageReport, Report, Status, VersionReport},
};

/// The most lines of a kind that a package gets; the report has all.
const MOST_LINES: usize = 1_000;

/// Tells what will happen in a package and why.
pub fn plan(log: &Log, package: &PackageReport, changes_nothing: bool) {
    let selected = selected_by_image(package);
    let title = format!("{} {}: {}", package.package_type, package.name, headline(package, changes_nothing));
    let changes_nothing = changes_nothing || package.refused;
    log.group(&title);
    if let Some(inventory) = &package.inventory {
        log.line(&format!("  {}", contents(inventory)));
    }
    for version in selected.iter().take(MOST_LINES) {
        let part = if version.via.is_some() { "+ " } else { "" };
        log.line(&format!("  {:<8} {part}{} - {}", word(version, changes_nothing), label(version), version.reason));
    }
    more(log, selected.len(), "that go");
    let kept: Vec<_> = package.versions.iter().filter(|version| !version.decision.is_selected()).collect();
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    // which tags hold a version is different each time, and what the user wants to know
    let (partly, others): (Vec<_>, Vec<_>) = kept.into_iter().partition(|version| version.reason.starts_with("only "));
    for version in partly.iter().take(MOST_LINES) {
        log.line(&format!("  {:<8} {} - {}", "stays", label(version), version.reason));
    }
    more(log, partly.len(), "of which only some tags match");
    for version in others {
        *reasons.entry(&version.reason).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(MOST_LINES) {
        log.line(&format!("  {:<8} {count} - {reason}", "stays"));
    }
    more(log, reasons.len(), "reasons to stay");
    log.end_group();
}

/// What a package loses (or gets back), every image followed by its parts.
pub(super) fn selected_by_image(package: &PackageReport) -> Vec<&VersionReport> {
    let places: HashMap<u64, usize> =
        package.versions.iter().enumerate().map(|(place, version)| (version.id, place)).collect();
    let selected = package.versions.iter().enumerate().filter(|(_, version)| version.decision.is_selected());
    let mut selected: Vec<_> = selected.collect();
    let image =
        |place: usize, version: &VersionReport| version.via.and_then(|id| places.get(&id).copied()).unwrap_or(place);
    selected.sort_by_key(|(place, version)| (image(*place, version), version.via.is_some(), *place));
    selected.into_iter().map(|(_, version)| version).collect()
}

fn more(log: &Log, count: usize, of_what: &str) {
    if count > MOST_LINES {
        log.line(&format!("  … and {} more {of_what}: the report has all", count - MOST_LINES));
    }
}

/// What happens (or happened) in a package, in a few words.
pub(super) fn headline(package: &PackageReport, changes_nothing: bool) -> String {
    match (package.error.is_some() && package.versions.is_empty(), package.refused) {
        (true, _) => "could not be read".to_owned(),
        (false, true) => format!("refused: {}", what_happens(package, true)),
        (false, false) => what_happens(package, changes_nothing),
    }
}

fn what_happens(package: &PackageReport, changes_nothing: bool) -> String {
    let is_counted = |version: &VersionReport, decision| version.decision == decision && !version.is_settled;
    let count = |decision| package.versions.iter().filter(|version| is_counted(version, decision)).count();
    let total = package.versions.len();
    let versions = counted(total, "version");
    let is_planned = |version: &VersionReport| version.outcome == Some(Outcome::Planned);
    let is_over = package.versions.iter().any(|version| version.at.is_some());
    let (go, come, off) = match (changes_nothing, is_over, package.versions.iter().any(is_planned)) {
        (true, ..) => ("would go", "would come back", "would come off"),
        (false, true, false) => ("were to go", "were to come back", "were to come off"),
        _ => ("go", "come back", "come off"),
    };
    let (deleted, restored) = (count(Decision::Delete), count(Decision::Restore));
    let (retained, untagged) = (count(Decision::Retain), count(Decision::Untag));
    match (package.decision, changes_nothing) {
        (Some(Decision::Restore), true) => return "would come back as a whole".to_owned(),
        (Some(Decision::Restore), false) => return "comes back as a whole".to_owned(),
        (Some(_), true) => return format!("would go as a whole, with {versions}"),
        (Some(_), false) => return format!("goes as a whole, with {versions}"),
        (None, _) => {}
    }
    if deleted + restored + retained + untagged == 0 && package.inventory.is_some() {
        return format!("{versions}, of which nothing is selected");
    }
    if deleted + restored + retained + untagged == 0 {
        let why = if package.error.is_some() { "left alone" } else { "nothing to do" };
        return format!("{why}: {versions} as before");
    }
    let only_tags =
        package.versions.iter().filter(|version| version.is_there && is_counted(version, Decision::Restore));
    match (restored, only_tags.count()) {
        (0, _) => {}
        (_, 0) => return format!("{restored} of {total} deleted versions {come}"),
        (_, tags) => return format!("{} versions {come}, tags {come} to {tags}", restored - tags),
    }
    let mut text = format!("{deleted} of {total} versions {go}");
    if untagged > 0 {
        text.push_str(&format!(", tags {off} {untagged}"));
    }
    if retained > 0 {
        text.push_str(&format!(", {retained} more cannot"));
    }
    text
}

fn word(version: &VersionReport, changes_nothing: bool) -> &'static str {
    match (version.decision, changes_nothing) {
        _ if version.is_settled => {
            if version.outcome == Some(Outcome::Gone) {
                "is gone"
            } else {
                "skipped"
            }
        }
        (Decision::Retain, _) => "retained",
        (Decision::Restore, _) => "restore",
        (Decision::Untag, _) => "untag",
        (_, true) => "would go",
        _ => "goes",
    }
}

/// What is in a package, in a line.
fn contents(inventory: &Inventory) -> String {
    let Inventory { tagged, untagged, children, referrers, roots, oldest, newest, broken, .. } = inventory;
    let mut text = format!("{tagged} tagged, {untagged} untagged, {children} parts of images, {referrers} referrers");
    text.push_str(&format!("; {roots} roots"));
    if let (Some(oldest), Some(newest)) = (oldest, newest) {
        text.push_str(&format!("; {} to {}", oldest.strftime("%Y-%m-%d"), newest.strftime("%Y-%m-%d")));
    }
    text + &format!("; {} litter, {} broken", inventory.litter().count(), broken.len())
}

/// A version by its name, its tags where they say more, and its day.
fn label(version: &VersionReport) -> String {
    let name = short_name(&version.name);
    let tags = if version.tags == [version.name.clone()] {
        String::new()
    } else if version.tags.is_empty() {
        " [untagged]".to_owned()
    } else {
        format!(" [{}]", shorten(&tag_list(&version.tags), 200))
    };
    let day = version.updated_at.max(version.created_at);
    let day = day.map(|day| format!(" ({})", day.strftime("%Y-%m-%d"))).unwrap_or_default();
    format!("{name}{tags}{day}")
}

/// How far long work has come: done of total, rate, time left, quota left.
pub fn progress(done: usize, total: usize, spent: SignedDuration, quota_left: Option<u64>) -> String {
    let seconds = spent.as_secs_f64();
    let mut text = format!("progress: {done} of {total}");
    if done > 0 && seconds > 0.0 {
        let rate = done as f64 / seconds;
        let left = (total.saturating_sub(done)) as f64 / rate;
        text.push_str(&format!(", {:.0} a minute, about {} left", rate * 60.0, span(left)));
    }
    text + &quota(quota_left)
}

/// How far reading has come, which nobody knows the end of beforehand.
pub fn reading(of_api: u64, of_registry: u64, quota_left: Option<u64>) -> String {
    format!("reading: {of_api} requests to the API and {of_registry} to the registry so far{}", quota(quota_left))
}

fn quota(left: Option<u64>) -> String {
    left.map(|left| format!(", {left} requests left of GitHub's hourly limit")).unwrap_or_default()
}

fn span(seconds: f64) -> String {
    let minutes = seconds / 60.0;
    if minutes < 2.0 { format!("{seconds:.0} s") } else { format!("{minutes:.0} min") }
}

/// What a status means, in a sentence.
pub(super) fn status_sentence(report: &Report) -> &'static str {
    let Counts { selected, deleted, untagged, restored, failed, skipped, .. } = report.counts;
    match (report.status, report.changes_nothing()) {
        (Status::Complete, true) if report.mode == Mode::Report => "This is an inventory: nothing was changed.",
        (Status::Complete, true) => "This was a dry run: nothing was changed.",
        (Status::Complete, _) if selected == 0 => "There was nothing to do.",
        (Status::Complete, _) if selected == skipped => {
            "What was selected was skipped, each version for the reason beside it."
        }
        (Status::Complete, _) if skipped > 0 => {
            "What was skipped has its reason beside it; all else that was planned has been dealt with."
        }
        (Status::Complete | Status::Running, _) => "All that was planned has been dealt with.",
        (Status::Partial, _) => {
            "A rate limit or time-limit stopped the run. What was done stays done, and the next run goes on from there."
        }
        (Status::Refused, _) => "A guard held the run back: what was refused has not been touched.",
        (Status::Failed, _) if report.packages.is_empty() => "Nothing was changed.",
        (Status::Failed, true) => "Something failed; nothing was changed.",
        // what failed may have been done in part, or for all that is known
        (Status::Failed, false) if deleted + untagged + restored + failed == 0 => {
            "Something failed; nothing was changed."
        }
        (Status::Failed, false) if skipped > 0 => "Something failed; what does not depend on it was done.",
        (Status::Failed, false) => "Something failed; everything else was done.",
        (Status::Cancelled, _) => {
            "The run was cancelled. What was done stays done, and the next run goes on from there."
        }
    }
}

/// What happened, in one line.
pub(super) fn counts_sentence(report: &Report) -> String {
    let counts = report.counts;
    let mut parts = Vec::new();
    let mut part = |count: u64, word: &str| {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    };
    if report.changes_nothing() {
        let versions = report.packages.iter().flat_map(|package| &package.versions);
        let untagged = versions.filter(|version| version.decision == Decision::Untag).count() as u64;
        let verb = if report.mode == Mode::Restore { "would come back" } else { "would be deleted" };
        part(counts.selected - counts.retained - untagged, verb);
        part(untagged, "would lose tags");
    }
    part(counts.deleted, "deleted");
    part(counts.untagged, "untagged");
    part(counts.restored, "restored");
    part(counts.retained, "retained");
    part(counts.failed, "failed");
    part(counts.skipped, "skipped");
    part(counts.kept, if report.mode == Mode::Restore { "left as they are" } else { "kept" });
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

/// Tells the end of a run.
pub fn outcome(log: &Log, report: &Report) {
    // with nothing to count there may still be something that failed
    let is_told =
        !report.packages.is_empty() && (report.counts != Counts::default() || report.status != Status::Failed);
    let counts = if is_told { format!("{}. ", counts_sentence(report)) } else { String::new() };
    log.line(&format!("{}: {counts}{}", report.status.as_str(), status_sentence(report)));
    let deleted = report.packages.iter().flat_map(|package| &package.versions);
    let deleted =
        deleted.filter(|version| version.decision == Decision::Delete && version.outcome == Some(Outcome::Done));
    let undo = "GitHub keeps deleted versions for 30 days";
    match (deleted.count(), &report.path) {
        (0, Some(path)) if report.packages.is_empty() => log.line(&format!("the report: {path}")),
        (0, Some(path)) => log.line(&format!("every version and its reason: {path}")),
        (0, None) => {}
        (_, Some(path)) => log.line(&format!(
            "to undo: keep {path} as an artifact, and run with mode: restore and from-report: {path}; {undo}"
        )),
        (_, None) => log.line(&format!("to undo: {undo}; the summary has the step")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rate_time_and_quota() {
        let told = progress(60, 240, SignedDuration::from_secs(30), Some(812));
        assert_eq!(
            told,
            "progress: 60 of 240, 120 a minute, about 90 s left, 812 requests left of GitHub's hourly limit"
        );
        assert_eq!(progress(0, 240, SignedDuration::ZERO, None), "progress: 0 of 240");
        let told = reading(120, 900, Some(812));
        let expected = "reading: 120 requests to the API and 900 to the registry so far";
        assert_eq!(told, format!("{expected}, 812 requests left of GitHub's hourly limit"));
    }
}
