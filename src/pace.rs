//! How fast requests may follow one another: a decision without a clock of its own. `lane` waits
//! for what it decides.
//!
//! The rules are GitHub's: 900 points a minute, where a read costs 1 and a change 5; no more than
//! 100 requests at a time; the primary limit that every answer's `x-ratelimit-*` headers tell;
//! `retry-after` where an answer has it
//! (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>). After a limit
//! answer one request goes ahead of the others, and changes go on at one a second and speed up
//! slowly, as GitHub's best practices ask
//! (<https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api>).

use std::{collections::VecDeque, time::Duration};

mod lane;

pub(crate) use lane::Lane;

/// The span over which points are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// The pause between changes after a limit answer.
const SLOW_GAP: Duration = Duration::from_secs(1);
/// A pause this short is given up.
const SHORTEST_GAP: Duration = Duration::from_millis(50);
/// The share by which the pause shrinks with every change that succeeds; half of it after every
/// further limit answer, since the limit is lower than it seemed.
const SPEED_UP: f32 = 0.005;
/// The first wait after a limit answer that names none; doubled each time.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
/// No answer's wait is taken to be longer than this: whatever a server says, sums of it stay in range.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);
/// Limit answers in a row before the run stops: a server that never lets anything through must not
/// hold a job for ever.
const MOST_LIMITS: u32 = 20;

/// Whether a request reads or changes, which is what GitHub's points go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// GET: one point.
    Read,
    /// POST, PUT, DELETE: five points.
    Change,
}

impl Cost {
    fn points(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Change => 5,
        }
    }
}

/// The bounds of a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// GitHub's secondary limit; `None` where there is none.
    pub(crate) points_per_minute: Option<u32>,
    /// Requests in flight.
    pub(crate) concurrency: usize,
    /// Percent of the primary limit that is left for others.
    pub(crate) reserve_percent: u8,
}

/// What an answer told of the primary limit. All moments are times since the clock's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests an hour.
    pub(crate) limit: u64,
    /// Requests left until it resets.
    pub(crate) remaining: u64,
    /// When it resets.
    pub(crate) resets_at: Duration,
}

/// What may still be spent of the primary limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    /// Requests, without the reserve for others.
    requests: u64,
    /// How long until there are more.
    resets_in: Duration,
}

/// May this request go?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Now; it has been counted.
    Go,
    /// Not before this long has passed, because of a secondary limit.
    Wait(Duration),
    /// Not before one that is under way has been answered: all flights are taken, or nobody knows
    /// yet in which minute GitHub counts it, or whether GitHub's patience is back.
    WaitForAnswer,
    /// Not before this long has passed, when the primary limit resets.
    WaitForReset(Duration),
}

/// Remembers what was sent and what the host said of its limits.
#[derive(Debug)]
pub(crate) struct Pacer {
    bounds: Bounds,
    in_flight: usize,
    /// Points of what is in flight.
    under_way: u32,
    /// Points of what was answered within the last minute, and when.
    answered: VecDeque<(Duration, u32)>,
    spent: u32,
    not_before: Duration,
    /// Whether nothing was let through since the last limit answer.
    recovering: bool,
    /// Limit answers since the last read, and since the last change, that was let through.
    limits: (u32, u32),
    quota: Option<Quota>,
    gap: Option<Duration>,
    speed_up: f32,
    last_change: Option<Duration>,
}

