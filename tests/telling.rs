//! What people and later steps read, with data that means no good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use proptest::prelude::*;
use serde_json::{Value, json};

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Simulator, Token, Version};

fn world(package_type: &str, versions: Vec<Version>) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", package_type, "app", versions)
}

/// Every table of a page has as many cells in each row as in its head, and no markup is open.
#[track_caller]
fn is_well_formed(summary: &str) {
    let mut columns = None;
    let mut fenced = false;
    for line in summary.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let cells = line.starts_with('|').then(|| line.matches('|').count());
        match (columns, cells) {
            (Some(columns), Some(cells)) => assert_eq!(cells, columns, "{line}"),
            _ => columns = cells,
        }
        let plain = line.replace("<details>", "").replace("</details>", "").replace("<summary>", "");
        let plain = plain.replace("</summary>", "").replace("<br>", "");
        assert!(!plain.contains('<'), "{line}");
    }
    assert!(!fenced);
    assert_eq!(summary.matches("<details>").count(), summary.matches("</details>").count());
}

/// No line starts a workflow command but our own.
#[track_caller]
fn starts_no_command(log: &str) {
    let ours = ["add-mask", "group", "endgroup", "debug", "error title=Tidy Packages", "warning title=Tidy Packages"];
    for line in log.lines() {
        assert!(!line.contains("##["), "{line}");
        if let Some(command) = line.trim_start().strip_prefix("::") {
            assert!(ours.iter().any(|name| command.starts_with(&format!("{name}::"))), "{line}");
        }
    }
}

fn hostile() -> Vec<&'static str> {
    vec![
        "::error::pwned",
        "\n::set-output name=a::b",
        "a\r\n::warning::b",
        "##[error]pwned",
        "a|b|c",
        "`code`",
        "<script>alert(1)</script>",
        "</details></table><h1>",
        "[link](https://example.com)",
        "![x](https://example.com/x.png)",
        "https://example.com www.example.com @octocat #1",
        "\u{202e}gpj.exe",
        "a\u{0}b\u{1b}[31m",
        "ghadelimiter_\nstatus=complete",
        "EOF\nstatus<<EOF",
        "'; mode: delete #",
        "```\n# heading",
        "*bold* _it_ ~~no~~ \\| \\",
        "$x^2$",
    ]
}

#[test]
fn hostile_names_tags_and_messages_are_only_ever_text() {
    let names = hostile();
    let versions = names
        .iter()
        .enumerate()
        .map(|(number, name)| Version::new(&format!("{number}")).tags(&[name]).id(1_000 + number as u64));
    let versions: Vec<_> = versions.chain([Version::new("last").tags(&["v1"]).days_old(1.0)]).collect();
    let message = names.join(" ");
    let refused = Effect::Answer(Answer::json(400, &json!({"message": message})));
    let github = world("docker", versions).fault(Fault::on("DELETE", "/versions/1003", refused));
    let simulator = Simulator::start(github);
    let ended = Step::new(simulator.url())
        .inputs("package-type=docker packages=app")
        .input("tags", "(?s).*")
        .input("exclude-tags", "v1")
        .run();
    assert_eq!((ended.code, ended.count("failed")), (Some(1), 1), "{}", ended.log);
    assert_eq!(ended.count("deleted"), names.len() as u64 - 1);
    starts_no_command(&ended.log);
    is_well_formed(&ended.summary);
    assert_eq!(ended.outputs.len(), 14, "no output but our own: {:?}", ended.outputs.keys());
    let told: Vec<_> = ended.json("selected-versions").as_array().cloned().unwrap_or_default();
    let told: Vec<_> = told.iter().map(|version| version["tags"][0].as_str().unwrap_or_default().to_owned()).collect();
    assert!(names.iter().all(|name| told.contains(&(*name).to_owned())), "outputs keep names as they are");
}

#[test]
fn a_hostile_package_name_and_owner_are_only_ever_text() {
    let name = "a`|<b>'\"*[x](y)";
    let two = vec![Version::new("1"), Version::new("2").days_old(1.0)];
    let simulator = Simulator::start(world("npm", Vec::new()).package("octo-org", "npm", name, two));
    let ended = Step::new(simulator.url()).inputs("package-type=npm tags=1").input("packages", "a*\nnone*").run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    starts_no_command(&ended.log);
    is_well_formed(&ended.summary);
}

