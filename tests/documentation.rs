//! What the README and `action.yml` say is what the binary does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

mod runner;
mod simulator;

use runner::Step;
use simulator::{GitHub, Simulator};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The first words in code marks of a table's rows below a heading.
fn table_names(readme: &str, heading: &str) -> Vec<String> {
    let section = readme.split(heading).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.map(|row| row.split(" | ").next().unwrap_or_default());
    first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The keys of a mapping of a YAML file, in its order.
fn keys(text: &str, mapping: &str) -> Vec<String> {
    let body = text.split(&format!("\n{mapping}:\n")).nth(1).unwrap_or_else(|| panic!("no {mapping}"));
    let lines = body.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let keys = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    keys.map(|line| line.trim().trim_end_matches(':').to_owned()).collect()
}

#[test]
fn the_action_has_the_inputs_of_the_binary_and_three_defaults() {
    let text = read("action.yml");
    let action = yaml(&text);
    let names: Vec<_> = tidy_packages::inputs::ALL.iter().map(|input| input.name.to_owned()).collect();
    assert_eq!(keys(&text, "inputs"), names);
    for name in &names {
        let input = &action["inputs"][name];
        let has_default = input.get("default").is_some();
        assert_eq!(has_default, ["token", "owner", "api-url"].contains(&name.as_str()), "{name}");
        let description = input["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.') && description.len() > 20, "{name}: {description}");
    }
    assert_eq!(action["runs"]["using"], "docker");
    // a release's tag has the image by its digest
    let image = action["runs"]["image"].as_str().unwrap_or_default();
    assert!(image == "Dockerfile" || (image.starts_with("docker://") && image.contains("@sha256:")), "{image}");
}

#[test]
fn what_the_documents_point_at_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pointers =
        regex::Regex::new(r"\]\(([^)#]+)[^)]*\)|`((?:src|tests|docs|benches|examples|\.github|\.ci)/[\w./-]+)`")
            .unwrap();
    let mut seen = 0;
    for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/design.md", "docs/performance.md"]
    {
        let text = read(name);
        for found in pointers.captures_iter(&text) {
            let (link, path) = (found.get(1).map(|it| it.as_str()), found.get(2).map(|it| it.as_str()));
            let target = match (link, path) {
                (Some(link), _) if link.contains("://") => continue,
                (Some(link), _) => root.join(name).parent().unwrap().join(link),
                (None, path) => root.join(path.unwrap()),
            };
            assert!(target.exists(), "{name} points at {}", target.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_readme_has_every_output_of_the_action() {
    let outputs = keys(&read("action.yml"), "outputs");
    assert_eq!(outputs.len(), 14);
    let readme = read("README.md");
    let section = readme.split("\n## Outputs\n").nth(1).expect("the outputs");
    for output in outputs {
        assert!(
            section.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{output}`"))),
            "{output}"
        );
    }
}

#[test]
fn the_readme_has_every_input_in_order_with_its_default() {
    let readme = read("README.md");
    let names: Vec<_> = tidy_packages::inputs::ALL.iter().map(|input| input.name.to_owned()).collect();
    assert_eq!(table_names(&readme, "\n## Inputs\n"), names);
    for input in tidy_packages::inputs::ALL.iter().filter(|input| !input.default.is_empty()) {
        let names_it =
            |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{}`", input.name)));
        let row = readme.split("\n## Inputs\n").nth(1).and_then(|section| section.lines().find(names_it));
        assert!(row.is_some_and(|row| row.contains(&format!("| `{}` |", input.default))), "{}", input.name);
    }
}

#[test]
fn every_example_of_the_readme_is_accepted_by_the_binary() {
    let readme = read("README.md");
    let blocks: Vec<_> = readme.split("```yaml\n").skip(1).filter_map(|block| block.split("\n```").next()).collect();
    assert!(blocks.len() >= 9);
    let mut steps = 0;
    for block in blocks {
        for inputs in with_of_every_job(block) {
            steps += 1;
            let simulator = Simulator::start(GitHub::new());
            // a runner puts the secret and the number of the pull request in their places
            let given = inputs.iter().filter(|(_, value)| !value.contains("${{ secrets"));
            let given = given.map(|(name, value)| (name, value.replace("${{ github.event.number }}", "42")));
            let step = given.fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, &value));
            if let Some(path) = inputs.get("from-report") {
                let report = an_empty_report(simulator.url());
                fs::write(step.workspace().join(path), report.to_string()).expect("a report");
            }
            let ended = step.run();
            // the inputs are fine when GitHub is asked: this one knows no token
            assert!(ended.log.contains("401: Bad credentials"), "{block}\n{}", ended.log);
        }
    }
    assert!(steps >= 10);
}

/// What a run leaves behind that found no package.
fn an_empty_report(api_url: &str) -> Value {
    serde_json::json!({
        "schema": 1, "tool": "tidy-packages 0.1.0", "mode": "delete", "dry_run": true, "status": "complete",
        "owner": "octo-org", "api_url": api_url, "repository": null, "run_id": null, "now": null,
        "started_at": "2026-11-23T04:23:00Z", "finished_at": "2026-11-23T04:23:07Z", "inputs": {}, "packages": [],
        "counts": {"selected": 0, "deleted": 0, "untagged": 0, "restored": 0, "retained": 0, "failed": 0, "skipped": 0,
            "kept": 0},
    })
}

/// Every `with:` of a piece of a workflow, for each job of its matrix.
fn with_of_every_job(block: &str) -> Vec<BTreeMap<String, String>> {
    let workflow = yaml(block);
    let matrix = workflow["jobs"].as_object().and_then(|jobs| jobs.values().next());
    let matrix = matrix.map(|job| job["strategy"]["matrix"]["include"].clone()).unwrap_or_default();
    let Some(jobs) = matrix.as_array() else { return with_of(&workflow) };
    let in_place = |text: &str, job: &Value| {
        let values = job.as_object().expect("a job of the matrix").iter();
        values.fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{{ matrix.{name} }}}}"), value.as_str().expect("a text"))
        })
    };
    let of_job = |job: &Value| {
        let steps = with_of(&workflow).into_iter();
        steps
            .map(|step| step.into_iter().map(|(name, value)| (name, in_place(&value, job))).collect())
            .collect::<Vec<_>>()
    };
    jobs.iter().flat_map(of_job).collect()
}