impl Pacer {
    /// A pacer that has sent nothing yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            in_flight: 0,
            under_way: 0,
            answered: VecDeque::new(),
            spent: 0,
            not_before: Duration::ZERO,
            recovering: false,
            limits: (0, 0),
            quota: None,
            gap: None,
            speed_up: SPEED_UP * 2.0,
            last_change: None,
        }
    }

    /// Decides on one request, and counts it if it may go.
    pub(crate) fn admit(&mut self, cost: Cost, now: Duration) -> Admission {
        let most_in_flight = if self.recovering { 1 } else { self.bounds.concurrency.max(1) };
        if self.in_flight >= most_in_flight {
            return Admission::WaitForAnswer;
        }
        if now < self.not_before {
            return Admission::Wait(self.not_before - now);
        }
        if let Some(quota) = self.quota {
            if now >= quota.resets_at {
                self.quota = None;
            } else if quota.remaining <= reserve(quota.limit, self.bounds.reserve_percent) {
                return Admission::WaitForReset(quota.resets_at - now);
            }
        }
        if cost == Cost::Change
            && let (Some(gap), Some(last)) = (self.gap, self.last_change)
            && now < last + gap
        {
            return Admission::Wait(last + gap - now);
        }
        if let Some(wait) = self.wait_for_points(cost.points(), now) {
            return wait;
        }
        self.in_flight += 1;
        self.under_way += cost.points();
        if let Some(quota) = &mut self.quota {
            quota.remaining = quota.remaining.saturating_sub(1);
        }
        if cost == Cost::Change {
            self.last_change = Some(now);
        }
        Admission::Go
    }

    /// Points count until a minute after the answer: GitHub counted them at some moment before
    /// it, and that moment's minute is over by then.
    fn wait_for_points(&mut self, points: u32, now: Duration) -> Option<Admission> {
        let allowed = self.bounds.points_per_minute?;
        self.forget_what_is_over(now);
        let mut over = (self.under_way + self.spent + points).saturating_sub(allowed);
        if over == 0 {
            return None;
        }
        for (at, points) in &self.answered {
            over = over.saturating_sub(*points);
            if over == 0 {
                return Some(Admission::Wait(*at + WINDOW - now));
            }
        }
        if self.in_flight > 0 {
            return Some(Admission::WaitForAnswer);
        }
        // a limit below the cost of one change still lets one through in an empty minute
        self.answered.back().map(|(at, _)| Admission::Wait(*at + WINDOW - now))
    }

    fn forget_what_is_over(&mut self, now: Duration) {
        while let Some((_, points)) = self.answered.pop_front_if(|(at, _)| *at + WINDOW <= now) {
            self.spent -= points;
        }
    }

    /// Takes in that an admitted request has come to its end, with an answer or without.
    pub(crate) fn ended(&mut self, cost: Cost, now: Duration) {
        self.withdrawn(cost);
        self.spent += cost.points();
        self.answered.push_back((now, cost.points()));
    }

    /// Takes in that an admitted request was not sent after all.
    pub(crate) fn withdrawn(&mut self, cost: Cost) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.under_way = self.under_way.saturating_sub(cost.points());
    }

    /// Takes in what an answer said of the primary limit. Answers overtake one another, so within
    /// one hour the lowest count holds.
    pub(crate) fn observe(&mut self, quota: Quota) {
        let same_hour = |known: &Quota| known.resets_at.abs_diff(quota.resets_at) < Duration::from_secs(5);
        let remaining = match &self.quota {
            Some(known) if same_hour(known) => known.remaining.min(quota.remaining),
            _ => quota.remaining,
        };
        self.quota = Some(Quota { remaining, ..quota });
    }

    /// Takes in an answer that speaks of no limit.
    pub(crate) fn let_through(&mut self, cost: Cost, now: Duration) {
        if now < self.not_before {
            // it was sent before the limit was met
            return;
        }
        self.recovering = false;
        match cost {
            Cost::Read => self.limits.0 = 0,
            Cost::Change => {
                self.limits.1 = 0;
                let speed_up = self.speed_up;
                self.gap = self.gap.map(|gap| gap.mul_f32(1.0 - speed_up)).filter(|gap| *gap > SHORTEST_GAP);
            }
        }
    }

    /// Takes in a limit answer that asks for so long a wait, where it says: nothing goes for that
    /// long, and changes go slowly after it. Returns the wait; `None` if there were too many in a
    /// row. `jitter` is between 0 and 1.
    pub(crate) fn limited(
        &mut self,
        cost: Cost,
        asked: Option<Duration>,
        jitter: f32,
        now: Duration,
    ) -> Option<Duration> {
        let limits = match cost {
            Cost::Read => &mut self.limits.0,
            Cost::Change => &mut self.limits.1,
        };
        // what was in flight together meets the limit together, and that is one time
        if now >= self.not_before {
            *limits += 1;
            self.gap = Some(SLOW_GAP);
            self.speed_up /= 2.0;
        }
        if *limits > MOST_LIMITS {
            return None;
        }
        let unasked = || (LIMIT_WAIT * 2_u32.saturating_pow(limits.saturating_sub(1))).mul_f32(1.0 + jitter * 0.1);
        let wait = asked.unwrap_or_else(unasked).min(LONGEST_WAIT);
        self.recovering = true;
        self.not_before = self.not_before.max(now + wait);
        Some(wait)
    }

    /// What may still be spent of the primary limit, where it was told.
    fn room(&self, now: Duration) -> Option<Room> {
        let quota = self.quota.filter(|quota| now < quota.resets_at)?;
        let requests = quota.remaining.saturating_sub(reserve(quota.limit, self.bounds.reserve_percent));
        Some(Room { requests, resets_in: quota.resets_at - now })
    }

    /// How long until so many changes could have gone, if nothing else goes: rather too long than
    /// too short.
    pub(crate) fn time_for(&self, changes: usize, now: Duration) -> Duration {
        let changes = u32::try_from(changes).unwrap_or(u32::MAX);
        let begins_in = self.not_before.saturating_sub(now);
        let slowly = self.gap.map_or(Duration::ZERO, |gap| gap.saturating_mul(changes));
        let by_points = self.bounds.points_per_minute.map_or(Duration::ZERO, |allowed| {
            let recent = self.answered.iter().filter(|(at, _)| *at + WINDOW > now).map(|(_, points)| points);
            let spent = self.under_way + recent.sum::<u32>();
            let now_free = allowed.saturating_sub(spent) / Cost::Change.points();
            let a_minute = (allowed / Cost::Change.points()).max(1);
            WINDOW.saturating_mul(changes.saturating_sub(now_free).div_ceil(a_minute))
        });
        begins_in.saturating_add(slowly.max(by_points))
    }

    /// Requests left of the primary limit, where it was told.
    pub(crate) fn quota_left(&self) -> Option<u64> {
        self.quota.map(|quota| quota.remaining)
    }
}

