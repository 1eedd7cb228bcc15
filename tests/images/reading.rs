//! What is read, how often, and what happens when it cannot be.

use super::*;

#[test]
fn nothing_is_read_where_nothing_could_go() {
    for inputs in [
        &[("tags", "nothing-.*")][..],
        &[("tags", "v.*"), ("keep-latest", "5")],
        &[("tags", "v.*"), ("older-than", "200d")],
        &[("tags", "v.*"), ("exclude-tags", "v.*")],
        &[("tags", "v.*"), ("limit", "0")],
        &[("delete-ghost-images", "true"), ("older-than", "200d")],
    ] {
        let package = Package::new("I[v1] -> a,b · J[v2] -> c,d");
        package.goes(inputs);
        let registry = package.simulator.requests().into_iter().filter(|request| request.path.starts_with("/v2/"));
        assert_eq!(registry.count(), 0, "{inputs:?}");
    }
}

#[test]
fn twenty_kept_images_and_one_candidate_are_one_read_a_root() {
    let image =
        |number: u32| format!("I{number}[v{number}] {} -> a{number},b{number},c{number},d{number}", 100 - number);
    let state = (1..=20).map(image).chain(["P[pr-1] 2 -> pa,pb,pc,pd".to_owned()]).collect::<Vec<_>>().join(" · ");
    let package = Package::new(&state);
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["P", "pa", "pb", "pc", "pd"]);
    let pulls = package.simulator.pulls();
    assert_eq!((pulls.len(), pulls.values().sum::<u32>()), (21, 21));
}

#[test]
fn children_that_are_tagged_are_not_read_either() {
    let image = |number: u32| {
        format!("a{number}[v{number}-a] · b{number}[v{number}-b] · I{number}[v{number}] -> a{number},b{number}")
    };
    let state = (1..=5).map(image).chain(["P[pr-1]".to_owned()]).collect::<Vec<_>>().join(" · ");
    let package = Package::new(&state);
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["P"]);
    assert_eq!(package.simulator.pulls().values().sum::<u32>(), 6 + 2, "a long run is read from two places at once");
}

#[test]
fn ten_thousand_versions_are_at_most_1_3_reads_a_root() {
    for (minutes, concurrency) in [(0.0, "16"), (0.0, "90"), (7.0, "90"), (120.0, "16")] {
        let simulator = Simulator::start(world(attested_images(2_000, minutes)));
        let inputs =
            [("tag-status", "untagged"), ("older-than", "7d"), ("dry-run", "true"), ("concurrency", concurrency)];
        let ended = run(&simulator, &inputs);
        assert_eq!((ended.code, ended.count("selected")), (Some(0), 5_000), "{}", ended.log);
        let reads: u32 = simulator.pulls().values().sum();
        assert!(simulator.pulls().values().all(|count| *count == 1), "a manifest was read twice");
        assert!(
            (2_000..=2_600).contains(&reads),
            "{reads} reads of 2,000 roots ({minutes} minutes apart, {concurrency})"
        );
        println!("{reads} reads of 2,000 roots ({minutes} minutes apart, {concurrency} at a time)");
    }
}

#[test]
fn a_dangling_tag_stays_and_stops_nothing() {
    let package = Package::new("a[pr-1] · d[pr-2] · v[v1]");
    let dangling = package.digest("d");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == dangling {
            version.manifest = None;
        }
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("kept")), (Some(0), 1, 2), "{}", ended.log);
    assert_eq!(package.left(), ["d", "v"]);
    assert!(ended.log.contains("::warning") && ended.log.contains("knows no manifest"), "{}", ended.log);
    let asked = package.simulator.requests().into_iter().filter(|request| request.path.ends_with(&dangling));
    assert_eq!(asked.count(), 2, "it is asked for twice");
}

#[test]
fn what_is_dangling_needs_nothing() {
    let package = Package::new("d[pr-2] · R subject d · v[v1]");
    let dangling = package.digest("d");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == dangling {
            version.manifest = None;
        }
    }
    assert_eq!(package.goes(&UNTAGGED), ["R"]);
}

