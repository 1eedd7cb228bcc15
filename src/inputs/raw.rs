//! The inputs as text: which there are, and which were given.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Complaint, environment::Environment, nearest::nearest, read::Complaints};

/// An input of the action.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// Its name in a workflow.
    pub name: &'static str,
    /// What holds if it is not given; empty where nothing does, or where it depends.
    pub default: &'static str,
}

const fn input(name: &'static str, default: &'static str) -> Input {
    Input { name, default }
}

/// Every input, in the order of the documentation.
pub const ALL: [Input; 35] = [
    input("token", ""),
    input("mode", "delete"),
    input("owner", ""),
    input("package-type", "container"),
    input("packages", ""),
    input("if-missing", "fail"),
    input("target", "versions"),
    input("tags", ""),
    input("exclude-tags", ""),
    input("tag-status", ""),
    input("older-than", ""),
    input("keep-latest", ""),
    input("group-by", ""),
    input("version-ids", ""),
    input("untagged-grace", "24h"),
    input("partial-match", "keep"),
    input("delete-ghost-images", "false"),
    input("delete-partial-images", "false"),
    input("delete-orphaned-images", "false"),
    input("delete-empty-package", "false"),
    input("limit", ""),
    input("max-deletions", ""),
    input("max-delete-percent", "100"),
    input("deleted-within", ""),
    input("from-report", ""),
    input("report-file", "tidy-packages.json"),
    input("dry-run", "false"),
    input("verify", "true"),
    input("concurrency", "16"),
    input("points-per-minute", "900"),
    input("quota-reserve", "10%"),
    input("max-wait", "15m"),
    input("time-limit", ""),
    input("api-url", ""),
    input("registry-url", ""),
];

/// What the runner itself sets for container actions.
const OF_THE_RUNNER: [&str; 2] = ["args", "entrypoint"];

/// The inputs that were given, as text; blank means not given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RawInputs {
    pub(super) token: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) package_type: Option<String>,
    pub(super) packages: Option<String>,
    pub(super) if_missing: Option<String>,
    pub(super) target: Option<String>,
    pub(super) tags: Option<String>,
    pub(super) exclude_tags: Option<String>,
    pub(super) tag_status: Option<String>,
    pub(super) older_than: Option<String>,
    pub(super) keep_latest: Option<String>,
    pub(super) group_by: Option<String>,
    pub(super) version_ids: Option<String>,
    pub(super) untagged_grace: Option<String>,
    pub(super) partial_match: Option<String>,
    pub(super) delete_ghost_images: Option<String>,
    pub(super) delete_partial_images: Option<String>,
    pub(super) delete_orphaned_images: Option<String>,
    pub(super) delete_empty_package: Option<String>,
    pub(super) limit: Option<String>,
    pub(super) max_deletions: Option<String>,
    pub(super) max_delete_percent: Option<String>,
    pub(super) deleted_within: Option<String>,
    pub(super) from_report: Option<String>,
    pub(super) report_file: Option<String>,
    pub(super) dry_run: Option<String>,
    pub(super) verify: Option<String>,
    pub(super) concurrency: Option<String>,
    pub(super) points_per_minute: Option<String>,
    pub(super) quota_reserve: Option<String>,
    pub(super) max_wait: Option<String>,
    pub(super) time_limit: Option<String>,
    pub(super) api_url: Option<String>,
    pub(super) registry_url: Option<String>,
}

/// The inputs that were given by name, the token among them, and what is no input at all.
pub(super) fn given(environment: &Environment) -> (BTreeMap<String, String>, Vec<Complaint>) {
    let (given, mut complaints) = environment.inputs();
    let known: Vec<&str> = ALL.iter().map(|input| input.name).collect();
    let mut values = BTreeMap::new();
    for input in given {
        // only the runner's own spelling is an input: another one beside it must not win
        let is_input = input.variable == format!("INPUT_{}", input.name.to_ascii_uppercase());
        if is_input && known.contains(&input.name.as_str()) {
            if !input.value.is_empty() && values.insert(input.name.clone(), input.value).is_some() {
                complaints.push(Complaint::new(&input.name, "it is set twice in the environment"));
            }
        } else if !OF_THE_RUNNER.contains(&input.name.as_str()) {
            let near = nearest(&input.name, &known).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
            let message = format!(
                "there is no such input.{near} It may also come from an `env:` of the job, the step or the workflow \
                 that sets {}: call that variable otherwise",
                input.variable
            );
            complaints.push(Complaint::new(&input.name, message));
        }
    }
    (values, complaints)
}

/// The same as fields.
pub(super) fn parse(values: &BTreeMap<String, String>, complaints: &mut Complaints) -> RawInputs {
    // envy only maps here: blanks and odd encodings, which it stumbles over, are gone already
    envy::from_iter(values.clone()).unwrap_or_else(|error| {
        complaints.add("inputs", error.to_string());
        RawInputs::default()
    })
}
