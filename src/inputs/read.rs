//! From text to meaning: every input by itself first, then the ones that contradict one another.

use std::{path::PathBuf, rc::Rc};

use jiff::SignedDuration;
use reqwest::Url;
use secrecy::SecretString;

use super::{
    Complaint, Context, Environment, Guards, IfMissing, Inputs, Pace, PackageSelection, PartialMatch, Rules, Sweeps,
    TagPattern, TagStatus, Target, VersionReference, beside_report, contradictions, duration,
    packages::{self, packages},
    raw::{self, ALL, RawInputs},
    tag_pattern::{compile, impossible_in_a_tag},
    value,
};
use crate::{
    manifest::is_digest,
    model::PackageType,
    report::{Mode, Report},
};

/// Where complaints are collected while everything is read.
#[derive(Debug, Default)]
pub(super) struct Complaints(pub(super) Vec<Complaint>);

impl Complaints {
    pub(super) fn add(&mut self, input: &str, message: impl Into<String>) {
        self.0.push(Complaint::new(input, message));
    }

    /// Reads an input that was given; what does not read is complained of.
    pub(super) fn read<T>(
        &mut self,
        input: &str,
        text: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(text?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.add(input, message);
                None
            }
        }
    }
}

/// The inputs that the meaning of others depends on.
#[derive(Debug)]
pub(super) struct Wider {
    pub(super) target: Target,
    pub(super) partial_match: Option<PartialMatch>,
    /// The `delete-*-images` and `delete-empty-package` that are true.
    pub(super) also: Vec<&'static str>,
}

/// Reads all inputs.
///
/// # Errors
///
/// Every complaint at once, in the order of the documentation, unknown inputs first.
pub fn read(environment: &Environment) -> Result<Inputs, Vec<Complaint>> {
    let (mut given, unknown) = raw::given(environment);
    let mut complaints = Complaints(unknown);
    let earlier = beside_report::inherit(&mut given, &roots(environment), &mut complaints).map(Rc::new);
    let raw = raw::parse(&given, &mut complaints);
    given.remove("token");
    let inputs = meaning(environment, &raw, given, earlier, &mut complaints);
    let mut complaints = complaints.0;
    let place =
        |complaint: &Complaint| ALL.iter().position(|input| input.name == complaint.input).map(|place| place + 1);
    complaints.sort_by_key(|complaint| place(complaint).unwrap_or_default());
    match inputs {
        Some(inputs) if complaints.is_empty() => Ok(inputs),
        _ => Err(complaints),
    }
}

