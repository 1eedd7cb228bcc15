//! Limits and times that are met at awkward moments.

use std::time::Duration;

use super::{
    images::{IMAGES, images_of},
    simulator::images,
    *,
};

/// So many images of four versions, `pr-0` on, and one that stays.
fn many(count: usize) -> String {
    let image = |number: usize| format!("P{number}[pr-{number}] -> a{number},b{number},c{number}");
    (0..count).map(image).chain(["V[v1]".to_owned()]).collect::<Vec<_>>().join(" · ")
}

fn passing(clock: &VirtualClock, seconds: u64) -> Effect {
    let clock = clock.clone();
    Effect::Meanwhile(Arc::new(move |_: &mut GitHub| clock.advance(Duration::from_secs(seconds))))
}

fn limited_for(seconds: u64) -> Effect {
    Effect::Answer(Answer::observed("secondary-rate-limit").header("retry-after", &seconds.to_string()))
}

/// A header may name a moment instead of seconds (RFC 9110, section 10.2.3).
#[test]
fn a_limit_that_lasts_until_a_moment_is_waited_out() {
    let clock = VirtualClock::default();
    let until = (midnight() + SignedDuration::from_secs(90)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let limit = Effect::Answer(Answer::observed("secondary-rate-limit").header("retry-after", &until));
    let github = world(&clock, vec![old("pr-1"), old("v1")]);
    let simulator = Simulator::start(github.fault(Fault::on("DELETE", "/versions/", limit).times(1)));
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 1), "{}", ended.log);
    assert_eq!(ended.waits.first(), Some(&90));
}

/// The root of one image is under way, the next has no room: the first is never ended.
#[test]
fn what_is_begun_is_ended_though_the_next_image_has_no_room() {
    for remaining in 104..125 {
        let clock = VirtualClock::default();
        let mut github = images_of(&clock, &many(3));
        let reset = midnight() + SignedDuration::from_mins(30);
        github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1000, remaining, reset));
        let simulator = Simulator::start(github);
        let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("concurrency", "16")]].concat();
        let ended = run_step(&clock, &simulator, &inputs);
        assert_eq!(ended.count("deleted") % 4, 0, "{remaining}: {}", ended.log);
    }
}

/// F1 for time-limit.
#[test]
fn what_is_begun_is_ended_though_the_time_is_up() {
    let clock = VirtualClock::default();
    let github = images_of(&clock, &many(60));
    let simulator = Simulator::start(github);
    let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("concurrency", "16"), ("time-limit", "30s"), ("verify", "false")]];
    let ended = run_step(&clock, &simulator, &inputs.concat());
    assert_eq!(ended.status, Status::Partial);
    assert_eq!(ended.count("deleted") % 4, 0, "{} deleted", ended.count("deleted"));
}

/// Changes that wait side by side for the window are all stale after it, and each counts as a round.
#[test]
fn many_flights_that_wait_for_points_are_one_round() {
    for concurrency in ["30", "45", "60", "75", "90"] {
        let clock = VirtualClock::default();
        let versions = (0..400).map(|number| old(&format!("pr-{number}"))).chain([old("v1")]).collect();
        let mut github = world(&clock, versions);
        github.limits = Limits::documented();
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("concurrency", concurrency)]);
        assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 400), "concurrency {concurrency}");
    }
}

/// The reset is waited for with an image begun, though it comes after the run's time.
#[test]
fn no_image_is_begun_whose_rest_waits_for_a_reset_after_the_time_limit() {
    let reset = midnight() + SignedDuration::from_mins(10);
    let mut left = Vec::new();
    for remaining in 103..112 {
        let clock = VirtualClock::default();
        let mut github = images_of(&clock, &many(1));
        github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1000, remaining, reset));
        let simulator = Simulator::start(github);
        let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("time-limit", "5m"), ("verify", "false")]].concat();
        let ended = run_step(&clock, &simulator, &inputs);
        left.push((remaining, ended.count("deleted")));
    }
    assert!(left.iter().all(|(_, deleted)| deleted % 4 == 0), "remaining, deleted: {left:?}");
}

/// One call's limit is too long for the run, and the next call sleeps through it.
#[test]
fn no_call_waits_longer_than_max_wait() {
    let clock = VirtualClock::default();
    let github = world(&clock, vec![old("pr-1"), old("v1")])
        .package("octo-org", "docker", "other", vec![old("pr-1"), old("v1")])
        .fault(Fault::on("GET", "/packages/docker/app", limited_for(3_600)).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("packages", "app,other")]);
    assert_eq!(ended.status, Status::Partial);
    assert!(ended.waits.iter().all(|wait| *wait <= 900), "{:?}", ended.waits);
}

/// The very first call meets the limit.
#[test]
fn a_limit_at_the_first_call_is_no_failure() {
    for inputs in [[("time-limit", "5m")], [("max-wait", "5m")]] {
        let clock = VirtualClock::default();
        let github = world(&clock, vec![old("pr-1"), old("v1")]).fault(Fault::on("GET", "/users/", limited_for(600)));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[&inputs[..], &[("tags", "pr-.*")]].concat());
        assert_eq!(ended.status, Status::Partial, "{inputs:?}: {}", ended.log);
    }
}

