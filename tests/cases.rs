//! The worked cases of single images: versions, inputs, and what goes. `tests/images` has those of
//! images with parts.
//!
//! Each runs as a `container` and, where its rules allow it, as a legacy `docker` package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{Effect, Fault, GitHub, Simulator, Token, Version};

/// `name[tag,tag] days` for each version, separated by ` · `; without tags the version is untagged.
fn versions(state: &str, is_container: bool) -> Vec<Version> {
    let version = |text: &str| {
        let (label, days) = text.trim().rsplit_once(' ').expect("name[tags] days");
        let (name, tags) = label.split_once('[').expect("name[tags]");
        let tags: Vec<_> = tags.trim_end_matches(']').split(',').filter(|tag| !tag.is_empty()).collect();
        let version = if is_container { Version::image(name, &tags) } else { Version::new(name).tags(&tags) };
        version.days_old(days.parse().expect("days"))
    };
    state.split('·').map(version).collect()
}

fn world(package_type: &str, versions: Vec<Version>) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", package_type, "app", versions)
}

fn run(simulator: &Simulator, package_type: &str, inputs: &[(&str, &str)]) -> Ended {
    let step = Step::new(simulator.url()).input("package-type", package_type).input("packages", "app");
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
}

/// Checks which versions go, by their first tags (untagged ones by their names): in a dry run, and
/// then for real.
#[track_caller]
fn goes(state: &str, inputs: &[(&str, &str)], expected: &[&str]) {
    let containers_only = inputs.iter().any(|(name, _)| *name == "tag-status");
    let mut expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    let named = |digest_or_tag: &String| {
        let of = |name: &str| simulator::digest_of(name) == *digest_or_tag;
        let names = state.split('·').filter_map(|text| text.trim().split_once('[')).map(|(name, _)| name);
        names.into_iter().find(|name| of(name)).map_or(digest_or_tag.clone(), str::to_owned)
    };
    for package_type in ["container", "docker"] {
        if containers_only && package_type == "docker" {
            continue;
        }
        let simulator = Simulator::start(world(package_type, versions(state, package_type == "container")));
        let dry = run(&simulator, package_type, &[inputs, &[("dry-run", "true")]].concat());
        let mut planned: Vec<_> = dry.decided("delete").iter().map(named).collect();
        planned.sort();
        assert_eq!(planned, expected, "{package_type}: {}", dry.log);
        assert_eq!((dry.code, simulator.changes().len()), (Some(0), 0));

        let before = simulator.github().left("app");
        let live = run(&simulator, package_type, inputs);
        let after = simulator.github().left("app");
        let mut gone: Vec<_> = before.iter().filter(|name| !after.contains(name)).map(named).collect();
        gone.sort();
        assert_eq!(gone, expected, "{package_type}: {}", live.log);
        assert_eq!((live.code, live.count("deleted")), (Some(0), expected.len() as u64));
    }
}

#[test]
fn case_5_every_tag_must_match() {
    goes("X[pr-1,v1.0] 30 · Y[pr-2,pr-3] 30", &[("tags", "pr-.*")], &["pr-2"]);
}

#[test]
fn case_5_says_which_tags_hold_a_version() {
    let simulator = Simulator::start(world("docker", versions("X[pr-1,v1.0] 30 · Y[pr-2,pr-3] 30", false)));
    let ended = run(&simulator, "docker", &[("tags", "pr-.*")]);
    assert_eq!(ended.version("pr-1")["reason"], "only pr-1 matches tags, not v1.0");
    assert!(ended.log.contains("only pr-1 matches tags, not v1.0"), "{}", ended.log);
}

#[test]
fn case_10_the_pool_is_made_before_the_age_test() {
    goes(
        "i1[i1] 1 · u1[] 1 · u2[] 1 · i2[i2] 10 · u3[] 10 · i3[i3] 20",
        &[("tag-status", "tagged"), ("older-than", "7d"), ("keep-latest", "2")],
        &["i3"],
    );
}