#[test]
fn a_manifest_of_a_kind_that_nobody_knows_is_a_leaf() {
    let media_type = "application/vnd.oci.artifact.manifest.v1+json";
    let artifact = |subject: &str| {
        Manifest::new(media_type, &serde_json::json!({"mediaType": media_type, "subject": {"digest": subject}}))
    };
    let mut versions = images("v[v1] · w[pr-1]");
    let subjects = ["v", "w", "gone"].map(simulator::digest_of);
    versions.extend(subjects.iter().map(|subject| Version::with_manifest(artifact(subject)).days_old(50.0)));
    let simulator = Simulator::start(world(versions));
    let ended = run(&simulator, &[("tag-status", "any"), ("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 3), "{}", ended.log);
    let kept = artifact(&subjects[0]).digest();
    assert_eq!(simulator.github().left("app"), ["v1".to_owned(), kept]);
}

#[test]
fn a_version_that_slips_from_one_page_to_the_other_keeps_its_children() {
    let others: String =
        (0..99).map(|number| format!(" · f{number}[f{number}] {}", 60.0 - f64::from(number) * 0.1)).collect();
    // newest first: x and 99 others are the first page, and then I; x goes between the two pages
    let state = format!("a 90 · b 90 · I[v1] 80 -> a,b{others} · x[x] 1");
    let package = Package::with(&state, |github| {
        let slip = meanwhile(|github| github.delete(&simulator::digest_of("x")));
        github.fault(Fault::on("GET", "page=2", slip).times(1))
    });
    assert_eq!(package.goes(&UNTAGGED), ["x"], "what the other job deleted, and nothing else");
    assert!(package.simulator.changes().is_empty());
}

#[test]
fn a_package_that_never_keeps_still_is_left_alone() {
    let state: String =
        (0..150).map(|number| format!("f{number}[f{number}] {} · ", 90.0 - f64::from(number) * 0.1)).collect();
    let package = Package::with(&format!("{state} u 5"), |github| {
        let push = meanwhile(|github: &mut GitHub| {
            let name = format!("new-{}", github.package_mut("app").versions.len());
            github.push("app", Version::image(&name, &[&name]));
        });
        github.fault(Fault::on("GET", "page=2", push))
    });
    let ended = run(&package.simulator, &[("tag-status", "untagged")]);
    assert_eq!((ended.code, package.simulator.changes().len()), (Some(1), 0), "{}", ended.log);
    let says = ["changed each of the 6 times", "`concurrency` group"];
    assert!(says.iter().all(|text| ended.log.contains(text)) && !ended.log.contains("sign-on"), "{}", ended.log);
}

#[test]
fn a_registry_that_knows_nothing_at_all_is_not_believed() {
    let package = Package::new("a[pr-1] · v[v1]");
    for version in &mut package.simulator.github().package_mut("app").versions {
        version.manifest = None;
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status"), package.simulator.changes().len()), (Some(1), "failed", 0));
    assert!(ended.log.contains("registry-url"), "{}", ended.log);
}

#[test]
fn a_registry_that_denies_changes_nothing_and_says_what_is_missing() {
    let package = Package::with("a[pr-1] · v[v1]", |github| {
        github.fault(Fault::on("GET", "/manifests/", Effect::Answer(Answer::observed("denied-installation"))))
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status"), package.simulator.changes().len()), (Some(1), "failed", 0));
    let says = ["installation not allowed", "Manage Actions access", "nothing of this package was deleted"];
    assert!(says.iter().all(|text| ended.log.contains(text)), "{}", ended.log);
    assert_eq!((ended.count("kept"), ended.count("selected")), (2, 0));
}

#[test]
fn bytes_that_are_not_those_of_the_digest_are_not_believed() {
    let other = Manifest::of_image("another", None);
    let forged = Answer { status: 200, headers: Vec::new(), body: other.bytes };
    let package = Package::with("a[pr-1] · v[v1]", |github| {
        github.fault(Fault::on("GET", &simulator::digest_of("v"), Effect::Answer(forged)).times(1))
    });
    // once is a fault of the network: it is asked again
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["a"]);
}

#[test]
fn a_limit_of_the_registry_is_waited_out() {
    let limit = Effect::Answer(Answer::observed("too-many-requests"));
    let package =
        Package::with("a[pr-1] · v[v1]", |github| github.fault(Fault::on("GET", "/manifests/", limit).times(2)));
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["a"]);
}

#[test]
fn a_token_of_the_registry_that_expires_is_renewed() {
    let expire = Effect::Meanwhile(std::sync::Arc::new(|github: &mut GitHub| github.forget_registry_tokens()));
    let package = Package::with("a[pr-1] · b[v1] · c[v2]", |github| {
        github.fault(Fault::on("GET", "/manifests/", expire).after(1).times(1))
    });
    assert_eq!(package.goes(&[("tags", "pr-.*"), ("concurrency", "1")]), ["a"]);
    let tokens = package.simulator.requests().into_iter().filter(|request| request.path == "/token").count();
    assert_eq!(tokens, 2);
}

#[test]
fn the_token_goes_to_no_realm_but_the_registrys_own() {
    let elsewhere = Simulator::start(GitHub::new());
    let realm = format!("{}/token", elsewhere.url());
    let package = Package::with("a[pr-1] · v[v1]", |mut github| {
        github.realm = Some(realm.clone());
        github
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status"), package.simulator.changes().len()), (Some(1), "failed", 0));
    assert!(ended.log.contains("the token does not go there"), "{}", ended.log);
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_redirect_of_the_registry_is_not_followed() {
    let elsewhere = Simulator::start(GitHub::new());
    let away = Answer { status: 307, headers: Vec::new(), body: Vec::new() }.header("location", elsewhere.url());
    let package =
        Package::with("a[pr-1] · v[v1]", |github| github.fault(Fault::on("GET", "/manifests/", Effect::Answer(away))));
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, package.simulator.changes().len(), elsewhere.requests().len()), (Some(1), 0, 0));
}

#[test]
fn an_upper_case_owner_is_lower_case_in_the_registry() {
    let github = GitHub::new().organization("Octo-Org").token(TOKEN, Token::workflow()).package(
        "Octo-Org",
        "container",
        "app",
        images("I[pr-1] -> a,b · v[v1]"),
    );
    let simulator = Simulator::start(github);
    let ended = run(&simulator, &[("owner", "Octo-Org"), ("packages", "App"), ("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 3), "{}", ended.log);
    let pulls = simulator.requests().into_iter().filter(|request| request.path.starts_with("/v2/octo-org/app/"));
    assert_eq!(pulls.count(), 2);
}
