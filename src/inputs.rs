//! What the user asked for: the `INPUT_*` variables of a step, read strictly, as typed values.
//!
//! Reading collects every complaint instead of stopping at the first, and needs no network:
//! a run with wrong inputs sends no request.

use std::{collections::BTreeMap, fmt, path::PathBuf, rc::Rc};

use jiff::SignedDuration;
use regex::Regex;
use reqwest::Url;
use secrecy::SecretString;

use crate::{
    model::PackageType,
    report::{Mode, Report},
};

mod beside_report;
mod contradictions;
mod duration;
mod environment;
mod nearest;
mod packages;
mod raw;
mod read;
mod tag_pattern;
mod value;

pub use environment::Environment;
pub use raw::{ALL, Input};
pub use read::read;
pub use tag_pattern::TagPattern;

/// Everything a run needs to know before it begins.
#[derive(Debug)]
pub struct Inputs {
    /// The token; nothing but the client exposes it.
    pub token: SecretString,
    /// What the run is for.
    pub mode: Mode,
    /// Login of the owner.
    pub owner: String,
    /// Which of the six.
    pub package_type: PackageType,
    /// Which packages; with a report, those of it that are meant.
    pub packages: PackageSelection,
    /// Whole packages or their versions.
    pub target: Target,
    /// The report of `from-report`, checked as far as that goes without asking GitHub.
    pub earlier: Option<Rc<Report>>,
    /// Whether a package that does not exist is an error.
    pub if_missing: IfMissing,
    /// What selects and protects versions.
    pub rules: Rules,
    /// What holds a plan back as a whole.
    pub guards: Guards,
    /// Where the report goes; `None` = no report.
    pub report_file: Option<PathBuf>,
    /// Everything but the change itself.
    pub dry_run: bool,
    /// Look again after a deletion.
    pub verify: bool,
    /// How fast to go.
    pub pace: Pace,
    /// Base of the API, without a slash at the end.
    pub api_url: Url,
    /// Base of the container registry.
    pub registry_url: Url,
    /// Every input that holds, by name, without the token: what was set, and the defaults.
    pub effective: BTreeMap<String, String>,
    /// The folder that relative paths start from.
    pub workspace: PathBuf,
    /// What is known of the workflow around.
    pub context: Context,
}

/// What is known of the workflow around.
#[derive(Debug, Default)]
pub struct Context {
    /// `owner/name` of the repository whose workflow this is.
    pub repository: Option<String>,
    /// The workflow run's number.
    pub run_id: Option<String>,
    /// The file with the event that started the workflow.
    pub event_path: Option<PathBuf>,
}

/// Something wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The input's name.
    pub input: String,
    /// What is wrong, and the nearest valid form.
    pub message: String,
    /// Whether the input itself is fine, and the report that it names is refused.
    pub refuses: bool,
}

impl Complaint {
    pub(crate) fn new(input: &str, message: impl Into<String>) -> Self {
        Self { input: input.to_owned(), message: message.into(), refuses: false }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "input `{}`: {}", self.input, self.message)
    }
}

/// The token alone, so that it can be masked before anything is said.
pub fn token(environment: &Environment) -> Option<SecretString> {
    environment.get("INPUT_TOKEN").map(SecretString::from)
}

/// Which packages of the owner are meant.
#[derive(Debug, Default)]
pub struct PackageSelection {
    /// Plain names, in the order given, each once.
    pub names: Vec<String>,
    /// Patterns with `*` and `?`, which also match `/`.
    pub globs: Vec<Glob>,
    /// What `!glob` takes away, from the names as well.
    pub taken_away: Vec<Glob>,
}

/// A pattern in which `*` stands for any characters and `?` for one, slashes too.
#[derive(Debug)]
pub struct Glob {
    text: String,
    regex: Regex,
}

impl Glob {
    /// Reads a pattern; every text is one.
    ///
    /// # Errors
    ///
    /// One that is too long.
    fn new(text: &str) -> Result<Self, String> {
        let escaped = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
        let regex = tag_pattern::compile(&format!("(?s)^(?:{escaped})$"))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The pattern as the user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a name is like it.
    pub fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

/// Whole packages or their versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Versions of packages.
    Versions,
    /// Packages with all their versions.
    Packages,
}

/// What a plain name that does not exist means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// That package fails.
    Fail,
    /// There is nothing to do.
    Ignore,
}

