//! The pacer by itself, in a time that is made up.

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn pacer(points_per_minute: Option<u32>, reserve_percent: u8) -> Pacer {
    Pacer::new(Bounds { points_per_minute, concurrency: 1_000, reserve_percent })
}

#[test]
fn a_burst_of_180_changes_goes_at_once_and_the_next_waits_for_the_window() {
    let mut pacer = pacer(Some(900), 10);
    for _ in 0..180 {
        assert_eq!(pacer.admit(Cost::Change, seconds(1)), Admission::Go);
    }
    assert_eq!(pacer.admit(Cost::Read, seconds(2)), Admission::WaitForAnswer);
    for _ in 0..180 {
        pacer.ended(Cost::Change, seconds(3));
    }
    assert_eq!(pacer.admit(Cost::Read, seconds(13)), Admission::Wait(seconds(50)));
    assert_eq!(pacer.admit(Cost::Change, seconds(63)), Admission::Go);
}

#[test]
fn no_more_are_in_flight_than_allowed() {
    let mut pacer = Pacer::new(Bounds { points_per_minute: None, concurrency: 2, reserve_percent: 0 });
    assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::WaitForAnswer);
    pacer.ended(Cost::Change, seconds(1));
    assert_eq!(pacer.admit(Cost::Read, seconds(1)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(1)), Admission::WaitForAnswer);
    pacer.withdrawn(Cost::Read);
    assert_eq!(pacer.admit(Cost::Read, seconds(1)), Admission::Go);
}

#[test]
fn what_is_under_way_counts_however_long_it_takes() {
    let mut pacer = pacer(Some(10), 0);
    assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
    pacer.ended(Cost::Change, seconds(1));
    assert_eq!(pacer.admit(Cost::Change, seconds(62)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Change, seconds(62)), Admission::WaitForAnswer);
    pacer.withdrawn(Cost::Change);
    assert_eq!(pacer.admit(Cost::Change, seconds(62)), Admission::Go);
}

#[test]
fn a_limit_below_the_cost_of_a_change_lets_one_through_a_minute() {
    let mut pacer = pacer(Some(3), 0);
    assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
    pacer.ended(Cost::Change, seconds(1));
    assert_eq!(pacer.admit(Cost::Change, seconds(2)), Admission::Wait(seconds(59)));
    assert_eq!(pacer.admit(Cost::Change, seconds(61)), Admission::Go);
}

#[test]
fn without_a_limit_on_points_nothing_waits() {
    let mut pacer = Pacer::new(Bounds { points_per_minute: None, concurrency: 10_000, reserve_percent: 10 });
    assert!((0..10_000).all(|_| pacer.admit(Cost::Change, Duration::ZERO) == Admission::Go));
}

#[test]
fn the_reserve_of_the_primary_limit_is_left_for_others() {
    let mut pacer = pacer(Some(900), 10);
    pacer.observe(Quota { limit: 1000, remaining: 102, resets_at: seconds(600), reset: 1 });
    assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::WaitForReset(seconds(600)));
    // an answer that was overtaken does not raise the count again
    pacer.observe(Quota { limit: 1000, remaining: 101, resets_at: seconds(601), reset: 1 });
    assert_eq!(pacer.quota_left(), Some(100));
    assert_eq!(pacer.admit(Cost::Read, seconds(601)), Admission::Go);
}

#[test]
fn after_a_limit_answer_one_goes_ahead_and_changes_go_one_a_second_and_speed_up() {
    let mut pacer = pacer(Some(900), 10);
    assert_eq!(pacer.admit(Cost::Read, seconds(9)), Admission::Go);
    pacer.ended(Cost::Read, seconds(10));
    assert_eq!(pacer.limited(Cost::Read, Some(seconds(30)), 0.0, seconds(10)), Some(seconds(30)));
    assert_eq!(pacer.admit(Cost::Read, seconds(15)), Admission::WaitForLimit(seconds(25)));
    assert_eq!(pacer.admit(Cost::Change, seconds(40)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(40)), Admission::WaitForAnswer);
    pacer.ended(Cost::Change, seconds(40));
    pacer.let_through(Cost::Change, seconds(40));
    assert!(matches!(pacer.admit(Cost::Change, seconds(40)), Admission::Wait(wait) if wait > seconds(1) * 9 / 10));
    assert_eq!(pacer.admit(Cost::Read, seconds(40)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(40)), Admission::Go);
    for _ in 0..1_000 {
        pacer.let_through(Cost::Change, seconds(41));
    }
    assert_eq!(pacer.admit(Cost::Change, seconds(41)), Admission::Go);
}

