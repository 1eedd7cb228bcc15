//! What GitHub and a runner take from this repository: the action's description, its image, and the
//! workflows. The names are written out here: a workflow of a user holds them, so that neither
//! `action.yml` nor the binary may change one unnoticed.
#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{fmt, fs, marker::PhantomData, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};

const INPUTS: [&str; 35] = [
    "token",
    "mode",
    "owner",
    "package-type",
    "packages",
    "if-missing",
    "target",
    "tags",
    "exclude-tags",
    "tag-status",
    "older-than",
    "keep-latest",
    "group-by",
    "version-ids",
    "untagged-grace",
    "partial-match",
    "delete-ghost-images",
    "delete-partial-images",
    "delete-orphaned-images",
    "delete-empty-package",
    "limit",
    "max-deletions",
    "max-delete-percent",
    "deleted-within",
    "from-report",
    "report-file",
    "dry-run",
    "verify",
    "concurrency",
    "points-per-minute",
    "quota-reserve",
    "max-wait",
    "time-limit",
    "api-url",
    "registry-url",
];

/// Every other default is the binary's, so that set and unset can be told apart.
const DEFAULTS: [(&str, &str); 3] = [
    ("token", "${{ github.token }}"),
    ("owner", "${{ github.repository_owner }}"),
    ("api-url", "${{ github.api_url }}"),
];

const OUTPUTS: [&str; 14] = [
    "status",
    "selected",
    "deleted",
    "untagged",
    "restored",
    "retained",
    "failed",
    "skipped",
    "kept",
    "selected-versions",
    "deleted-versions",
    "restored-versions",
    "failed-versions",
    "report",
];

/// What GitHub allows; which icons exist, the schema check of `.ci/run` knows.
const COLORS: [&str; 9] = ["white", "black", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"];

/// Unknown keys are refused: neither `args` nor `env` may carry a token or a pattern to the binary.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    name: String,
    description: String,
    author: String,
    branding: Branding,
    inputs: Ordered<Input>,
    outputs: Ordered<Output>,
    runs: Runs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Branding {
    icon: String,
    color: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    description: String,
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    using: String,
    image: String,
}

#[derive(Deserialize)]
struct Workflow {
    permissions: Ordered<String>,
    jobs: Ordered<Job>,
}

#[derive(Deserialize)]
struct Job {
    permissions: Ordered<String>,
    #[serde(default)]
    steps: Vec<WorkflowStep>,
}

#[derive(Deserialize)]
struct WorkflowStep {
    uses: Option<String>,
    with: Option<Ordered<serde_json::Value>>,
}

/// A mapping in the order of its file.
struct Ordered<T>(Vec<(String, T)>);

impl<T> Ordered<T> {
    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn parsed<T: DeserializeOwned>(name: &str) -> T {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn action() -> Action {
    parsed("action.yml")
}

/// The paths of all workflows, the examples among them.
fn workflows() -> Vec<String> {
    let of = |folder: &'static str| {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder of workflows");
        files.map(move |entry| format!("{folder}/{}", entry.expect("a file").file_name().to_string_lossy()))
    };
    let paths: Vec<_> = of(".github/workflows").chain(of(".github/examples")).collect();
    assert!(paths.len() > 2);
    paths
}

#[test]
fn the_action_has_exactly_these_inputs_in_this_order() {
    assert_eq!(action().inputs.names(), INPUTS);
}

#[test]
fn three_inputs_carry_a_default_and_no_other() {
    let inputs = action().inputs.0;
    let defaults: Vec<_> =
        inputs.iter().filter_map(|(name, input)| Some((name.as_str(), input.default.as_deref()?))).collect();
    assert_eq!(defaults, DEFAULTS);
}

#[test]
fn the_action_has_exactly_these_outputs_in_this_order() {
    assert_eq!(action().outputs.names(), OUTPUTS);
}

#[test]
fn every_input_and_output_is_described_in_sentences() {
    let action = action();
    let inputs = action.inputs.0.iter().map(|(name, input)| (name, &input.description));
    let outputs = action.outputs.0.iter().map(|(name, output)| (name, &output.description));
    for (name, description) in inputs.chain(outputs) {
        assert!(description.len() > 20 && description.ends_with('.'), "{name}: {description:?}");
        assert!(!description.contains('\n'), "{name} is shown with a line break: {description:?}");
    }
}

#[test]
fn a_runner_builds_the_image_and_hands_it_nothing_but_the_inputs() {
    let runs = action().runs;
    assert_eq!((runs.using.as_str(), runs.image.as_str()), ("docker", "Dockerfile"));
}

#[test]
fn the_marketplace_accepts_the_name_and_the_branding() {
    let action = action();
    assert_eq!(action.name, "Tidy Packages");
    assert!(!action.author.is_empty());
    assert!(action.description.len() <= 125, "the Marketplace cuts it: {}", action.description);
    assert!(action.description.ends_with('.'));
    assert!(COLORS.contains(&action.branding.color.as_str()), "{}", action.branding.color);
    assert!(!action.branding.icon.is_empty());
}

#[test]
fn the_image_is_built_by_the_toolchain_of_the_tests() {
    let cargo = text("Cargo.toml");
    let version = cargo.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a version");
    let base = regex::Regex::new(&format!(r"\nFROM rust:{}-slim-\w+@sha256:[0-9a-f]{{64}} ", regex::escape(version)));
    assert!(base.expect("a pattern").is_match(&text("Dockerfile")), "Cargo.toml says {version}");
}

#[test]
fn workflows_and_their_jobs_say_which_rights_they_need() {
    for path in workflows() {
        let workflow: Workflow = parsed(&path);
        assert!(workflow.permissions.0.is_empty(), "{path}: no right for every job at once");
        for (name, job) in &workflow.jobs.0 {
            // a word for all rights (`write-all`) is no mapping and does not parse
            assert!(!job.permissions.0.is_empty(), "{path}: job {name}");
        }
    }
}

#[test]
fn workflows_pin_actions_by_commit_and_name_the_version() {
    let pinned =
        regex::Regex::new(r"uses: ([\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+|OWNER/tidy-packages@v1|\./)$")
            .expect("a pattern");
    for path in workflows() {
        let workflow: Workflow = parsed(&path);
        let steps = workflow.jobs.0.iter().flat_map(|(_, job)| &job.steps);
        let used = steps.filter(|step| step.uses.is_some()).count();
        let text = text(&path);
        let lines: Vec<_> = text.lines().filter(|line| line.contains("uses:")).collect();
        assert_eq!(lines.len(), used, "{path}: a `uses:` that is no step's");
        for line in lines {
            assert!(pinned.is_match(line), "{path}: {line}");
        }
    }
}

/// A checkout that keeps the token leaves it to everything that runs later in the job; zizmor takes `true` for meant.
#[test]
fn checkouts_keep_no_token() {
    for path in workflows() {
        let workflow: Workflow = parsed(&path);
        for step in workflow.jobs.0.iter().flat_map(|(_, job)| &job.steps) {
            if step.uses.as_ref().is_some_and(|uses| uses.starts_with("actions/checkout@")) {
                let with = step.with.iter().flat_map(|with| &with.0);
                let kept = with.filter(|(name, _)| name == "persist-credentials").map(|(_, value)| value);
                assert_eq!(kept.collect::<Vec<_>>(), [false], "{path}");
            }
        }
    }
}
