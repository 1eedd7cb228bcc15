//! The job summary: a page for the person who looks at a run, what matters first.
//!
//! GitHub-flavoured Markdown, at most 1 MiB in a step, or the runner drops the whole page
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary>).

use std::{fs, io, io::Write, path::Path};

use super::{
    plan::{counts_sentence, status_sentence},
    text::{html, printable, shorten},
};
use crate::report::{Decision, Mode, Outcome, PackageReport, Report, Status, VersionReport};

mod inventory;
mod page;
mod tables;

use page::Page;

/// What the runner takes from one step.
const MOST_BYTES: usize = 1024 * 1024;
/// Kept free for what ends the page: how to undo, the inputs, where the report is.
const TAIL_BYTES: usize = 96 * 1024;
/// Packages for which the step that undoes is written out.
const MOST_UNDO_PACKAGES: usize = 5;
/// Ids in such a step.
const MOST_UNDO_IDS: usize = 50;
/// Errors and warnings that are written out, each.
const MOST_NOTES: usize = 20;
/// Characters of an error or a warning.
const LONGEST_NOTE: usize = 2_000;
/// Characters of an input's value.
const LONGEST_INPUT: usize = 1_000;

/// Appends the page to the runner's file, within what other pages of the step have left.
///
/// # Errors
///
/// When the file cannot be written.
pub fn append(path: &Path, report: &Report) -> io::Result<()> {
    let taken = fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
    let text = render(report, MOST_BYTES.saturating_sub(taken));
    fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// Writes the page in at most `budget` bytes. It is whole at any size: what does not fit is
/// counted, and told to be in the report.
pub fn render(report: &Report, budget: usize) -> String {
    let mut page = Page::new(budget.saturating_sub(TAIL_BYTES.min(budget / 2)));
    head(report, &mut page);
    notes(report, &mut page);
    inventory::inventory(report, &mut page);
    tables::overview(report, &mut page);
    let mut left_out = 0;
    for package in report.packages.iter().filter(|package| tables::has_something_to_show(package)) {
        if !tables::package(report, package, &mut page) {
            left_out += 1;
        }
    }
    if left_out > 0 {
        page.force(&format!("… and {left_out} more packages: the report file has all.\n\n"));
    }
    let mut tail = Page::new(budget.saturating_sub(page.len()));
    undo(report, &mut tail);
    put_tags_back(report, &mut tail);
    inputs(report, &mut tail);
    if let Some(path) = &report.path {
        tail.push(&format!("Every version with its decision and reason: `{}`\n", printable(path).replace('`', "'")));
    }
    let whole = page.into_string() + &tail.into_string();
    // with hardly any room, what closes tables and folds may be too much already
    if whole.len() <= budget { whole } else { String::new() }
}

fn head(report: &Report, page: &mut Page) {
    let sign = match (report.status, report.changes_nothing()) {
        (Status::Complete | Status::Running, true) => "🔍",
        (Status::Complete | Status::Running, false) => "✅",
        (Status::Partial, _) => "⏳",
        (Status::Refused, _) => "🛡️",
        (Status::Failed, _) => "❌",
        (Status::Cancelled, _) => "⏹️",
    };
    page.push(&format!("## {sign} Tidy Packages: {}\n\n", title(report)));
    let mut facts = vec![status_sentence(report).to_owned()];
    if !report.owner.is_empty() {
        facts.push(format!("Packages of **{}**.", html(&report.owner)));
    }
    if let Some(now) = report.now {
        facts.push(format!("Ages count from {}.", now.strftime("%Y-%m-%d %H:%M UTC")));
    }
    page.push(&format!("{}\n\n", facts.join(" ")));
}

fn title(report: &Report) -> String {
    match (report.packages.is_empty(), report.errors.is_empty()) {
        (true, false) => "nothing was done".to_owned(),
        (true, true) => "no packages".to_owned(),
        (false, _) => counts_sentence(report),
    }
}

/// Errors and warnings, as alerts (<https://docs.github.com/get-started/writing-on-github>, "Alerts").
fn notes(report: &Report, page: &mut Page) {
    let of_packages = report.packages.iter().filter_map(|package| {
        let error = package.error.as_ref()?;
        Some((package.refused, format!("{} {}: {error}", package.package_type, package.name)))
    });
    let (refused, failed): (Vec<_>, Vec<_>) = of_packages.partition(|(refused, _)| *refused);
    let texts = |notes: Vec<(bool, String)>| notes.into_iter().map(|(_, text)| text);
    let errors: Vec<_> = report.errors.iter().cloned().chain(texts(failed)).collect();
    alert("CAUTION", &errors, page);
    alert("WARNING", &texts(refused).collect::<Vec<_>>(), page);
    alert("NOTE", &report.warnings, page);
}

fn alert(kind: &str, notes: &[String], page: &mut Page) {
    if notes.is_empty() {
        return;
    }
    let mut text = format!("> [!{kind}]\n");
    for note in notes.iter().take(MOST_NOTES) {
        let bullet = if notes.len() == 1 { "" } else { "- " };
        text.push_str(&format!("> {bullet}{}\n", html(&shorten(note, LONGEST_NOTE))));
    }
    if notes.len() > MOST_NOTES {
        text.push_str(&format!("> - … and {} more in the log\n", notes.len() - MOST_NOTES));
    }
    text.push('\n');
    page.push(&text);
}

/// The steps that bring back what went.
fn undo(report: &Report, page: &mut Page) {
    let done = |outcome| matches!(outcome, Some(Outcome::Done | Outcome::Unknown));
    let gone = |package: &PackageReport| -> Vec<u64> {
        let gone =
            package.versions.iter().filter(|version| version.decision == Decision::Delete && done(version.outcome));
        gone.map(|version| version.id).collect()
    };
    let packages: Vec<_> = report.packages.iter().map(|package| (package, gone(package))).collect();
    let packages: Vec<_> = packages.into_iter().filter(|(_, ids)| !ids.is_empty()).collect();
    if packages.is_empty() || report.mode != Mode::Delete {
        return;
    }
    page.push(
        "### Undo\n\nGitHub keeps deleted versions for 30 days. The same action brings them back with these inputs; the \
         token must be allowed to write the packages (`write:packages`, or the role Admin for `GITHUB_TOKEN`).\n\n",
    );
    if let Some(path) = &report.path {
        page.push(&format!(
            "With the report of this run, kept as an artifact: everything, whole images and tags too.\n\n{}",
            fenced(
                "yaml",
                &format!(
                    "with:\n  mode: restore\n  owner: {}\n  from-report: {}\n",
                    quoted(&report.owner),
                    quoted(path)
                )
            )
        ));
        page.force("<details><summary>Without the report, by ids</summary>\n\n");
    }
    for (package, ids) in packages.iter().take(MOST_UNDO_PACKAGES) {
        let mut yaml = format!(
            "with:\n  mode: restore\n  owner: {}\n  package-type: {}\n  packages: {}\n",
            quoted(&report.owner),
            package.package_type,
            quoted(&package.name)
        );
        if package.decision == Some(Decision::Delete) {
            yaml.push_str("  target: packages\n");
        } else {
            yaml.push_str("  version-ids: |\n");
            for id in ids.iter().take(MOST_UNDO_IDS) {
                yaml.push_str(&format!("    {id}\n"));
            }
        }
        if ids.len() > MOST_UNDO_IDS && package.decision.is_none() {
            yaml.push_str(&format!("    # and {} more: the report file has every id\n", ids.len() - MOST_UNDO_IDS));
        }
        page.push(&fenced("yaml", &yaml));
    }
    if packages.len() > MOST_UNDO_PACKAGES {
        page.push(&format!(
            "… and {} more packages: the report file has every id.\n\n",
            packages.len() - MOST_UNDO_PACKAGES
        ));
    }
    if report.path.is_some() {
        page.force("</details>\n\n");
    }
}

/// A block of code that nothing in it can end.
fn fenced(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run_of_backticks(text).max(2) + 1);
    format!("{fence}{language}\n{text}{fence}\n\n")
}

