//! What holds beside the report of an earlier run: its own inputs, and of what is set now only what
//! adds protection. A report may have been changed by somebody, so that nothing of it tells where
//! the token goes.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::Url;

use super::{Complaint, duration, read::Complaints, value};
use crate::report::{
    Mode, Report,
    earlier::{self, Unusable},
};

/// What selected: the report's plan stands for it, so setting it to something else is an error.
pub(super) const OF_THE_REPORT: [&str; 15] = [
    "package-type",
    "target",
    "tags",
    "tag-status",
    "older-than",
    "keep-latest",
    "group-by",
    "version-ids",
    "partial-match",
    "delete-ghost-images",
    "delete-partial-images",
    "delete-orphaned-images",
    "delete-empty-package",
    "deleted-within",
    "from-report",
];

/// What holds as in the report unless it is set again.
const HOLDING: [&str; 7] =
    ["if-missing", "verify", "concurrency", "points-per-minute", "quota-reserve", "max-wait", "time-limit"];

/// Reads the report that `from-report` names, if it does, and adds its inputs to the given ones.
pub(super) fn inherit(
    given: &mut BTreeMap<String, String>,
    roots: &[PathBuf],
    complaints: &mut Complaints,
) -> Option<Report> {
    let path = complaints
        .read("from-report", given.get("from-report").map(String::as_str), |text| value::path_below(text, roots))?;
    let is_written = |file: &String| value::path_below(file, roots).is_ok_and(|file| file == path);
    if given.get("report-file").is_some_and(is_written) {
        complaints.add("from-report", "it is the report-file too: the report that is read must not be written");
        return None;
    }
    let report = match earlier::read(&path, roots) {
        Ok(report) => report,
        Err(Unusable::Unreadable(why)) => {
            complaints.add("from-report", format!("{why}. Was it downloaded to there, in a step before this one?"));
            return None;
        }
        Err(Unusable::Refused(why)) => {
            complaints.refuse(why);
            return None;
        }
    };
    let mode = given.get("mode").map_or("delete", String::as_str).to_owned();
    for name in OF_THE_REPORT.into_iter().filter(|name| *name != "from-report") {
        let of_report = report.inputs.get(name);
        if given.get(name).is_some_and(|value| of_report != Some(value)) {
            let was = of_report.map_or("not set".to_owned(), |value| value.replace('\n', ", "));
            complaints.add(name, format!("the report says what is meant, and there it was {was}: leave it out"));
        }
        given.remove(name);
    }
    if let Some(package) = report.packages.first() {
        given.insert("package-type".to_owned(), package.package_type.to_string());
    }
    for name in HOLDING {
        if let (Some(value), false) = (report.inputs.get(name), given.contains_key(name)) {
            given.insert(name.to_owned(), value.clone());
        }
    }
    if mode == "delete" {
        protect(given, &report.inputs, complaints);
        if let Some(target) = report.inputs.get("target") {
            given.insert("target".to_owned(), target.clone());
        }
    }
    Some(report)
}

/// Of what protects, the stricter of the two holds.
fn protect(given: &mut BTreeMap<String, String>, of_report: &BTreeMap<String, String>, complaints: &mut Complaints) {
    let is_plain = |text: &String| text != "none";
    let patterns = |of: &BTreeMap<String, String>| of.get("exclude-tags").cloned().filter(is_plain);
    let default = Some("latest".to_owned());
    let excluded = match (of_report.get("exclude-tags"), patterns(of_report), patterns(given)) {
        (None, ..) => [default, patterns(given)],
        (Some(_), of_report, given) => [of_report, given],
    };
    let excluded: Vec<_> = excluded.into_iter().flatten().collect();
    let excluded = if excluded.is_empty() { "none".to_owned() } else { excluded.join("\n") };
    given.insert("exclude-tags".to_owned(), excluded);
    let seconds = |text: &str| duration::parse(text).map(|span| span.as_secs());
    let number = |text: &str| value::number(text, 0, u64::MAX).map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let percent = |text: &str| value::percent(text).map(i64::from);
    stricter("untagged-grace", given, of_report, seconds, std::cmp::Ordering::Greater, complaints);
    stricter("max-deletions", given, of_report, number, std::cmp::Ordering::Less, complaints);
    stricter("max-delete-percent", given, of_report, percent, std::cmp::Ordering::Less, complaints);
}

fn stricter(
    name: &str,
    given: &mut BTreeMap<String, String>,
    of_report: &BTreeMap<String, String>,
    read: impl Fn(&str) -> Result<i64, String>,
    stricter_is: std::cmp::Ordering,
    complaints: &mut Complaints,
) {
    let Some(theirs) = of_report.get(name) else { return };
    match (read(theirs), given.get(name).map(|ours| read(ours))) {
        (Err(why), _) => complaints.refuse(format!("its input {name} does not read: {why}")),
        // what was given and does not read is complained of where it is read
        (Ok(_), Some(Err(_))) => {}
        (Ok(theirs), Some(Ok(ours))) if ours == theirs || ours.cmp(&theirs) == stricter_is => {}
        (Ok(_), _) => {
            given.insert(name.to_owned(), theirs.clone());
        }
    }
}

/// Refuses a report of something else than this step is about.
pub(super) fn fits(
    report: &Report,
    mode: Mode,
    owner: &str,
    api_url: &Url,
    registry_url: &Url,
    complaints: &mut Complaints,
) {
    let address = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    if !report.owner.eq_ignore_ascii_case(owner) {
        complaints.refuse(format!("it is of the packages of {}, and owner is {owner}", report.owner));
    }
    if report.api_url != address(api_url) {
        complaints.refuse(format!("it was made against {}, and api-url is {}", report.api_url, address(api_url)));
    }
    let of_report = report.inputs.get("registry-url");
    if let Some(theirs) = of_report.filter(|theirs| **theirs != address(registry_url)) {
        let ours = address(registry_url);
        complaints.refuse(format!("it was made with the registry {theirs}, and registry-url is {ours}: set it alike"));
    }
    if report.mode != Mode::Delete {
        let (found, wanted) = (report.mode.as_str(), mode.as_str());
        complaints.refuse(format!(
            "it is of a run with mode: {found}, and mode: {wanted} needs the report of a run (or a dry run) with mode: \
             delete"
        ));
    }
}

impl Complaints {
    /// That the report of `from-report` is not one to act on.
    fn refuse(&mut self, why: String) {
        let message = format!("the report is refused: {why}. Nothing was changed");
        self.0.push(Complaint { refuses: true, ..Complaint::new("from-report", message) });
    }
}
