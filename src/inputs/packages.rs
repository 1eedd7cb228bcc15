//! Which packages are meant: names, patterns, and what is taken away.

use super::{
    Environment, Glob, PackageSelection, Target,
    raw::RawInputs,
    read::{Complaints, Wider},
    value,
};
use crate::{
    model::PackageType,
    report::{Mode, Report},
};

/// Reads the input `packages`, or what stands in for it.
pub(super) fn packages(
    environment: &Environment,
    raw: &RawInputs,
    mode: Mode,
    package_type: PackageType,
    wider: &Wider,
    complaints: &mut Complaints,
) -> PackageSelection {
    let is_container = package_type == PackageType::Container;
    let mut selection = PackageSelection::default();
    let Some(text) = raw.packages.as_deref() else {
        let stands_in = is_container && wider.target == Target::Versions && raw.from_report.is_none();
        let repository = environment.get("GITHUB_REPOSITORY").and_then(|repository| repository.split_once('/'));
        match repository.map(|(_, name)| name.to_lowercase()).filter(|name| stands_in && !name.is_empty()) {
            Some(name) => selection.names.push(name),
            None if raw.from_report.is_some() => {}
            // an inventory is of everything there is
            None if mode == Mode::Report && wider.target == Target::Versions => {
                selection.globs.extend(Glob::new("*"));
            }
            None => complaints.add("packages", format!("it is empty: name the {package_type} packages, one a line")),
        }
        return selection;
    };
    for item in value::items(text) {
        let (taken_away, pattern) = match item.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, item),
        };
        // names of containers are lower case on ghcr.io, whatever case the repository's name has
        let pattern = if is_container { pattern.to_lowercase() } else { pattern.to_owned() };
        if let Some(fault) = fault_of_name(&pattern) {
            complaints.add("packages", fault);
        } else if taken_away || pattern.contains(['*', '?']) {
            match Glob::new(&pattern) {
                Ok(glob) if taken_away => selection.taken_away.push(glob),
                Ok(glob) => selection.globs.push(glob),
                Err(error) => complaints.add("packages", format!("{pattern}: {error}")),
            }
        } else if !selection.names.contains(&pattern) {
            selection.names.push(pattern);
        }
    }
    if value::items(text).next().is_none() {
        complaints.add("packages", "it names no package");
    }
    if selection.names.is_empty() && selection.globs.is_empty() && !selection.taken_away.is_empty() {
        complaints.add(
            "packages",
            "there are only patterns that take away (!): say first what they are taken from, * for all",
        );
    }
    selection
}

fn fault_of_name(name: &str) -> Option<String> {
    let bare = name.strip_prefix("https://").unwrap_or(name);
    if let Some(rest) = bare.strip_prefix("ghcr.io/") {
        let near = rest.split_once('/').map_or(rest, |(_, name)| name);
        return Some(format!("{name} is an address, not the name of a package: did you mean {near}?"));
    }
    // a container's name is a path in the registry: no part of it may climb
    let climbs = name.split('/').any(|part| matches!(part, "." | ".."));
    let odd = name.is_empty() || climbs || name.chars().any(char::is_control) || name != bare;
    odd.then(|| format!("{name:?} is not the name of a package"))
}

/// Turns what was given beside a report into names of it: all of them, or those that it narrows to.
pub(super) fn narrow(selection: &mut PackageSelection, report: &Report, complaints: &mut Complaints) {
    let PackageSelection { names, globs, taken_away } = std::mem::take(selection);
    let has = |name: &str| report.packages.iter().any(|package| package.name == name);
    for name in names.iter().filter(|name| !has(name)) {
        complaints.add("packages", format!("{name} is no package of the report: beside from-report it only narrows"));
    }
    let all = names.is_empty() && globs.is_empty();
    let wanted = |name: &str| {
        let is_meant = all || names.iter().any(|named| named == name) || globs.iter().any(|glob| glob.is_match(name));
        is_meant && !taken_away.iter().any(|glob| glob.is_match(name))
    };
    selection.names = report.packages.iter().map(|package| package.name.clone()).filter(|name| wanted(name)).collect();
}