fn meaning(
    environment: &Environment,
    raw: &RawInputs,
    given: std::collections::BTreeMap<String, String>,
    earlier: Option<Rc<Report>>,
    complaints: &mut Complaints,
) -> Option<Inputs> {
    let token = token(raw.token.as_deref(), complaints);
    let modes = [("delete", Mode::Delete), ("restore", Mode::Restore), ("report", Mode::Report)];
    let told = complaints.read("mode", raw.mode.as_deref(), |text| value::word(text, &modes));
    let types = PackageType::ALL.map(|package_type| (package_type.as_str(), package_type));
    let package_type = complaints.read("package-type", raw.package_type.as_deref(), |text| value::word(text, &types));
    // what others depend on: a word that is wrong is complained of, and its default stands in
    let (mode, package_type) = (told.unwrap_or(Mode::Delete), package_type.unwrap_or(PackageType::Container));
    let wider = wider(raw, complaints);
    let owner = owner(environment, raw, complaints);
    let mut packages = packages(environment, raw, mode, package_type, &wider, complaints);
    let if_missing_words = [("fail", IfMissing::Fail), ("ignore", IfMissing::Ignore)];
    let if_missing =
        complaints.read("if-missing", raw.if_missing.as_deref(), |text| value::word(text, &if_missing_words));
    let mut rules = rules(raw, mode, package_type, &wider, complaints);
    // those of a report are not of this step
    rules.exclude_tags_set &= earlier.is_none();
    let guards = Guards {
        max_deletions: complaints
            .read("max-deletions", raw.max_deletions.as_deref(), |text| value::number(text, 0, u64::MAX)),
        max_delete_percent: complaints
            .read("max-delete-percent", raw.max_delete_percent.as_deref(), value::percent)
            .unwrap_or(100),
    };
    let pace = pace(raw, complaints);
    let dry_run = complaints.read("dry-run", raw.dry_run.as_deref(), value::truth).unwrap_or(false);
    let verify = complaints.read("verify", raw.verify.as_deref(), value::truth).unwrap_or(true);
    let roots = roots(environment);
    let report_file = match raw.report_file.as_deref().unwrap_or("tidy-packages.json") {
        "none" => None,
        path => complaints.read("report-file", Some(path), |text| value::path_below(text, &roots)),
    };
    let api = raw.api_url.clone().or_else(|| environment.get("GITHUB_API_URL").map(str::to_owned));
    let api = api.unwrap_or_else(|| "https://api.github.com".to_owned());
    let api_url = complaints.read("api-url", Some(&api), value::address);
    let registry_url = complaints.read("registry-url", raw.registry_url.as_deref(), value::address);
    let known_mode = told.or(raw.mode.is_none().then_some(mode));
    contradictions::find(raw, known_mode, package_type, &wider, &packages, &rules, complaints);
    let (token, owner, api_url) = (token?, owner?, api_url?);
    let registry_url = registry_url.or_else(|| registry_of(&api_url)).unwrap_or_else(|| api_url.clone());
    if let Some(earlier) = &earlier {
        packages::narrow(&mut packages, earlier, complaints);
        beside_report::fits(earlier, mode, &owner, &api_url, &registry_url, complaints);
    }
    let mut effective = effective(given, &owner, &packages, &api_url, &registry_url, &rules);
    if let Some(earlier) = earlier.as_ref().filter(|_| mode == Mode::Delete) {
        // what made the plan that is carried out
        let is_selection = |name: &str| beside_report::OF_THE_REPORT.contains(&name) && name != "from-report";
        let selection = earlier.inputs.iter().filter(|(name, _)| is_selection(name));
        effective.extend(selection.map(|(name, value)| (name.clone(), value.clone())));
    }
    Some(Inputs {
        token,
        mode,
        owner,
        package_type,
        packages,
        target: wider.target,
        earlier,
        if_missing: if_missing.unwrap_or(IfMissing::Fail),
        rules,
        guards,
        report_file,
        workspace: roots.into_iter().next().unwrap_or_default(),
        dry_run,
        verify,
        pace,
        api_url,
        registry_url,
        effective,
        context: Context {
            repository: environment.get("GITHUB_REPOSITORY").map(str::to_owned),
            run_id: environment.get("GITHUB_RUN_ID").map(str::to_owned),
            event_path: environment.get("GITHUB_EVENT_PATH").map(PathBuf::from),
        },
    })
}

/// The folders that files may lie in; relative paths start from the first.
fn roots(environment: &Environment) -> Vec<PathBuf> {
    let workspace = environment.get("GITHUB_WORKSPACE").map_or(environment.working_directory.clone(), PathBuf::from);
    std::iter::once(workspace).chain(environment.get("RUNNER_TEMP").map(PathBuf::from)).collect()
}

/// Any token GitHub accepts: only what no header can carry is refused.
fn token(text: Option<&str>, complaints: &mut Complaints) -> Option<SecretString> {
    let Some(text) = text else {
        complaints.add(
            "token",
            "it is empty. A secret that does not exist is empty, and so are secrets in a run from a fork or from \
             Dependabot; without the input, the job's own GITHUB_TOKEN is used",
        );
        return None;
    };
    if text.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
        return Some(SecretString::from(text));
    }
    complaints
        .add("token", "it holds a blank, a line break or another character that no token has: was it pasted whole?");
    None
}

/// A login: letters, digits, hyphens, and underscores (those of managed users).
fn owner(environment: &Environment, raw: &RawInputs, complaints: &mut Complaints) -> Option<String> {
    let Some(owner) = raw.owner.as_deref().or_else(|| environment.get("GITHUB_REPOSITORY_OWNER")) else {
        complaints.add("owner", "it is empty: give the login of the user or organization that owns the packages");
        return None;
    };
    let of_a_login = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if owner.bytes().all(of_a_login) {
        return Some(owner.to_owned());
    }
    let near = owner.trim_start_matches('@').split('/').find(|part| !part.is_empty() && part.bytes().all(of_a_login));
    let near = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
    complaints.add("owner", format!("{owner} is not a login{near}"));
    None
}

