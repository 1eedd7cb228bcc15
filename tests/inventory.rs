//! `mode: report`: what there is, and nothing changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use serde_json::{Value, json};

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Simulator, Token, Version, images};

const IMAGES: &str = "V[v1] 400 -> va,vb · S[sha256-V.sig] 400 · R 50 subject V · G[g1] 20 -> !ga · \
                      H[h1] 20 -> ha,!hb · O[sha256-lost.sig] 20 · u 3 · P[pr-1] 3 -> J · J 3 -> pa,!pb";

fn world() -> GitHub {
    let mut github = GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages"]))
        .package("octo-org", "container", "app", images(IMAGES))
        .package("octo-org", "container", "other", images("w[v1] 100"))
        .package(
            "octo-org",
            "npm",
            "left-pad",
            ["1.0.0", "1.1.0"].map(|name| Version::new(name).days_old(10.0)).to_vec(),
        );
    github.conflicts =
        vec![json!({"id": 1, "name": "octo-org/app/image", "package_type": "docker", "visibility": "private"})];
    github
}

fn run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    let step = Step::new(simulator.url()).input("mode", "report");
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
}

fn of<'a>(report: &'a Value, package: &str) -> &'a Value {
    let packages = report["packages"].as_array().expect("packages");
    packages.iter().find(|it| it["name"] == package).unwrap_or_else(|| panic!("no {package}"))
}