fn many(count: usize) -> Ended {
    let versions = (0..count).map(|number| Version::image(&number.to_string(), &[&format!("{number:0>120}-pr")]));
    let simulator = Simulator::start(world("docker", versions.collect()));
    let inputs = "package-type=docker packages=app tags=.*-pr dry-run=true points-per-minute=0";
    Step::new(simulator.url()).inputs(inputs).run()
}

#[test]
fn twenty_thousand_versions_stay_within_the_runners_limits() {
    let ended = many(20_000);
    assert_eq!((ended.code, ended.count("selected")), (Some(0), 20_000), "{}", &ended.log[..2_000]);
    assert!(ended.summary.len() < 1024 * 1024, "{}", ended.summary.len());
    is_well_formed(&ended.summary);
    assert!(ended.summary.contains("… and 19500 more"));
    let array = ended.output("selected-versions");
    assert_eq!(ended.json("selected-versions").as_array().map(Vec::len), Some(500));
    assert!(array.len() <= 200 * 1024);
    assert_eq!(ended.report()["packages"][0]["versions"].as_array().map(Vec::len), Some(20_000));
}

#[test]
fn many_packages_stay_within_the_summary_and_the_rest_is_counted() {
    let long = "x".repeat(100);
    let github = (0..300).fold(world("npm", Vec::new()), |github, number| {
        let versions = (0..10).map(|version| Version::new(&format!("{version}-{long}"))).collect();
        github.package("octo-org", "npm", &format!("package-{number}-{long}"), versions)
    });
    let simulator = Simulator::start(github);
    let ended = Step::new(simulator.url())
        .inputs("package-type=npm packages=package-* tags=[0-8].* dry-run=true points-per-minute=0 concurrency=64")
        .run();
    assert_eq!((ended.code, ended.count("selected"), ended.count("kept")), (Some(0), 2_700, 300), "{}", ended.log);
    assert!(ended.summary.len() < 1024 * 1024);
    is_well_formed(&ended.summary);
}

#[test]
fn a_summary_with_little_room_is_still_whole() {
    for room in [200 * 1024, 110 * 1024, 96 * 1024, 1_000, 0] {
        let simulator =
            Simulator::start(world("npm", (0..600).map(|number| Version::new(&format!("1.{number}"))).collect()));
        let step = Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1.* dry-run=true");
        let summary = step.workspace().with_file_name("summary");
        std::fs::write(summary, "x".repeat(1024 * 1024 - room)).unwrap_or_else(|error| panic!("{error}"));
        let ended = step.run();
        assert!(ended.summary.len() <= 1024 * 1024, "{room}");
        is_well_formed(ended.summary.trim_start_matches('x'));
    }
}

#[test]
fn the_undo_steps_are_ones_that_work() {
    // with the report of the run, and without it
    for number in [1, 3] {
        let github = world("npm", vec![Version::new("1"), Version::new("2").days_old(1.0)])
            .token(TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]));
        let simulator = Simulator::start(github);
        let ended = Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1").run();
        let yaml: String =
            ended.summary.split("```").nth(number).unwrap_or_default().trim_start_matches("yaml").to_owned();
        let with: Value = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        let inputs = with["with"].as_object().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let undo = inputs.iter().fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, &text(value)));
        if let Some(path) = inputs.get("from-report") {
            std::fs::write(undo.workspace().join(text(path)), ended.report().to_string()).expect("a report");
        }
        let undone = undo.run();
        assert_eq!((undone.code, undone.count("restored")), (Some(0), 1), "{yaml}: {}", undone.log);
        let mut left = simulator.github().left("app");
        left.sort();
        assert_eq!(left, ["1", "2"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_tag_breaks_the_log_the_summary_or_the_outputs(tags in prop::collection::vec("(?s).{1,30}", 1..5)) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let versions = vec![Version::new("1").tags(&tags), Version::new("2").tags(&["v1"]).days_old(1.0)];
        let simulator = Simulator::start(world("docker", versions));
        let ended = Step::new(simulator.url()).inputs("package-type=docker packages=app").input("tags", "(?s).*").run();
        prop_assert_eq!(ended.outputs.len(), 14);
        starts_no_command(&ended.log);
        is_well_formed(&ended.summary);
    }
}