#[test]
fn case_11_groups_have_their_own_newest() {
    goes(
        "a[v1.2.0] 70 · b[v1.2.1] 60 · c[v1.2.2] 50 · d[v1.2.3] 40 · e[v1.3.0] 30 · f[v1.3.1] 20 · g[v1.3.2] 10",
        &[("tags", "v.*"), ("group-by", r"^v(\d+\.\d+)\."), ("keep-latest", "1")],
        &["v1.2.0", "v1.2.1", "v1.2.2", "v1.3.0", "v1.3.1"],
    );
}

#[test]
fn what_no_group_catches_stays_ungrouped() {
    let state = "a[v1.2.0] 70 · b[v1.2.1] 60 · c[v-next] 50";
    let inputs = [("tags", "v.*"), ("group-by", r"^v(\d+\.\d+)\."), ("keep-latest", "1")];
    goes(state, &inputs, &["v1.2.0"]);
    let simulator = Simulator::start(world("docker", versions(state, false)));
    assert_eq!(run(&simulator, "docker", &inputs).version("v-next")["reason"], "ungrouped");
}

#[test]
fn case_12_a_guard_refuses_and_names_the_six() {
    let state = (0..10).map(|number| format!("n{number}[{}-{number}] 30", if number < 6 { "pr" } else { "v" }));
    let state = state.collect::<Vec<_>>().join(" · ");
    let simulator = Simulator::start(world("docker", versions(&state, false)));
    let ended = run(&simulator, "docker", &[("tags", "pr-.*"), ("max-delete-percent", "50")]);
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(1), "refused", 0));
    let named = (0..6).map(|number| format!("pr-{number}")).collect::<Vec<_>>();
    assert_eq!(ended.decided("delete"), named);
    assert!(named.iter().all(|name| ended.summary.contains(name)), "{}", ended.summary);
}

#[test]
fn case_15_gone_already_counts_as_done() {
    let vanish = Effect::Meanwhile(std::sync::Arc::new(|github: &mut GitHub| {
        github.package_mut("app").versions.retain(|version| !version.tags.contains(&"pr-1".to_owned()));
    }));
    let world = world("docker", versions("X[pr-1] 30 · Y[v1] 30", false));
    let simulator = Simulator::start(world.fault(Fault::on("DELETE", "/versions/", vanish).times(1)));
    let ended = run(&simulator, "docker", &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1));
    assert_eq!(ended.version("pr-1")["outcome"], "gone");
}

#[test]
fn cases_16_and_43_a_selection_of_everything_is_no_selection() {
    let simulator = Simulator::start(world("container", versions("X[v1] 90 · Y[pr-1] 90", true)));
    let wrong: [&[(&str, &str)]; 4] =
        [&[], &[("older-than", "30d")], &[("tags", "^a$,^b$")], &[("tag-status", "tagged")]];
    for inputs in wrong {
        let ended = run(&simulator, "container", inputs);
        assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{inputs:?}");
        assert!(ended.log.contains("::error"), "{inputs:?}");
    }
    assert!(simulator.requests().is_empty());
}

#[test]
fn case_17_the_last_tagged_image_stays() {
    goes("a[a] 9 · b[b] 3", &[("tags", ".*")], &["a"]);
    let simulator = Simulator::start(world("docker", versions("a[a] 9 · b[b] 3", false)));
    let ended = run(&simulator, "docker", &[("tags", ".*")]);
    assert_eq!(ended.version("b")["reason"], "last tagged image");
    assert_eq!((ended.count("selected"), ended.count("retained")), (2, 1));
}

#[test]
fn case_18_a_signature_is_no_image_and_no_tag_picks_it() {
    let signature = format!("{}.sig", simulator::digest_of("S").replace(':', "-"));
    let images = vec![Version::image("S", &["v1"]).days_old(9.0), Version::image("T", &[&signature]).days_old(3.0)];
    let simulator = Simulator::start(world("container", images));
    let ended = run(&simulator, "container", &[("tags", ".*"), ("dry-run", "true")]);
    assert!(ended.decided("delete").is_empty(), "{}", ended.log);
    assert_eq!(
        (ended.version("v1")["decision"].as_str(), ended.version(&signature)["role"].as_str()),
        (Some("retain"), Some("referrer"))
    );
}

