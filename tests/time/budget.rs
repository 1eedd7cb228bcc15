//! What fits into the limits of a run is done, whole images only, and the rest is for the next run.

use super::{simulator::images, *};

fn packages(clock: &VirtualClock, count: u32) -> GitHub {
    world(clock, (0..count).map(|number| old(&format!("pr-{number}"))).chain([old("v1")]).collect())
}

const ALL: (&str, &str) = ("tags", "pr-.*");

#[test]
fn a_time_limit_ends_the_run_before_the_next_wait() {
    let clock = VirtualClock::default();
    let mut github = packages(&clock, 600);
    github.limits = Limits::documented();
    let simulator = Simulator::start(github);
    let inputs = [ALL, ("time-limit", "90s"), ("concurrency", "16")];
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!(ended.status, Status::Partial, "{}", ended.log);
    assert!(ended.took.as_secs() <= 90, "{:?}", ended.took);
    let deleted = ended.count("deleted");
    assert!((330..=360).contains(&deleted), "two minutes' worth, less the reads: {deleted}");
    assert_eq!((ended.count("skipped"), ended.count("failed")), (600 - deleted, 0));
    assert_eq!(simulator.github().left("app").len() as u64, 601 - deleted);
    assert!(ended.log.contains("time-limit") && !ended.log.contains("error"), "{}", ended.log);

    // the next runs go on from there
    for _ in 0..2 {
        clock.advance(std::time::Duration::from_secs(120));
        run_step(&clock, &simulator, &inputs);
    }
    assert_eq!(simulator.github().left("app"), ["v1"]);
    assert_eq!(simulator.changes().len(), 600, "each once");
}

/// Runs a clean-up of 120 images of four versions that something cuts short, eight changes at a time.
fn images_cut_short(clock: &VirtualClock, token: Token, inputs: &[(&str, &str)]) {
    let image = |number: u32| format!("I{number}[pr-{number}] -> a{number},b{number},c{number}");
    let text: Vec<_> = (0..120).map(image).chain(["V[v1]".to_owned()]).collect();
    let mut versions = images(&text.join(" · "));
    let month = SignedDuration::from_hours(24 * 30);
    versions.iter_mut().for_each(|version| *version = version.clone().pushed_at(midnight() - month));
    let mut github = world(clock, Vec::new()).token(TOKEN, token).package("octo-org", "container", "images", versions);
    github.limits = Limits::documented();
    let simulator = Simulator::start(github);
    let container = [("package-type", "container"), ("packages", "images"), ALL, ("concurrency", "8")];
    let ended = run_step(clock, &simulator, &[&container[..], inputs].concat());
    assert_eq!(ended.status, Status::Partial, "{}", ended.log);
    let deleted = ended.count("deleted");
    assert!(deleted > 0 && deleted < 480, "{deleted}");
    let mut github = simulator.github();
    let left = github.package_mut("images").versions.len() as u64;
    assert_eq!((left, left % 4), (481 - deleted, 1), "whole images and the one that stays: {}", ended.log);
    assert!(github.broken_images().is_empty());
    let is_root = |version: &&Version| !version.tags.is_empty();
    let roots = github.package_mut("images").versions.iter().filter(is_root).count() as u64;
    assert_eq!(roots, (left - 1) / 4 + 1, "no parts without their image");
}

#[test]
fn a_time_limit_leaves_no_half_of_an_image() {
    for seconds in ["1s", "61s", "100s"] {
        let token = Token::classic("octocat", &["read:packages", "delete:packages"]);
        images_cut_short(&VirtualClock::default(), token, &[("time-limit", seconds)]);
    }
}

#[test]
fn the_hourly_limit_leaves_no_half_of_an_image() {
    let reset = midnight() + SignedDuration::from_mins(50);
    for left in [131, 140, 157, 200, 333] {
        images_cut_short(&VirtualClock::default(), Token::workflow().quota(1_000, left, reset), &[]);
    }
}

#[test]
fn a_limit_that_lasts_longer_than_the_time_ends_the_run_at_once() {
    let limit = || Effect::Answer(Answer::observed("secondary-rate-limit").header("retry-after", "600"));
    for (method, path, deleted) in [("GET", "/versions?", 0), ("DELETE", "/versions/", 1)] {
        let clock = VirtualClock::default();
        let fault = Fault::on(method, path, limit()).after(deleted);
        let simulator = Simulator::start(packages(&clock, 3).fault(fault));
        let ended = run_step(&clock, &simulator, &[ALL, ("time-limit", "5m")]);
        assert_eq!((ended.status, ended.count("deleted")), (Status::Partial, u64::from(deleted)), "{}", ended.log);
        assert!(ended.waits.is_empty(), "{:?}", ended.waits);
        let counted = ended.count("kept") + ended.count("selected");
        assert_eq!(counted, if method == "GET" { 0 } else { 4 });
    }
}

#[test]
fn nothing_more_is_read_once_the_time_is_up() {
    let clock = VirtualClock::default();
    let later = clock.clone();
    let pass = move |_: &mut GitHub| later.advance(std::time::Duration::from_secs(90));
    let fault = Fault::on("GET", "/docker/app?", Effect::Meanwhile(Arc::new(pass)));
    let simulator = Simulator::start(packages(&clock, 3).fault(fault));
    let ended = run_step(&clock, &simulator, &[ALL, ("time-limit", "1m")]);
    assert_eq!((ended.status, simulator.requests().len()), (Status::Partial, 2), "{}", ended.log);
}