/// Which versions a container's rules speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagStatus {
    /// Those with tags of their own.
    Tagged,
    /// Those without any tag.
    Untagged,
    /// The tagged ones that `tags` picks, and the untagged ones.
    Any,
}

/// A version as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionReference {
    /// GitHub's number.
    Id(u64),
    /// `sha256:` and 64 hex digits.
    Digest(String),
}

impl fmt::Display for VersionReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(formatter, "{id}"),
            Self::Digest(digest) => formatter.write_str(digest),
        }
    }
}

/// What selects and protects versions. Everything here is used without any input or output.
#[derive(Debug)]
pub struct Rules {
    /// `tags`; `None` if unset.
    pub tags: Option<Vec<TagPattern>>,
    /// `exclude-tags`, or its default.
    pub exclude_tags: Vec<TagPattern>,
    /// Whether `exclude-tags` was set (and is not the default).
    pub exclude_tags_set: bool,
    /// `tag-status`; `None` if unset, which means tagged ones but selects nothing by itself.
    pub tag_status: Option<TagStatus>,
    /// `older-than`, never negative.
    pub older_than: Option<SignedDuration>,
    /// `keep-latest`.
    pub keep_latest: Option<usize>,
    /// `group-by`: has at least one capture.
    pub group_by: Option<Regex>,
    /// `version-ids`, each once.
    pub version_ids: Option<Vec<VersionReference>>,
    /// `untagged-grace`, never negative.
    pub untagged_grace: SignedDuration,
    /// `deleted-within` (restore only), never negative.
    pub deleted_within: Option<SignedDuration>,
    /// What becomes of a version of which only some tags match.
    pub partial_match: PartialMatch,
    /// Litter that is taken besides.
    pub sweeps: Sweeps,
    /// `delete-empty-package`.
    pub delete_empty_package: bool,
    /// `limit`: at most this many images in this run.
    pub limit: Option<usize>,
}

impl Rules {
    /// Whether anything selects versions, and does not just narrow.
    pub fn selects(&self) -> bool {
        self.tags.is_some() || self.tag_status.is_some() || self.version_ids.is_some() || self.sweeps.any()
    }
}

/// What becomes of a version of which only some tags match `tags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialMatch {
    /// It stays.
    Keep,
    /// These tags are taken off, and it stays with the others.
    Untag,
}

/// The kinds of litter that are taken besides what the filters pick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweeps {
    /// `delete-ghost-images`: indexes all of whose children are gone.
    pub ghosts: bool,
    /// `delete-partial-images`: indexes some of whose children are gone.
    pub partials: bool,
    /// `delete-orphaned-images`: referrers whose subject is gone.
    pub orphans: bool,
}

impl Sweeps {
    /// Whether anything is swept at all.
    pub fn any(self) -> bool {
        self.ghosts || self.partials || self.orphans
    }
}

/// What holds a plan back as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    /// `max-deletions` of the whole run.
    pub max_deletions: Option<u64>,
    /// `max-delete-percent` of a package's active versions.
    pub max_delete_percent: u8,
}

/// How fast to go.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests in flight to one host, 1 to 90.
    pub concurrency: usize,
    /// GitHub's secondary limit; `None` = unlimited (the input's `0`).
    pub points_per_minute: Option<u32>,
    /// Percent of the primary limit that is left for others.
    pub quota_reserve_percent: u8,
    /// Longest single wait for a rate limit to reset.
    pub max_wait: SignedDuration,
    /// How long after its start a run stops.
    pub time_limit: Option<SignedDuration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_names_and_nothing_of_it_is_a_pattern_but_stars_and_question_marks() {
        for (glob, name, expected) in [
            ("*", "app/worker", true),
            ("*", "", true),
            ("app", "app", true),
            ("app", "app/worker", false),
            ("app*", "my-app", false),
            ("app/*", "app", false),
            ("app/*", "app/a/b", true),
            ("a?p", "a/p", true),
            ("a?p", "ap", false),
            ("a?p", "a\u{e9}p", true),
            ("a.b", "axb", false),
            ("[ab]+(c|d)$", "[ab]+(c|d)$", true),
            ("[ab]+(c|d)$", "ac", false),
            (r"a\*", r"a\b", true),
            (r"a\*", "a*", false),
            ("App", "app", false),
            ("a*b", "a\nb", true),
        ] {
            let read = Glob::new(glob).unwrap();
            assert_eq!(read.is_match(name), expected, "{glob} and {name}");
            assert_eq!(read.text(), glob);
        }
    }
}