/// The commands that put tags back which were taken off: the images are there still.
fn put_tags_back(report: &Report, page: &mut Page) {
    let registry = report.inputs.get("registry-url").map(String::as_str).unwrap_or_default();
    let host = registry.trim_start_matches("https://").trim_start_matches("http://");
    let mut commands = Vec::new();
    for package in &report.packages {
        let image = format!("{host}/{}/{}", report.owner, package.name).to_lowercase();
        let is_untagged = |version: &&VersionReport| {
            version.decision == Decision::Untag && matches!(version.outcome, Some(Outcome::Done | Outcome::Failed))
        };
        for version in package.versions.iter().filter(is_untagged) {
            let tags = version.untag.iter().map(|tag| format!("--tag {image}:{tag} ")).collect::<String>();
            commands.push(format!("docker buildx imagetools create {tags}{image}@{}\n", printable(&version.name)));
        }
    }
    if commands.is_empty() {
        return;
    }
    let more = commands.len().saturating_sub(MOST_UNDO_IDS);
    let commands: String = commands.into_iter().take(MOST_UNDO_IDS).collect();
    page.push(&format!(
        "Tags that were taken off go back with the report too, or with:\n\n{}",
        fenced("sh", &commands)
    ));
    if more > 0 {
        page.push(&format!("… and {more} more versions: the report file has every tag.\n\n"));
    }
}

/// A YAML scalar that is text whatever it holds (YAML 1.2, single-quoted style).
fn quoted(text: &str) -> String {
    format!("'{}'", printable(text).replace('\'', "''"))
}

fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or_default()
}

fn inputs(report: &Report, page: &mut Page) {
    if report.inputs.is_empty() {
        return;
    }
    let mut text =
        String::from("<details><summary>The inputs of this run</summary>\n\n| Input | Value |\n| --- | --- |\n");
    for (name, value) in &report.inputs {
        let value = shorten(value, LONGEST_INPUT);
        let lines: Vec<_> = value.lines().map(html).collect();
        text.push_str(&format!("| {} | {} |\n", html(name), lines.join("<br>")));
    }
    text.push_str("\n</details>\n\n");
    page.push(&text);
}