/// The first tags, or the start of the digests, of the versions with these ids.
fn named(package: &Value, kind: &str) -> Vec<String> {
    let ids = package["inventory"][kind].as_array().expect("ids");
    let mut names: Vec<_> = ids
        .iter()
        .map(|id| {
            let version = package["versions"].as_array().unwrap().iter().find(|it| it["id"] == *id).expect("a version");
            version["tags"][0].as_str().unwrap_or("untagged").chars().take(10).collect::<String>()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn an_inventory_counts_what_there_is_and_changes_nothing() {
    let simulator = Simulator::start(world());
    let ended = run(&simulator, &[("packages", "*")]);
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    assert!(simulator.changes().is_empty());
    assert_eq!((ended.count("selected"), ended.count("kept")), (0, 14));
    let report = ended.report();
    let app = of(&report, "app");
    let counts = ["tagged", "untagged", "children", "referrers", "roots"].map(|name| app["inventory"][name].clone());
    assert_eq!(counts, [4, 1, 5, 3, 6].map(|count| json!(count)), "{app:#}");
    assert_eq!(app["inventory"]["ages"], json!([4, 4, 1, 0, 4]));
    assert_eq!(named(app, "ghosts"), ["g1"]);
    assert_eq!(named(app, "partials"), ["h1", "untagged"]);
    assert_eq!(named(app, "orphans"), ["sha256-55f"]);
    // a tag of which the platform two levels below is gone cannot be pulled either
    assert_eq!(named(app, "broken"), ["g1", "h1", "pr-1"]);
    assert_eq!((&app["visibility"], &app["active"]), (&json!("public"), &json!(13)));
    assert_eq!(report["conflicts"], json!([{"name": "octo-org/app/image", "visibility": "private"}]));
    // the summary draws it, and says which input takes what
    for part in ["```mermaid\npie showData", "xychart-beta", "delete-ghost-images", "octo-org/app/image"] {
        assert!(ended.summary.contains(part), "{part}: {}", ended.summary);
    }
}

#[test]
fn an_inventory_tells_what_a_selection_would_take() {
    let simulator = Simulator::start(world());
    let inputs = [("packages", "app"), ("tags", "v1"), ("delete-ghost-images", "true"), ("older-than", "7d")];
    let ended = run(&simulator, &inputs);
    assert_eq!((ended.code, simulator.changes().len()), (Some(0), 0), "{}", ended.log);
    let dry = Step::new(simulator.url()).input("dry-run", "true");
    let dry = inputs.iter().fold(dry, |step, (name, value)| step.input(name, value)).run();
    let decided = |ended: &Ended| {
        let versions = ended.versions();
        versions.iter().map(|it| (it["id"].clone(), it["decision"].clone(), it["reason"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(decided(&ended), decided(&dry));
    assert_eq!(ended.count("selected"), dry.count("selected"));
    assert_eq!((ended.count("deleted"), ended.count("skipped")), (0, 0));
}

#[test]
fn other_types_need_no_names_and_have_no_parts() {
    let simulator = Simulator::start(world());
    let ended = run(&simulator, &[("package-type", "npm")]);
    assert_eq!((ended.code, ended.count("kept")), (Some(0), 2), "{}", ended.log);
    let inventory = of(&ended.report(), "left-pad")["inventory"].clone();
    assert_eq!((&inventory["tagged"], &inventory["roots"], &inventory["children"]), (&json!(2), &json!(2), &json!(0)));
    assert!(ended.report().get("conflicts").is_none(), "these are of the old Docker registry");
    let docker = run(&simulator, &[("package-type", "docker")]);
    assert_eq!(docker.report()["conflicts"][0]["name"], "octo-org/app/image", "{}", docker.log);
}

#[test]
fn content_that_images_share_is_counted_once() {
    let image = |label: &str, layers: &[(&str, u64)]| {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let layers: Vec<_> =
            layers.iter().map(|(name, size)| json!({"digest": simulator::digest_of(name), "size": size})).collect();
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": simulator::digest_of(label), "size": 1});
        let document = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
        Version::with_manifest(simulator::Manifest::new(media_type, &document))
    };
    let versions = vec![
        image("one", &[("base", 100), ("app", 10)]).tags(&["v1"]),
        image("two", &[("base", 100), ("other", 20)]),
        image("three", &[("base", 100), ("other", 20)]),
    ];
    let simulator = Simulator::start(world().package("octo-org", "container", "sized", versions));
    let ended = run(&simulator, &[("packages", "sized")]);
    let inventory = of(&ended.report(), "sized")["inventory"].clone();
    assert_eq!((&inventory["bytes"], &inventory["bytes_of_untagged"]), (&json!(133), &json!(22)), "{}", ended.log);
}

#[test]
fn what_cannot_be_asked_is_told_and_the_rest_is_counted() {
    let simulator = Simulator::start(world());
    let denied = Answer::error(403, "Forbidden");
    simulator.github().faults.push(Fault::on("GET", "/docker/conflicts", Effect::Answer(denied)));
    let ended = run(&simulator, &[("packages", "app")]);
    assert_eq!((ended.code, ended.count("kept")), (Some(0), 13), "{}", ended.log);
    assert!(ended.log.contains("::warning") && ended.log.contains("conflict"), "{}", ended.log);
    let unreadable = Effect::Answer(Answer::observed("denied-read"));
    simulator.github().faults.push(Fault::on("GET", "/v2/octo-org/app/manifests/", unreadable));
    let ended = run(&simulator, &[("packages", "app,other")]);
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
    assert!(ended.log.contains("what its images consist of is not known"), "{}", ended.log);
    assert_eq!(of(&ended.report(), "other")["inventory"]["tagged"], 1);
}

#[test]
fn no_name_of_a_package_ends_a_picture() {
    let name = "a\"b`c|<d>\n  \"x\" : 9";
    let versions = || ["1", "2"].map(Version::new).to_vec();
    let github = GitHub::new()
        .organization("octo-org")
        .token(TOKEN, Token::classic("octocat", &["read:packages"]))
        .package("octo-org", "npm", name, versions())
        .package("octo-org", "npm", "plain", versions());
    let simulator = Simulator::start(github);
    let ended = run(&simulator, &[("package-type", "npm")]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.summary.contains("  \"a_b_c__d__  _x_ _ 9\" : 2\n"), "{}", ended.summary);
}