#[test]
fn case_20_untagged_single_images_go() {
    let dummy = [("exclude-tags", "dummy"), ("untagged-grace", "0s")];
    let inputs = [&dummy[..], &[("tag-status", "untagged")]].concat();
    goes("dummy[dummy] 40 · S36[] 30 · S35[] 20 · S34[1.34] 10", &inputs, &["S36", "S35"]);
}

#[test]
fn case_26_latest_and_numbers_share_one_pool() {
    let inputs = [("exclude-tags", "dummy"), ("tags", "v1\\.\\d+\nlatest"), ("keep-latest", "2")];
    goes("dummy[dummy] 40 · S36[v1.0] 30 · S32[v1.1,latest] 20 · S33[v1.2] 10", &inputs, &["v1.0"]);
}

#[test]
fn case_40_any_protected_tag_protects() {
    let inputs = [("tags", ".*"), ("older-than", "100d"), ("exclude-tags", r"v2\.0\.6.*")];
    goes("A[default-a,v2.0.1] 120 · B[default-b,v2.0.6] 150 · C[patch,v1.9.2] 20", &inputs, &["default-a"]);
}

#[test]
fn case_41_many_tags_on_one_image_take_one_place() {
    let inputs = [("tag-status", "tagged"), ("keep-latest", "2"), ("exclude-tags", "none")];
    goes("a[1.5] 40 · b[1.6] 30 · c[1.7] 20 · d[1.8,release,nightly,latest] 10", &inputs, &["1.5", "1.6"]);
}

#[test]
fn case_42_what_is_protected_takes_no_place() {
    let state = "a[latest] 0.1 · b[production-v44] 3 · c[production-v43] 6 · d[production-v42] 11 · e[dev-v44] 2 · \
                 f[dev-v43] 5 · g[dev-v42] 10 · h[v44] 1 · i[v43] 12 · j[v42] 20";
    let inputs =
        [("tags", ".*"), ("exclude-tags", "(latest|production-.*)"), ("keep-latest", "1"), ("older-than", "7d")];
    goes(state, &inputs, &["dev-v42", "v43", "v42"]);
}

#[test]
fn case_44_any_takes_matching_and_untagged_ones() {
    goes("a[pr-1] 9 · b[] 9 · c[v1] 9", &[("tag-status", "any"), ("tags", "pr-.*")], &["pr-1", "b"]);
}

#[test]
fn case_45_a_pattern_that_protects_less_than_it_seems_to_is_told() {
    let state = "a[release-1.0] 9 · b[pr-1] 3";
    let inputs = [("tags", ".*"), ("exclude-tags", "release")];
    goes(state, &inputs, &["release-1.0"]);
    let simulator = Simulator::start(world("docker", versions(state, false)));
    let ended = run(&simulator, "docker", &inputs);
    let warning = ended.log.lines().find(|line| line.starts_with("::warning")).unwrap_or_default();
    assert!(
        warning.contains("release and so not release-1.0")
            || warning.contains("pattern release protects whole tags only, and so not release-1.0"),
        "{}",
        ended.log
    );
}

#[test]
fn the_grace_protects_what_was_just_pushed() {
    goes("a[] 0.5 · b[] 2 · c[v1] 9", &[("tag-status", "untagged")], &["b"]);
    goes("a[] 0.5 · b[] 2 · c[v1] 9", &[("tag-status", "untagged"), ("untagged-grace", "0s")], &["a", "b"]);
}

#[test]
fn near_misses_are_warned_about() {
    let state = "a[v1.2.3] 9 · b[latest] 3";
    for (inputs, says) in [
        (vec![("tags", "v1")], "the pattern v1 matches no whole tag, only a part of v1.2.3"),
        (vec![("tags", "v.*"), ("exclude-tags", "main")], "the pattern main matches no tag"),
        (vec![("tags", ".*"), ("exclude-tags", "none")], "a version tagged latest goes"),
    ] {
        let simulator = Simulator::start(world("docker", versions(state, false)));
        let ended = run(&simulator, "docker", &inputs);
        assert!(ended.log.contains(says), "{inputs:?}: {}", ended.log);
    }
}