/// How many requests of the primary limit are left for others.
fn reserve(limit: u64, percent: u8) -> u64 {
    limit.saturating_mul(u64::from(percent)) / 100
}

#[cfg(test)]
mod tests {
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
        pacer.observe(Quota { limit: 1000, remaining: 102, resets_at: seconds(600) });
        assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go);
        assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::Go);
        assert_eq!(pacer.admit(Cost::Read, seconds(0)), Admission::WaitForReset(seconds(600)));
        // an answer that was overtaken does not raise the count again
        pacer.observe(Quota { limit: 1000, remaining: 101, resets_at: seconds(601) });
        assert_eq!(pacer.quota_left(), Some(100));
        assert_eq!(pacer.admit(Cost::Read, seconds(601)), Admission::Go);
    }

    #[test]
    fn after_a_limit_answer_one_goes_ahead_and_changes_go_one_a_second_and_speed_up() {
        let mut pacer = pacer(Some(900), 10);
        assert_eq!(pacer.admit(Cost::Read, seconds(9)), Admission::Go);
        pacer.ended(Cost::Read, seconds(10));
        assert_eq!(pacer.limited(Cost::Read, Some(seconds(30)), 0.0, seconds(10)), Some(seconds(30)));
        assert_eq!(pacer.admit(Cost::Read, seconds(15)), Admission::Wait(seconds(25)));
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
        let mut pacer = pacer(None, 0);
        let times =
            (0..100).take_while(|second| pacer.limited(Cost::Read, Some(seconds(1)), 0.0, seconds(*second)).is_some());
        assert_eq!(times.count(), 20);
    }

    #[test]
    fn the_time_that_changes_take_is_known_beforehand() {
        let mut pacer = pacer(Some(900), 0);
        assert_eq!(pacer.time_for(180, seconds(0)), seconds(0));
        assert_eq!(pacer.time_for(181, seconds(0)), seconds(60));
        assert_eq!(pacer.time_for(540, seconds(0)), seconds(120));
        (0..100).for_each(|_| assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go));
        assert_eq!(pacer.time_for(81, seconds(0)), seconds(60));
        (0..100).for_each(|_| pacer.ended(Cost::Change, seconds(1)));
        assert_eq!(pacer.time_for(81, seconds(61)), seconds(0));
        pacer.limited(Cost::Change, Some(seconds(30)), 0.0, seconds(61));
        assert_eq!(pacer.time_for(81, seconds(61)), seconds(30 + 81));
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
                        Admission::WaitForReset(_) => unreachable!("there is no primary limit"),
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
}
