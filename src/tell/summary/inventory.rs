//! What there is, as pictures and numbers (`mode: report`).
//!
//! Mermaid renders in job summaries
//! (<https://docs.github.com/get-started/writing-on-github/working-with-advanced-formatting/creating-diagrams>).

use super::page::Page;
use crate::{
    inventory::{AGES, Inventory},
    report::{PackageReport, Report},
    tell::text::{html, short_name, shorten, tag_list},
};

/// Packages that get a slice of their own; the others share one.
const MOST_SLICES: usize = 8;
/// Content of less than this is not drawn.
const LEAST_BYTES: u64 = 10_000_000;
/// Rows of the table of packages.
const MOST_ROWS: usize = 1_000;
/// Versions that are named as litter or broken, each, and characters of a name.
const MOST_NAMED: usize = 10;
const LONGEST_NAME: usize = 80;

/// Everything that a report of the mode of that name adds to the page.
pub(super) fn inventory(report: &Report, page: &mut Page) {
    let all: Vec<_> =
        report.packages.iter().filter_map(|package| Some((package, package.inventory.as_ref()?))).collect();
    if !all.is_empty() {
        table(&all, page);
        pictures(&all, page);
        all.iter().for_each(|(package, inventory)| findings(package, inventory, page));
    }
    if let Some(conflicts) = &report.conflicts {
        let names: Vec<_> =
            conflicts.iter().map(|conflict| html(&shorten(&conflict.name, LONGEST_NAME)).clone()).collect();
        page.push(&match names.as_slice() {
            [] => "No package of the old Docker registry is in conflict with its migration.\n\n".to_owned(),
            names => format!(
                "**In conflict with the migration from the Docker registry** (they could not move to the container \
                 registry, where something has their name): {}\n\n",
                list(names)
            ),
        });
    }
}

fn pictures(all: &[(&PackageReport, &Inventory)], page: &mut Page) {
    let sum = |count: fn(&Inventory) -> u64| all.iter().map(|(_, inventory)| count(inventory)).sum::<u64>();
    let kinds = [
        ("tagged", sum(|it| it.tagged)),
        ("parts of images", sum(|it| it.children)),
        ("signatures and attestations", sum(|it| it.referrers)),
        ("untagged", sum(|it| it.untagged)),
    ];
    pie("Versions by what they are", kinds.iter().map(|(name, count)| ((*name).to_owned(), *count)), page);
    let (bytes, untagged) = (sum(|it| it.bytes), sum(|it| it.bytes_of_untagged));
    // of less, whole megabytes say nothing
    let bytes = if bytes < LEAST_BYTES { 0 } else { bytes };
    let content = [("tagged images", bytes.saturating_sub(untagged)), ("nothing that is tagged", untagged.min(bytes))];
    let content = content.iter().map(|(name, bytes)| ((*name).to_owned(), megabytes(*bytes)));
    pie("Megabytes of content that belong to", content, page);
    let ages: Vec<u64> =
        (0..AGES.len()).map(|class| all.iter().filter_map(|(_, inventory)| inventory.ages.get(class)).sum()).collect();
    if ages.iter().any(|count| *count > 0) {
        let names: Vec<_> = AGES.iter().map(|(_, name)| format!("\"{name}\"")).collect();
        let counts: Vec<_> = ages.iter().map(u64::to_string).collect();
        page.push(&format!(
            "```mermaid\nxychart-beta\n  title \"Versions by age, up to\"\n  x-axis [{}]\n  y-axis \
             \"versions\" 0 --> {}\n  bar [{}]\n```\n\n",
            names.join(", "),
            ages.iter().max().copied().unwrap_or_default(),
            counts.join(", ")
        ));
    }
    if all.len() > 1 {
        let size = |(package, inventory): &(&PackageReport, &Inventory)| match bytes {
            0 => (plain(&package.name), package.versions.len() as u64),
            _ => (plain(&package.name), megabytes(inventory.bytes)),
        };
        let mut sizes: Vec<_> = all.iter().map(size).collect();
        sizes.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let others: u64 = sizes.iter().skip(MOST_SLICES).map(|(_, count)| count).sum();
        sizes.truncate(MOST_SLICES);
        sizes.push(("all others".to_owned(), others));
        pie(if bytes == 0 { "Versions by package" } else { "Megabytes by package" }, sizes.into_iter(), page);
    }
}

