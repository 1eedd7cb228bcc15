//! The tables of the summary: one over all packages, one a package.

use std::collections::BTreeMap;

use super::page::Page;
use crate::{
    report::{Decision, Mode, Outcome, PackageReport, Report, VersionReport},
    tell::{
        plan::{headline, selected_by_image},
        text::{html, short_name, shorten, tag_list},
    },
};

/// Rows of the table over all packages.
const MOST_PACKAGES: usize = 1_000;
/// Rows of a package's table.
const MOST_ROWS: usize = 500;
/// A table of more rows is folded.
const MOST_OPEN_ROWS: usize = 25;
/// Messages of versions that were not done.
const MOST_MESSAGES: usize = 20;
/// Characters of a version's tags, and of a message.
const LONGEST_TAGS: usize = 160;
const LONGEST_TEXT: usize = 400;
/// What a table needs at least, to be begun at all: its heading and a few rows.
const LEAST_BYTES: usize = 8 * 1024;

/// A table over all packages, where there are several.
pub(super) fn overview(report: &Report, page: &mut Page) {
    if report.mode == Mode::Report || report.packages.len() < 2 || !page.fits(LEAST_BYTES) {
        return;
    }
    let (done, is_done): (&str, fn(&VersionReport) -> bool) = match (report.changes_nothing(), report.mode) {
        (true, _) => ("Selected", |version| version.decision.is_selected() && version.decision != Decision::Retain),
        (false, Mode::Restore) => ("Restored", is_done),
        (false, _) => ("Deleted", is_done),
    };
    page.force(&format!(
        "| Package | {done} | Retained | Failed | Skipped | Kept |\n| --- | --: | --: | --: | --: | --: |\n"
    ));
    let mut rows = 0;
    for package in report.packages.iter().take(MOST_PACKAGES) {
        let count =
            |wanted: &dyn Fn(&VersionReport) -> bool| package.versions.iter().filter(|version| wanted(version)).count();
        let row = format!(
            "| {} {}{} | {} | {} | {} | {} | {} |\n",
            package.package_type,
            html(&shorten(&package.name, 200)),
            if package.error.is_some() { " (see above)" } else { "" },
            count(&is_done),
            count(&|version| version.outcome == Some(Outcome::Retained)),
            count(&|version| matches!(version.outcome, Some(Outcome::Failed | Outcome::Unknown))),
            count(&|version| version.outcome == Some(Outcome::Skipped)),
            count(&|version| version.decision == Decision::Keep),
        );
        if !page.push(&row) {
            break;
        }
        rows += 1;
    }
    page.force("\n");
    if rows < report.packages.len() {
        page.force(&format!("… and {} more packages: the report file has all.\n\n", report.packages.len() - rows));
    }
}

fn is_done(version: &VersionReport) -> bool {
    matches!(version.outcome, Some(Outcome::Done | Outcome::Gone))
}

/// Whether a package has more to show than that all of it stays.
pub(super) fn has_something_to_show(package: &PackageReport) -> bool {
    !package.versions.is_empty() || package.decision.is_some()
}