#[test]
fn every_further_limit_answer_makes_it_more_careful() {
    let mut pacer = pacer(None, 0);
    let mut now = seconds(0);
    let mut changes = Vec::new();
    for _ in 0..3 {
        pacer.limited(Cost::Change, Some(seconds(1)), 0.0, now);
        now += seconds(1);
        let mut count = 0;
        while pacer.gap.is_some_and(|gap| gap > SLOW_GAP / 2) {
            pacer.let_through(Cost::Change, now);
            count += 1;
        }
        changes.push(count);
    }
    assert_eq!(changes, [139, 277, 555], "changes until it is twice as fast");
}

#[test]
fn a_wait_that_no_answer_names_is_a_minute_and_doubles() {
    let mut pacer = pacer(None, 0);
    let mut now = seconds(0);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let wait = pacer.limited(Cost::Change, None, 0.0, now).expect("a wait");
        // what was in flight with it does not count twice
        assert_eq!(pacer.limited(Cost::Change, None, 0.0, now), Some(wait));
        waits.push(wait.as_secs());
        now += wait;
        // that reads are let through says nothing of changes
        pacer.let_through(Cost::Read, now);
    }
    assert_eq!(waits, [60, 120, 240, 480]);
    assert_eq!(pacer.limited(Cost::Change, Some(Duration::MAX), 0.0, now), Some(LONGEST_WAIT));
}

#[test]
fn a_server_that_never_lets_a_call_through_is_given_up() {
    for asked in [Duration::from_micros(1_200), seconds(1), seconds(60)] {
        let mut pacer = pacer(None, 0);
        let (mut now, mut count) = (seconds(0), 0);
        while let Some(wait) = pacer.limited(Cost::Read, Some(asked), 0.0, now) {
            now += wait;
            count += 1;
        }
        assert!((18..=35).contains(&count) && (1_200..=1_300).contains(&now.as_secs()), "{count} in {now:?}");
    }
}

#[test]
fn a_wait_that_is_asked_for_once_is_taken_at_its_word() {
    let mut pacer = pacer(None, 0);
    let asked = Duration::from_micros(11_200);
    assert_eq!(pacer.limited(Cost::Read, Some(asked), 0.0, seconds(1)), Some(asked));
    assert_eq!(pacer.limited(Cost::Read, Some(seconds(7_200)), 0.0, seconds(2)), Some(seconds(7_200)));
}

#[test]
fn a_slow_answer_of_the_same_hour_does_not_raise_the_count() {
    // it took six seconds from its `date` to its end
    let mut pacer = pacer(Some(900), 10);
    pacer.observe(Quota { limit: 1000, remaining: 100, resets_at: seconds(600), reset: 1 });
    pacer.observe(Quota { limit: 1000, remaining: 115, resets_at: seconds(606), reset: 1 });
    assert!(matches!(pacer.admit(Cost::Read, seconds(10)), Admission::WaitForReset(_)));
    pacer.observe(Quota { limit: 1000, remaining: 999, resets_at: seconds(4_200), reset: 3_601 });
    assert_eq!(pacer.admit(Cost::Read, seconds(610)), Admission::Go);
}

#[test]
fn what_is_in_flight_when_the_count_is_first_told_is_taken_off_it() {
    let mut pacer = pacer(Some(900), 10);
    (0..16).for_each(|_| assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go));
    // the first answer; the server may not have counted the other fifteen yet
    pacer.observe(Quota { limit: 1000, remaining: 105, resets_at: seconds(600), reset: 1 });
    pacer.ended(Cost::Read, seconds(1));
    assert_eq!(pacer.admit(Cost::Read, seconds(1)), Admission::WaitForReset(seconds(599)));
}