/// Whole ones; what there is at all is at least one.
fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// A pie; what is nothing gets no slice, and a pie of nothing is none.
fn pie(title: &str, slices: impl Iterator<Item = (String, u64)>, page: &mut Page) {
    let slices: String =
        slices.filter(|(_, count)| *count > 0).map(|(name, count)| format!("  \"{name}\" : {count}\n")).collect();
    if !slices.is_empty() {
        page.push(&format!("```mermaid\npie showData\n  title {title}\n{slices}```\n\n"));
    }
}

/// A name as Mermaid's quoted labels take it: nothing in it ends the label or the picture.
fn plain(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-._/@ ".contains(character);
    shorten(name, LONGEST_NAME).chars().map(|character| if is_plain(character) { character } else { '_' }).collect()
}

fn table(all: &[(&PackageReport, &Inventory)], page: &mut Page) {
    let mut text = String::from(
        "| Package | Visibility | Versions | Tagged | Parts | Referrers | Untagged | MB | Oldest | Newest | Litter | Broken |\n\
         | --- | --- | --: | --: | --: | --: | --: | --: | --- | --- | --: | --: |\n",
    );
    for (package, inventory) in all.iter().take(MOST_ROWS) {
        let day = |moment: Option<jiff::Timestamp>| {
            moment.map(|moment| moment.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
        };
        text.push_str(&format!(
            "| {} {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            package.package_type,
            html(&shorten(&package.name, LONGEST_NAME)),
            html(package.visibility.as_deref().unwrap_or_default()),
            package.versions.len(),
            inventory.tagged,
            inventory.children,
            inventory.referrers,
            inventory.untagged,
            if inventory.bytes == 0 { String::new() } else { megabytes(inventory.bytes).to_string() },
            day(inventory.oldest),
            day(inventory.newest),
            inventory.litter().count(),
            inventory.broken.len(),
        ));
    }
    if all.len() > MOST_ROWS {
        text.push_str(&format!("\n… and {} more packages: the report file has all.\n", all.len() - MOST_ROWS));
    }
    page.push(&format!("{text}\n"));
}

/// What somebody should look at, and which input takes it.
fn findings(package: &PackageReport, inventory: &Inventory, page: &mut Page) {
    let name = |id: &u64| {
        let version = package.versions.iter().find(|version| version.id == *id);
        version.map_or_else(String::new, |version| match version.tags.is_empty() {
            true => html(&short_name(&version.name)),
            false => html(&shorten(&tag_list(&version.tags), LONGEST_NAME)),
        })
    };
    let kinds = [
        (&inventory.broken, "cannot be pulled whole"),
        (&inventory.ghosts, "list images of which none is left (`delete-ghost-images`)"),
        (&inventory.partials, "list images of which some are left (`delete-partial-images`)"),
        (&inventory.orphans, "refer to what is gone (`delete-orphaned-images`)"),
        (&inventory.dangling, "are listed, and the registry does not know them"),
    ];
    let mut text = String::new();
    for (ids, what) in kinds.into_iter().filter(|(ids, _)| !ids.is_empty()) {
        let names: Vec<_> = ids.iter().take(MOST_NAMED + 1).map(name).collect();
        text.push_str(&format!("- {} {what}: {}\n", ids.len(), list(&names)));
    }
    if !text.is_empty() {
        let title = html(&shorten(&package.name, LONGEST_NAME));
        page.push(&format!("**{} {title}**\n\n{text}\n", package.package_type));
    }
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMED { format!("{shown} and more") } else { shown }
}