fn wider(raw: &RawInputs, complaints: &mut Complaints) -> Wider {
    let targets = [("versions", Target::Versions), ("packages", Target::Packages)];
    let partial = [("keep", PartialMatch::Keep), ("untag", PartialMatch::Untag)];
    let switches = [
        ("delete-ghost-images", &raw.delete_ghost_images),
        ("delete-partial-images", &raw.delete_partial_images),
        ("delete-orphaned-images", &raw.delete_orphaned_images),
        ("delete-empty-package", &raw.delete_empty_package),
    ];
    Wider {
        target: complaints
            .read("target", raw.target.as_deref(), |text| value::word(text, &targets))
            .unwrap_or(Target::Versions),
        partial_match: complaints
            .read("partial-match", raw.partial_match.as_deref(), |text| value::word(text, &partial)),
        also: switches
            .into_iter()
            .filter(|(name, text)| complaints.read(name, text.as_deref(), value::truth) == Some(true))
            .map(|(name, _)| name)
            .collect(),
    }
}

fn rules(raw: &RawInputs, mode: Mode, package_type: PackageType, wider: &Wider, complaints: &mut Complaints) -> Rules {
    let is_on = |name| wider.also.contains(&name);
    let is_container = package_type == PackageType::Container;
    let tags = raw.tags.as_deref().map(|text| patterns("tags", value::lines(text), is_container, complaints));
    let excluded: Option<Vec<&str>> = raw.exclude_tags.as_deref().map(|text| value::lines(text).collect());
    let exclude_tags = match excluded.as_deref() {
        Some(["none"]) => Vec::new(),
        Some(lines) => {
            if let Some(word) = lines.iter().find(|line| line.eq_ignore_ascii_case("none") && **line != "none") {
                complaints
                    .add("exclude-tags", format!("{word} is spelled none; a tag of that name is matched by ({word})"));
            }
            if lines.contains(&"none") {
                complaints.add(
                    "exclude-tags",
                    "none lifts the default and stands alone: leave it out, the patterns replace it",
                );
            }
            patterns("exclude-tags", lines.iter().copied(), is_container, complaints)
        }
        None if mode == Mode::Restore => Vec::new(),
        None => patterns("exclude-tags", ["latest"].into_iter(), is_container, complaints),
    };
    let statuses = [("tagged", TagStatus::Tagged), ("untagged", TagStatus::Untagged), ("any", TagStatus::Any)];
    let group_by = complaints.read("group-by", raw.group_by.as_deref(), |text| {
        let regex = compile(text).map_err(|error| format!("{text}: {error}"))?;
        if regex.captures_len() < 2 {
            return Err(format!(
                "{text} captures nothing: put parentheses around what names the group, like ^v(\\d+\\.\\d+)\\."
            ));
        }
        Ok(regex)
    });
    let count = |text: &str| {
        value::number(text, 0, u64::MAX).and_then(|count| usize::try_from(count).map_err(|error| error.to_string()))
    };
    Rules {
        tags,
        exclude_tags_set: excluded.is_some_and(|lines| lines != ["none"]),
        exclude_tags,
        tag_status: complaints.read("tag-status", raw.tag_status.as_deref(), |text| value::word(text, &statuses)),
        older_than: complaints.read("older-than", raw.older_than.as_deref(), duration::parse),
        keep_latest: complaints.read("keep-latest", raw.keep_latest.as_deref(), count),
        group_by,
        version_ids: raw.version_ids.as_deref().map(|text| version_ids(text, package_type, complaints)),
        untagged_grace: complaints
            .read("untagged-grace", raw.untagged_grace.as_deref(), duration::parse)
            .unwrap_or(SignedDuration::from_hours(24)),
        deleted_within: complaints.read("deleted-within", raw.deleted_within.as_deref(), duration::parse),
        partial_match: wider.partial_match.unwrap_or(PartialMatch::Keep),
        sweeps: Sweeps {
            ghosts: is_on("delete-ghost-images"),
            partials: is_on("delete-partial-images"),
            orphans: is_on("delete-orphaned-images"),
        },
        delete_empty_package: is_on("delete-empty-package"),
        limit: complaints.read("limit", raw.limit.as_deref(), count),
    }
}