/// A tag is moved although what has to follow does not fit.
#[test]
fn no_tag_is_moved_whose_copy_cannot_be_deleted_within_the_limit() {
    let mut bad = Vec::new();
    for remaining in 103..112 {
        let clock = VirtualClock::default();
        let reset = midnight() + SignedDuration::from_mins(30);
        let mut github = images_of(&clock, "S[pr-1,v1] · V[v2]");
        github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1000, remaining, reset));
        let simulator = Simulator::start(github);
        let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("partial-match", "untag"), ("verify", "false")]].concat();
        let ended = run_step(&clock, &simulator, &inputs);
        let versions = simulator.github().package_mut("images").versions.len();
        if ended.count("failed") > 0 || versions != 2 {
            bad.push((remaining, ended.status, versions));
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

/// Tags are taken off after the time is up.
#[test]
fn no_tag_is_taken_off_after_the_time_is_up() {
    let clock = VirtualClock::default();
    let github = images_of(&clock, "A[pr-1,v1] · B[pr-2,v2] · C[pr-3,v3]")
        .fault(Fault::on("PUT", "/manifests/", passing(&clock, 90)).times(1));
    let simulator = Simulator::start(github);
    let inputs = [("tags", "pr-.*"), ("partial-match", "untag"), ("time-limit", "1m")];
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &inputs].concat());
    let pushes = simulator.changes().iter().filter(|change| change.starts_with("PUT")).count();
    assert_eq!((pushes, ended.status), (1, Status::Partial), "{}", ended.log);
}

/// A whole package goes after the time is up.
#[test]
fn no_package_is_deleted_after_the_time_is_up() {
    let clock = VirtualClock::default();
    let github = world(&clock, vec![old("pr-1"), old("v1")])
        .package("octo-org", "docker", "other", vec![old("pr-2")])
        .fault(Fault::on("DELETE", "/versions/", passing(&clock, 90)).times(1));
    let simulator = Simulator::start(github);
    let inputs = [("tags", "pr-.*"), ("packages", "app,other"), ("delete-empty-package", "true"), ("time-limit", "1m")];
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((simulator.changes().len(), ended.status), (1, Status::Partial), "{:?}", simulator.changes());
}

/// A run that the time ended has deleted, and does not look again.
#[test]
fn a_partial_run_looks_again_too() {
    for limit in ["10m", "30s"] {
        let clock = VirtualClock::default();
        let text = "a · I[pr-1] -> a · x · J[pr-2] -> x · V[v1]";
        let index = images(&format!("{text} · N[v2] -> a")).into_iter().find(|it| it.tags == ["v2"]).expect("it");
        let on = clock.clone();
        let push = move |github: &mut GitHub| {
            github.push("images", index.clone());
            on.advance(Duration::from_secs(40));
        };
        let github = images_of(&clock, text)
            .fault(Fault::on("DELETE", "/versions/", Effect::Meanwhile(Arc::new(push))).after(1).times(1));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*"), ("time-limit", limit)]].concat());
        let broken = simulator.github().broken_images();
        assert!(broken.is_empty(), "{limit}: {broken:?} broken, {:?}, {}", ended.status, ended.log);
    }
}

/// The look that follows a 404 meets a limit.
#[test]
fn a_limit_while_a_404_is_looked_into_is_no_failure() {
    let clock = VirtualClock::default();
    let gone = Effect::Answer(Answer::observed("version-not-found"));
    let github = world(&clock, ["pr-1", "pr-2", "v1"].map(old).to_vec())
        .fault(Fault::on("DELETE", "/versions/", gone).times(1))
        .fault(Fault::on("GET", "/versions/", limited_for(3_600)));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("verify", "false")]);
    assert_eq!((ended.status, ended.count("failed")), (Status::Partial, 0), "{:?}", ended.log);
}

/// Probing for the last page asks for pages that GitHub refuses.
#[test]
fn a_listing_of_packages_without_last_is_not_probed_beyond_what_github_allows() {
    let clock = VirtualClock::default();
    let mut github = world(&clock, vec![old("pr-1"), old("v1")]).paging(simulator::Paging::WithoutLast);
    // pages of two stand in for pages of a hundred: those beyond the hundredth are refused
    github.most_per_page = 2;
    for number in 0..130 {
        github = github.package("octo-org", "docker", &format!("x-{number}"), Vec::new());
    }
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("packages", "ap?"), ("points-per-minute", "0")]);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 1), "{}", ended.log);
}

/// A server that knows no pages gives the same one for ever.
#[test]
fn a_listing_whose_pages_are_all_the_same_ends() {
    let clock = VirtualClock::default();
    let reset = midnight() + SignedDuration::from_mins(30);
    let github = world(&clock, (0..100).map(|number| old(&format!("pr-{number}"))).collect())
        .token(TOKEN, Token::workflow().quota(5_000, 900, reset));
    let same = github.listing("app");
    let github = github.fault(Fault::on("GET", "/versions?", Effect::Answer(same)));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-1")]);
    let asked = simulator.requests().len();
    assert!(ended.status == Status::Failed && asked < 50, "{:?} after {asked} requests", ended.status);
}

