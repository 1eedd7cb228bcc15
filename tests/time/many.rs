//! Many packages: what one token's hour does not hold, several jobs with a token each do.

use super::*;

/// An organization with packages in two families, and a token for each job.
fn organization(clock: &VirtualClock, packages: u32, tokens: &[&str]) -> GitHub {
    let reset = midnight() + SignedDuration::from_mins(50);
    let mut github = world(clock, Vec::new());
    for token in tokens {
        let token_of_job = Token::classic("octocat", &["read:packages", "delete:packages"]).quota(200, 200, reset);
        github = github.token(token, token_of_job);
    }
    (0..packages).fold(github, |github, number| {
        let family = if number % 2 == 0 { "service" } else { "library" };
        let versions = ["1.0", "1.1", "1.2", "2.0"].map(old).to_vec();
        github.package("octo-org", "maven", &format!("com.example.{family}.{number}"), versions)
    })
}

fn job(clock: &VirtualClock, simulator: &Simulator, token: &str, packages: &str) -> Ended {
    let inputs = [
        ("package-type", "maven"),
        ("token", token),
        ("packages", packages),
        ("tags", "1\\..*"),
        ("keep-latest", "1"),
        ("concurrency", "8"),
    ];
    run_step(clock, simulator, &inputs)
}

fn left(simulator: &Simulator) -> usize {
    simulator.github().packages.iter().map(|package| package.versions.len()).sum()
}

#[test]
fn a_matrix_of_jobs_with_a_token_each_does_what_one_token_cannot() {
    // 60 listings, 120 deletions, 60 looks: more than the 180 requests that a token may spend here
    let clock = VirtualClock::default();
    let simulator = Simulator::start(organization(&clock, 60, &["token_one"]));
    let alone = job(&clock, &simulator, "token_one", "com.example.*");
    assert_eq!(alone.status, Status::Partial, "{}", alone.log);
    assert_eq!(left(&simulator) as u64, 240 - alone.count("deleted"));
    assert!(alone.count("deleted") >= 60, "{}", alone.log);

    let clock = VirtualClock::default();
    let simulator = Simulator::start(organization(&clock, 60, &["token_one", "token_two"]));
    for (token, packages) in [("token_one", "com.example.service.*"), ("token_two", "*\n!com.example.service.*")] {
        let ended = job(&clock, &simulator, token, packages);
        assert_eq!(
            (ended.status, ended.count("deleted"), ended.count("kept")),
            (Status::Complete, 60, 60),
            "{}",
            ended.log
        );
    }
    assert_eq!(left(&simulator), 120);
}

#[test]
fn packages_that_the_hour_does_not_hold_are_left_and_the_others_are_done() {
    let clock = VirtualClock::default();
    let simulator = Simulator::start(organization(&clock, 300, &["token_one"]));
    let ended = job(&clock, &simulator, "token_one", "com.example.*");
    assert_eq!((ended.status, ended.count("failed")), (Status::Partial, 0), "{}", ended.log);
    let read = ended.report["packages"].as_array().expect("packages").len();
    assert!((100..180).contains(&read), "{read} packages were read");
    assert!(ended.count("deleted") >= 20, "a quarter of the hour is for changes: {}", ended.count("deleted"));
    assert_eq!(left(&simulator) as u64, 1_200 - ended.count("deleted"));
    let quota = simulator.github().tokens["token_one"].quota.expect("a quota").1;
    assert!((20..=30).contains(&quota), "the reserve is left: {quota}");
    assert!(ended.log.contains("of 300 packages not read"), "{}", ended.log);
}