#[test]
fn what_was_sent_before_the_limit_says_nothing_of_it() {
    let mut pacer = pacer(None, 0);
    (0..3).for_each(|_| assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go));
    pacer.limited(Cost::Read, Some(seconds(10)), 0.0, seconds(1));
    pacer.let_through(Cost::Read, seconds(2));
    (0..3).for_each(|_| pacer.ended(Cost::Read, seconds(2)));
    assert_eq!(pacer.admit(Cost::Read, seconds(11)), Admission::Go);
    assert_eq!(pacer.admit(Cost::Read, seconds(11)), Admission::WaitForAnswer, "one goes ahead");
}

#[test]
fn half_of_the_points_can_be_spared() {
    let mut pacer = pacer(Some(10), 0);
    pacer.spares_half = true;
    (0..5).for_each(|_| assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go));
    (0..5).for_each(|_| pacer.ended(Cost::Read, seconds(1)));
    assert_eq!(pacer.admit(Cost::Read, seconds(1)), Admission::Wait(seconds(60)));
    pacer.spares_half = false;
    assert_eq!(pacer.admit(Cost::Change, seconds(1)), Admission::Go);
}

#[test]
fn the_time_that_changes_take_is_known_beforehand() {
    let mut pacer = pacer(Some(900), 0);
    assert_eq!(pacer.time_for(180, 0, 0, seconds(0)), seconds(0));
    assert_eq!(pacer.time_for(181, 0, 0, seconds(0)), seconds(60));
    assert_eq!(pacer.time_for(540, 0, 0, seconds(0)), seconds(120));
    (0..100).for_each(|_| assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go));
    assert_eq!(pacer.time_for(81, 0, 0, seconds(0)), seconds(60));
    (0..100).for_each(|_| pacer.ended(Cost::Change, seconds(1)));
    assert_eq!(pacer.time_for(81, 0, 0, seconds(61)), seconds(0));
    // reads have their points too, and a listing every minute leaves less
    assert_eq!(pacer.time_for(180, 1, 0, seconds(61)), seconds(60));
    assert_eq!(pacer.time_for(540, 0, 200, seconds(61)), seconds(180));
    pacer.limited(Cost::Change, Some(seconds(30)), 0.0, seconds(61));
    assert_eq!(pacer.time_for(81, 0, 0, seconds(61)), seconds(30 + 81));
}

proptest::proptest! {
    /// Whatever comes, whenever it is answered: no minute holds more points than allowed, as the
    /// server counts them (at any moment between sending and answer), and no moment more requests.
    #[test]
    fn no_minute_ever_holds_more_points_than_allowed(
        steps in proptest::collection::vec((proptest::bool::ANY, 0_u64..9_000, 0_u64..=3), 1..150),
    ) {
        const ALLOWED: u32 = 30;
        const CONCURRENCY: usize = 4;
        let bounds = Bounds { points_per_minute: Some(ALLOWED), concurrency: CONCURRENCY, reserve_percent: 0 };
        let mut pacer = Pacer::new(bounds);
        let mut now = Duration::ZERO;
        let mut in_flight: Vec<(Cost, Duration, Duration)> = Vec::new();
        let mut counted: Vec<(Duration, u32)> = Vec::new();
        for (is_change, latency, share) in steps {
            let cost = if is_change { Cost::Change } else { Cost::Read };
            loop {
                match pacer.admit(cost, now) {
                    Admission::Go => break,
                    Admission::Wait(wait) => now += wait,
                    Admission::WaitForAnswer => {
                        in_flight.sort_by_key(|(_, _, answered)| *answered);
                        let (cost, at, answered) = in_flight.remove(0);
                        now = now.max(answered);
                        counted.push((at, cost.points()));
                        pacer.ended(cost, now);
                    }
                    Admission::WaitForLimit(_) | Admission::WaitForReset(_) => unreachable!("no answer is a limit"),
                }
            }
            let latency = Duration::from_millis(latency);
            // the server counts it on arrival, on departure, or in between
            let share = u32::try_from(share).unwrap_or_default();
            in_flight.push((cost, now + latency * share / 3, now + latency));
            proptest::prop_assert!(in_flight.len() <= CONCURRENCY);
        }
        counted.extend(in_flight.iter().map(|(cost, at, _)| (*at, cost.points())));
        for (start, _) in &counted {
            let minute = counted.iter().filter(|(at, _)| at >= start && *at < *start + WINDOW);
            proptest::prop_assert!(minute.map(|(_, points)| points).sum::<u32>() <= ALLOWED);
        }
    }
}