#[test]
fn the_hourly_limit_is_spent_up_to_its_reserve_and_the_next_hour_goes_on() {
    let clock = VirtualClock::default();
    let reset = midnight() + SignedDuration::from_mins(50);
    let github = packages(&clock, 1_500).token(TOKEN, Token::workflow().quota(1_000, 1_000, reset));
    let simulator = Simulator::start(github);
    let inputs = [ALL, ("concurrency", "8")];
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!(ended.status, Status::Partial, "{}", ended.log);
    assert!(!ended.log.contains("could not be looked at again"), "the last look was paid for: {}", ended.log);
    let quota = simulator.github().tokens[TOKEN].quota.expect("a quota").1;
    assert!((100..=140).contains(&quota), "the reserve is left, and what two more looks would have cost: {quota}");
    let first = ended.count("deleted");
    assert!(first > 780, "{first} in the first hour");
    assert_eq!(simulator.github().left("app").len() as u64, 1_501 - first);

    // two hours later
    let reset = clock.moment() + SignedDuration::from_mins(60);
    simulator.github().tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1_000, 1_000, reset));
    clock.advance(std::time::Duration::from_secs(7_200));
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 1_500 - first), "{}", ended.log);
    assert_eq!(simulator.changes().len(), 1_500, "each once");
}

#[test]
fn a_reset_that_is_too_far_away_is_not_waited_for_at_any_call() {
    for left in 100..106 {
        let clock = VirtualClock::default();
        let reset = midnight() + SignedDuration::from_mins(50);
        let github = packages(&clock, 3).token(TOKEN, Token::workflow().quota(1_000, left, reset));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[ALL, ("verify", "false")]);
        assert_eq!((ended.status, ended.waits.len()), (Status::Partial, 0), "{left}: {}", ended.log);
        assert_eq!(simulator.github().left("app").len() as u64, 4 - ended.count("deleted"));
    }
}

#[test]
fn a_listing_that_the_hourly_limit_does_not_hold_is_not_begun() {
    let clock = VirtualClock::default();
    let reset = midnight() + SignedDuration::from_mins(50);
    let github = packages(&clock, 3_000).token(TOKEN, Token::workflow().quota(1_000, 120, reset));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[ALL]);
    assert_eq!((ended.status, simulator.requests().len()), (Status::Partial, 3), "{}", ended.log);
    assert!(ended.log.contains("the listing has 31 pages"), "{}", ended.log);
}

#[test]
fn a_server_with_80_changes_a_minute_and_500_an_hour_is_told_truly() {
    let clock = VirtualClock::default();
    let mut github = packages(&clock, 700);
    github.limits = Limits { changes_per_minute: Some(80), changes_per_hour: Some(500), ..Limits::documented() };
    let simulator = Simulator::start(github);
    let inputs = [ALL, ("concurrency", "8")];
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!(
        (ended.status, ended.count("deleted"), ended.count("skipped")),
        (Status::Partial, 500, 200),
        "{}",
        ended.log
    );
    assert_eq!(ended.count("failed"), 0);
    assert_eq!(simulator.github().left("app").len(), 201);
    let refused = simulator.changes().len() - 500;
    assert!(refused < 100, "{refused} changes that a limit answered");
    clock.advance(std::time::Duration::from_secs(3_600));
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 200), "{}", ended.log);
}

#[test]
fn a_package_whose_listing_takes_the_points_of_a_minute_is_cleaned_up_all_the_same() {
    // of 20 points a minute; at 900 it is the same with 45 times as many pages
    for (pages, minutes) in [(14, 11), (20, 15), (21, 9)] {
        let clock = VirtualClock::default();
        let mut github = packages(&clock, 6);
        for number in 0..(pages * 100 - 57) {
            github.push("app", old(&format!("k{number}")));
        }
        github.limits.points_per_minute = Some(20);
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[ALL, ("points-per-minute", "20"), ("concurrency", "8")]);
        assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 6), "{pages}: {}", ended.log);
        assert_eq!(simulator.changes().len(), 6, "not one limit answer");
        assert!(ended.took.as_secs() < minutes * 60, "{pages} pages: {:?}", ended.took);
    }
}
#[test]
fn limit_answers_in_a_row_end_a_run_only_after_many_looks() {
    for (times, status) in [(24, Status::Complete), (u32::MAX, Status::Partial)] {
        let clock = VirtualClock::default();
        let limit = Effect::Answer(Answer::observed("secondary-rate-limit").header("retry-after", "61"));
        let fault = Fault::on("DELETE", "/versions/", limit).after(5).times(times);
        let simulator = Simulator::start(packages(&clock, 60).fault(fault));
        let ended = run_step(&clock, &simulator, &[ALL, ("concurrency", "16")]);
        assert_eq!((ended.status, ended.count("failed")), (status, 0), "{}", ended.log);
        let minutes = ended.took.as_secs() / 60;
        match status {
            Status::Complete => assert_eq!(ended.count("deleted"), 60),
            _ => assert!((15..=25).contains(&minutes), "{minutes} minutes"),
        }
    }
}