/// Every `with:` in a piece of a workflow, as text the way a runner hands it over.
fn with_of(node: &Value) -> Vec<BTreeMap<String, String>> {
    match node {
        Value::Object(object) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let with = object.get("with").and_then(Value::as_object);
            let with = with.map(|with| with.iter().map(|(name, value)| (name.clone(), text(value))).collect());
            with.into_iter().chain(object.values().flat_map(with_of)).collect()
        }
        Value::Array(items) => items.iter().flat_map(with_of).collect(),
        _ => Vec::new(),
    }
}

/// The inputs of other actions, as their own descriptions have them in 2026.
const ELSEWHERE: [(&str, &[&str]); 3] = [
    (
        "actions/delete-package-versions",
        &[
            "package-version-ids",
            "owner",
            "package-name",
            "package-type",
            "num-old-versions-to-delete",
            "min-versions-to-keep",
            "ignore-versions",
            "delete-only-pre-release-versions",
            "delete-only-untagged-versions",
            "token",
        ],
    ),
    (
        "snok/container-retention-policy",
        &[
            "account",
            "token",
            "cut-off",
            "image-names",
            "image-tags",
            "skip-shas",
            "tag-selection",
            "keep-n-most-recent",
            "timestamp-to-use",
            "dry-run",
            "rust-log",
        ],
    ),
    (
        "dataaxiom/ghcr-cleanup-action",
        &[
            "token",
            "owner",
            "repository",
            "package",
            "packages",
            "expand-packages",
            "delete-tags",
            "tags",
            "exclude-tags",
            "delete-untagged",
            "keep-n-untagged",
            "keep-n-tagged",
            "delete-ghost-images",
            "delete-partial-images",
            "delete-orphaned-images",
            "older-than",
            "use-regex",
            "dry-run",
            "validate",
            "registry-url",
            "github-api-url",
            "log-level",
        ],
    ),
];

/// What stands in code marks.
fn marked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_input_of_other_actions_has_its_place_and_what_stands_for_it_is_understood() {
    let readme = read("README.md");
    let section = readme.split("## Coming from another action").nth(1).expect("the section");
    let simulator = Simulator::start(GitHub::new());
    for (action, inputs) in ELSEWHERE {
        let table =
            section.split(&format!("<summary>{action}")).nth(1).and_then(|rest| rest.split("</details>").next());
        let rows = table.unwrap_or_else(|| panic!("no {action}")).lines().filter(|line| line.starts_with("| "));
        let rows: Vec<_> = rows.skip(2).map(|row| row.split(" | ").collect::<Vec<_>>()).collect();
        let theirs: Vec<_> = rows.iter().flat_map(|row| marked(row[0])).collect();
        for input in inputs {
            let has_it = theirs.iter().any(|mark| mark.split(':').next() == Some(input));
            assert!(has_it, "{action}: {input} of {theirs:?}");
        }
        for row in &rows {
            let ours: Vec<_> = marked(row[1]).into_iter().filter_map(|mark| mark.split_once(": ")).collect();
            let selects = ours.iter().any(|(name, value)| *name == "tags" || *value == "untagged");
            let step = Step::new(simulator.url()).input("tags", if selects { "" } else { "pr-.*" });
            let step = ours.into_iter().fold(step, |step, (name, value)| step.input(name, value));
            let ended = step.run();
            assert!(ended.log.contains("401: Bad credentials"), "{row:?}\n{}", ended.log);
        }
    }
}

#[test]
fn the_commands_of_the_readme_are_those_of_ci() {
    let (readme, ci, aliases) = (read("README.md"), read(".ci/run"), read(".cargo/config.toml"));
    assert!(readme.contains("\ncargo demo ") && ci.contains(" cargo demo\n") && aliases.contains("demo = "));
    assert!(readme.contains("\ncargo test ") && ci.contains(" cargo test --locked\n"));
}

#[test]
fn the_log_in_the_readme_has_the_form_of_a_real_one() {
    use simulator::{Token, images};
    let packages = "platform-a 90 · release[v1.0] 90 -> platform-a,platform-b · signature[sha256-release.sig] 90 · \
                    merged[pr-42] 40 -> platform-a,platform-b,attested · first[pr-41] 60 · lost 50 · young[pr-57] 2";
    let github = GitHub::new().organization("octo-org").token(runner::TOKEN, Token::workflow()).package(
        "octo-org",
        "container",
        "app",
        images(packages),
    );
    let simulator = Simulator::start(github);
    let step = Step::new(simulator.url()).inputs("tag-status=any tags=pr-.* older-than=14d concurrency=1");
    let ended = step.without("GITHUB_ACTIONS").run();
    // what differs from day to day: moments, dates and ids
    let moments = regex::Regex::new(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?|id \d+").expect("a pattern");
    let form = |text: &str| moments.replace_all(text.trim(), "_").into_owned();
    let readme = read("README.md");
    let shown = readme.split("```text\n").nth(1).and_then(|block| block.split("\n```").next()).expect("a log");
    assert_eq!(form(&ended.log), form(shown), "{}", ended.log);
}
