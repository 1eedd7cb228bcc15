//! What the token may not do is found out once.

use crate::{
    runner::{Step, TOKEN},
    simulator::{Answer, Effect, Fault, GitHub, Simulator, Token, Version},
};

fn packages(count: u32, versions: u32) -> GitHub {
    let github = GitHub::new().organization("octo-org").user("octocat");
    let github = github.token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]));
    (0..count).fold(github, |github, number| {
        let old = |version: u32| Version::new(&format!("0.{version}")).days_old(90.0 - f64::from(version) / 100.0);
        let versions = (0..versions).map(old).chain([Version::new("1.0").days_old(1.0)]).collect();
        github.package("octo-org", "npm", &format!("package-{number}"), versions)
    })
}

fn refusals() -> [Answer; 4] {
    ["bad-credentials", "integration-forbidden", "package-not-found", "generic-not-found"].map(Answer::observed)
}

#[test]
fn a_right_that_is_missing_for_300_versions_costs_one_deletion() {
    for refusal in refusals() {
        let refused = Fault::on("DELETE", "/versions/", Effect::Answer(refusal));
        let simulator = Simulator::start(packages(1, 300).fault(refused));
        let step = Step::new(simulator.url()).inputs("package-type=npm packages=package-0 tags=0.*");
        let ended = step.run();
        assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
        assert_eq!((ended.count("failed"), ended.count("skipped"), ended.count("kept")), (1, 299, 1));
        assert_eq!(simulator.changes().len(), 1, "{}", ended.log);
        // the version and its package may be asked for, to tell "gone" from "you may not"
        assert!(simulator.requests().len() <= 10, "{} requests", simulator.requests().len());
    }
}

#[test]
fn a_token_that_expires_is_not_tried_for_every_package() {
    let expired = Fault::on("GET", "/versions?", Effect::Answer(Answer::observed("bad-credentials"))).after(5);
    let simulator = Simulator::start(packages(40, 2).fault(expired));
    let step = Step::new(simulator.url()).inputs("package-type=npm packages=* tags=0.* concurrency=4");
    let ended = step.run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
    let failed =
        ended.report()["packages"].as_array().expect("packages").iter().filter(|it| !it["error"].is_null()).count();
    assert_eq!((failed, ended.count("deleted")), (40, 0), "what it may not do any more it does not try: {}", ended.log);
    let refused = simulator.requests().iter().filter(|request| request.path.ends_with("/versions")).count() - 5;
    assert!(refused <= 3 + 4, "{refused} requests with a token that is known to be refused");
    assert!(ended.log.contains("in a row"), "{}", ended.log);
}

#[test]
fn a_package_that_the_token_may_not_touch_leaves_the_others() {
    for refusal in refusals().into_iter().skip(1) {
        let refused = Fault::on("DELETE", "/package-1/versions/", Effect::Answer(refusal));
        let simulator = Simulator::start(packages(4, 3).fault(refused));
        let ended = Step::new(simulator.url()).inputs("package-type=npm packages=package-* tags=0.*").run();
        assert_eq!(
            (ended.code, ended.count("deleted"), ended.count("failed"), ended.count("skipped")),
            (Some(1), 9, 1, 2)
        );
    }
}

#[test]
fn a_registry_that_the_token_may_not_read_is_asked_as_often_as_requests_are_in_flight() {
    for path in ["/token", "/manifests/"] {
        let github = (0..4).fold(packages(0, 0), |github, number| {
            let images = (0..60).map(|image| Version::image(&format!("{number}-{image}"), &[&format!("pr-{image}")]));
            github.package("octo-org", "container", &format!("image-{number}"), images.collect())
        });
        let denied = Fault::on("GET", path, Effect::Answer(Answer::observed("denied-read")));
        let simulator = Simulator::start(github.fault(denied));
        let ended = Step::new(simulator.url()).inputs("packages=image-* tags=pr-.* concurrency=2").run();
        assert_eq!((ended.code, ended.count("deleted")), (Some(1), 0), "{}", ended.log);
        let asked = simulator.requests().iter().filter(|request| request.path.contains(path)).count();
        assert!(asked <= 4 * 2, "{path} was asked {asked} times");
    }
}