/// A registry that asks for milliseconds is given up after twenty of them.
#[test]
fn a_busy_registry_is_not_given_up_within_a_moment() {
    let clock = VirtualClock::default();
    let busy = Effect::Answer(Answer::observed("too-many-requests"));
    let simulator =
        Simulator::start(images_of(&clock, &many(1)).fault(Fault::on("GET", "/manifests/", busy).times(30)));
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!(ended.status, Status::Complete, "gave up after {:?}: {:?}", ended.took, ended.report["warnings"]);
}

/// What was done unseen is told as skipped.
#[test]
fn what_was_deleted_without_an_answer_is_not_told_as_skipped() {
    let clock = VirtualClock::default();
    let github = world(&clock, ["pr-1", "v1"].map(old).to_vec())
        .fault(Fault::on("DELETE", "/versions/", Effect::AfterDoing(Answer::html(502))).times(1))
        .fault(Fault::on("DELETE", "/versions/", limited_for(61)).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("time-limit", "30s"), ("verify", "false")]);
    let gone = 2 - simulator.github().left("app").len() as u64;
    assert_eq!((ended.count("deleted"), ended.count("skipped")), (gone, 1 - gone), "{}", ended.log);
}

/// A listing that takes longer than a minute is stale when it comes.
#[test]
fn a_package_whose_listing_takes_over_a_minute_is_cleaned_up() {
    let clock = VirtualClock::default();
    let versions = (0..2_100).map(|number| old(&format!("v{number}"))).chain([old("pr-1")]).collect();
    let simulator = Simulator::start(world(&clock, versions));
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("points-per-minute", "20"), ("verify", "false")]);
    let asked = simulator.requests().len();
    assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 1), "{asked} requests, {:?}", ended.took);
}

/// Listing again eats what the image that is begun was promised.
#[test]
fn the_budget_of_an_image_holds_the_listings_in_between() {
    let mut bad = Vec::new();
    let text = many(20);
    for remaining in (186..240).step_by(24) {
        let clock = VirtualClock::default();
        let mut github = images_of(&clock, &text);
        for number in 0..250 {
            github.push("images", Version::image(&format!("k{number}"), &[&format!("k{number}")]));
        }
        let reset = midnight() + SignedDuration::from_mins(50);
        github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1_000, remaining, reset));
        let simulator = Simulator::start(github);
        let inputs = [("tags", "pr-.*"), ("verify", "false"), ("points-per-minute", "50")];
        let ended = run_step(&clock, &simulator, &[&IMAGES[..], &inputs].concat());
        if !ended.count("deleted").is_multiple_of(4) {
            bad.push((remaining, ended.count("deleted")));
        }
    }
    assert!(bad.is_empty(), "remaining, deleted: {bad:?}");
}

/// F1, with more images than flights: what is in flight may not have been admitted yet.
#[test]
fn changes_that_still_wait_to_be_admitted_are_part_of_the_budget() {
    let mut bad = Vec::new();
    let text = many(20);
    for remaining in (105..190).step_by(4) {
        let clock = VirtualClock::default();
        let mut github = images_of(&clock, &text);
        let reset = midnight() + SignedDuration::from_mins(30);
        github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1000, remaining, reset));
        let simulator = Simulator::start(github);
        let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("concurrency", "16"), ("verify", "false")]].concat();
        let ended = run_step(&clock, &simulator, &inputs);
        if !ended.count("deleted").is_multiple_of(4) {
            bad.push((remaining, ended.count("deleted")));
        }
    }
    assert!(bad.is_empty(), "remaining, deleted: {bad:?}");
}

/// What stopped the run is told right.
#[test]
fn a_time_limit_is_not_told_as_githubs_rate_limit() {
    let clock = VirtualClock::default();
    let github = world(&clock, ["pr-1", "pr-2", "v1"].map(old).to_vec())
        .fault(Fault::on("DELETE", "/versions/", passing(&clock, 40)).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("time-limit", "30s")]);
    assert_eq!(ended.status, Status::Partial);
    assert!(!ended.log.contains("GitHub's rate limit stopped the run"), "{}", ended.log);
}

/// The look after the deletion meets a limit.
#[test]
fn a_run_whose_last_look_a_limit_stopped_is_partial() {
    let clock = VirtualClock::default();
    let github = world(&clock, ["pr-1", "v1"].map(old).to_vec())
        .fault(Fault::on("GET", "/versions?", limited_for(3_600)).after(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Partial, 1), "{}", ended.log);
}

/// A bound on the run's own end.
#[test]
fn the_last_look_is_told_when_the_time_is_up() {
    let clock = VirtualClock::default();
    let github = world(&clock, vec![old("pr-1"), old("v1")])
        .fault(Fault::on("DELETE", "/versions/", passing(&clock, 200)).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("time-limit", "1m")]);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Partial, 1), "{}", ended.log);
}