/// What went and why, what stays and why. Tells whether there was room for it.
pub(super) fn package(report: &Report, package: &PackageReport, page: &mut Page) -> bool {
    if !page.fits(LEAST_BYTES) {
        return false;
    }
    let name = html(&shorten(&package.name, 200));
    page.force(&format!("### {} {name}\n\n{}.\n\n", package.package_type, headline(package, report.changes_nothing())));
    // of what a guard refuses, the package's error says all there is to say
    if !package.refused {
        not_done(package, page);
    }
    let mut selected = selected_by_image(package);
    selected.sort_by_key(|version| rank(version.outcome));
    if !selected.is_empty() {
        versions(report, package, &selected, page);
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for version in package.versions.iter().filter(|version| !version.decision.is_selected()) {
        *reasons.entry(&version.reason).or_default() += 1;
    }
    if !reasons.is_empty() {
        kept(reasons, page);
    }
    true
}

/// What did not come to what was decided, and what was answered: above the table, since messages
/// are long. Equal answers are told once.
fn not_done(package: &PackageReport, page: &mut Page) {
    let mut told: BTreeMap<(u8, &str), Vec<&VersionReport>> = BTreeMap::new();
    for version in &package.versions {
        if let Some(error) = &version.error {
            told.entry((rank(version.outcome), error)).or_default().push(version);
        }
    }
    let mut text = String::new();
    for ((_, error), versions) in told.iter().take(MOST_MESSAGES) {
        let who = match versions.as_slice() {
            [one] => html(&short_name(&one.name)),
            several => format!("{} versions", several.len()),
        };
        let outcome = versions.first().map(|version| outcome(version, package, false)).unwrap_or_default();
        text.push_str(&format!("- {who} {outcome}: {}\n", html(&shorten(error, LONGEST_TEXT))));
    }
    if told.len() > MOST_MESSAGES {
        text.push_str(&format!("- … and {} more: the report file has all\n", told.len() - MOST_MESSAGES));
    }
    if !text.is_empty() {
        page.push(&format!("{text}\n"));
    }
}

/// What needs a look comes first.
fn rank(outcome: Option<Outcome>) -> u8 {
    match outcome {
        Some(Outcome::Failed) => 0,
        Some(Outcome::Unknown) => 1,
        Some(Outcome::Retained) => 2,
        Some(Outcome::Skipped) => 3,
        Some(Outcome::Planned | Outcome::Done | Outcome::Gone) | None => 4,
    }
}

fn versions(report: &Report, package: &PackageReport, selected: &[&VersionReport], page: &mut Page) {
    // a version string is its own only tag: a column of the same again says nothing
    let with_tags = package.versions.iter().any(|version| version.tags != [version.name.clone()]);
    let fold = selected.len() > MOST_OPEN_ROWS;
    if fold {
        page.force(&format!("<details><summary>{} versions, one by one</summary>\n\n", selected.len()));
    }
    let (tags, line) = if with_tags { ("Tags | ", "--- | ") } else { ("", "") };
    page.force(&format!(
        "| Version | {tags}Last change | Why | Outcome | Id |\n| --- | {line}--- | --- | --- | --: |\n"
    ));
    let mut rows = 0;
    for version in selected.iter().take(MOST_ROWS) {
        if !page.push(&row(report, package, version, with_tags)) {
            break;
        }
        rows += 1;
    }
    page.force("\n");
    if rows < selected.len() {
        page.force(&format!("… and {} more: the report file has all.\n\n", selected.len() - rows));
    }
    if fold {
        page.force("</details>\n\n");
    }
}

fn row(report: &Report, package: &PackageReport, version: &VersionReport, with_tags: bool) -> String {
    let tags = match (with_tags, version.tags.is_empty()) {
        (false, _) => String::new(),
        (true, true) => "*untagged* | ".to_owned(),
        (true, false) => format!("{} | ", html(&shorten(&tag_list(&version.tags), LONGEST_TAGS))),
    };
    let day = version.updated_at.max(version.created_at);
    let day = day.map(|day| day.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    format!(
        "| {} | {tags}{day} | {} | {} | {} |\n",
        html(&short_name(&version.name)),
        html(&shorten(&version.reason, LONGEST_TEXT)),
        outcome(version, package, report.changes_nothing()),
        version.id,
    )
}

fn outcome(version: &VersionReport, package: &PackageReport, changes_nothing: bool) -> &'static str {
    match (version.outcome, version.decision) {
        (Some(Outcome::Retained), _) => "**retained**",
        _ if package.refused => "refused",
        (Some(Outcome::Gone), _) => "gone already",
        (Some(Outcome::Skipped), _) => "skipped",
        (_, Decision::Restore) if changes_nothing => "would come back",
        (_, Decision::Untag) if changes_nothing => "would lose tags",
        (Some(Outcome::Done), Decision::Untag) => "tags taken off",
        _ if changes_nothing => "would go",
        (Some(Outcome::Done), Decision::Restore) => "restored",
        (Some(Outcome::Done), _) => "deleted",
        (Some(Outcome::Failed), _) => "**failed**",
        (Some(Outcome::Unknown), _) => "**unknown**",
        (Some(Outcome::Planned) | None, _) => "",
    }
}

fn kept(reasons: BTreeMap<&str, u64>, page: &mut Page) {
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(right.0)));
    let total: u64 = reasons.iter().map(|(_, count)| count).sum();
    page.force(&format!(
        "<details><summary>{total} {}, and why</summary>\n\n| Versions | Why |\n| --: | --- |\n",
        if total == 1 { "stays" } else { "stay" }
    ));
    let mut rows = 0;
    for (reason, count) in reasons.iter().take(MOST_ROWS) {
        if !page.push(&format!("| {count} | {} |\n", html(&shorten(reason, LONGEST_TEXT)))) {
            break;
        }
        rows += 1;
    }
    page.force("\n");
    if rows < reasons.len() {
        page.force(&format!("… and {} more reasons: the report file has all.\n\n", reasons.len() - rows));
    }
    page.force("</details>\n\n");
}