fn patterns<'a>(
    input: &str,
    lines: impl Iterator<Item = &'a str>,
    is_container: bool,
    complaints: &mut Complaints,
) -> Vec<TagPattern> {
    let mut patterns = Vec::new();
    for line in lines {
        match TagPattern::new(line) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => complaints.add(input, format!("{line}: {error}")),
        }
        if let Some(character) = impossible_in_a_tag(line).filter(|_| is_container) {
            let hint = match character {
                ',' => ": write one pattern a line",
                _ => ", so it matches nothing",
            };
            complaints.add(input, format!("{line}: no tag of an image can hold {character:?}{hint}"));
        }
    }
    patterns
}

fn version_ids(text: &str, package_type: PackageType, complaints: &mut Complaints) -> Vec<VersionReference> {
    let has_digests = matches!(package_type, PackageType::Container | PackageType::Docker);
    let mut references = Vec::new();
    for item in value::items(text) {
        let reference = match value::number(item, 0, u64::MAX) {
            Ok(id) => VersionReference::Id(id),
            Err(_) if has_digests && is_digest(item) => VersionReference::Digest(item.to_owned()),
            Err(_) => {
                let form = if has_digests {
                    "write GitHub's number of the version, or its whole digest (sha256: and 64 hex digits); tags go into tags"
                } else {
                    "write GitHub's number of the version; its name goes into tags"
                };
                complaints.add("version-ids", format!("{item} is no id: {form}"));
                continue;
            }
        };
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    if value::items(text).next().is_none() {
        complaints.add("version-ids", "it names no version");
    }
    references
}

fn pace(raw: &RawInputs, complaints: &mut Complaints) -> Pace {
    let concurrency = complaints.read("concurrency", raw.concurrency.as_deref(), |text| value::number(text, 1, 90));
    let points = complaints.read("points-per-minute", raw.points_per_minute.as_deref(), value::points);
    Pace {
        concurrency: concurrency.and_then(|count| usize::try_from(count).ok()).unwrap_or(16),
        points_per_minute: points.unwrap_or(Some(900)),
        quota_reserve_percent: complaints
            .read("quota-reserve", raw.quota_reserve.as_deref(), value::percent)
            .unwrap_or(10),
        max_wait: complaints
            .read("max-wait", raw.max_wait.as_deref(), duration::parse)
            .unwrap_or(SignedDuration::from_mins(15)),
        time_limit: complaints.read("time-limit", raw.time_limit.as_deref(), duration::parse),
    }
}

/// The container registry that belongs to an API: `ghcr.io` on github.com, a host of its own on
/// GHE.com and on a server with subdomain isolation
/// (<https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry>).
/// A make-believe GitHub on this machine is both.
fn registry_of(api_url: &Url) -> Option<Url> {
    let host = api_url.host_str()?;
    let registry = match host.strip_prefix("api.") {
        Some("github.com") => "https://ghcr.io".to_owned(),
        Some(rest) if rest.ends_with(".ghe.com") => format!("https://containers.{rest}"),
        _ if api_url.scheme() == "http" => return Url::parse(&api_url.origin().ascii_serialization()).ok(),
        _ => format!("https://containers.{host}"),
    };
    Url::parse(&registry).ok()
}

/// Every input that holds, as text.
fn effective(
    given: std::collections::BTreeMap<String, String>,
    owner: &str,
    packages: &PackageSelection,
    api_url: &Url,
    registry_url: &Url,
    rules: &Rules,
) -> std::collections::BTreeMap<String, String> {
    let defaults = ALL.iter().filter(|input| !input.default.is_empty());
    let mut effective: std::collections::BTreeMap<_, _> =
        defaults.map(|input| (input.name.to_owned(), input.default.to_owned())).collect();
    if let ([only], false) = (rules.exclude_tags.as_slice(), rules.exclude_tags_set) {
        effective.insert("exclude-tags".to_owned(), only.text().to_owned());
    }
    let address = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    effective.insert("owner".to_owned(), owner.to_owned());
    effective.insert("packages".to_owned(), packages.names.join("\n"));
    effective.insert("api-url".to_owned(), address(api_url));
    effective.insert("registry-url".to_owned(), address(registry_url));
    effective.extend(given);
    effective.retain(|_, value| !value.is_empty());
    effective
}
