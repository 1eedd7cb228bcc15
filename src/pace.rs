//! How fast requests may follow one another: a decision without a clock of its own.
//!
//! The rules are GitHub's: 900 points a minute, where a read costs 1 and a change 5; the primary
//! limit that every answer's `x-ratelimit-*` headers tell; `retry-after` where an answer has it
//! (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>). After a
//! limit answer changes go on at one a second and speed up slowly, as GitHub's best practices ask.

use std::{collections::VecDeque, time::Duration};

/// The span over which points are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// The pause between changes after a limit answer.
const SLOW_GAP: Duration = Duration::from_secs(1);
/// A pause this short is given up.
const SHORTEST_GAP: Duration = Duration::from_millis(50);

/// Whether a request reads or changes, which is what GitHub's points go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
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

/// What an answer told of the primary limit. All moments are times since the clock's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// Requests an hour.
    pub(super) limit: u64,
    /// Requests left until it resets.
    pub(super) remaining: u64,
    /// When it resets.
    pub(super) resets_at: Duration,
}

/// What may still be spent of the primary limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Requests, without the reserve for others.
    pub requests: u64,
    /// How long until there are more.
    pub resets_in: Duration,
}

/// May this request go?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Now; it has been counted.
    Go,
    /// Not before this long has passed, because of the limit on points.
    Wait(Duration),
    /// Not before one that is under way has been answered: until then nobody knows in which
    /// minute GitHub counts it.
    WaitForAnswer,
    /// Not before this long has passed, when the primary limit resets.
    WaitForReset(Duration),
}

/// Remembers what was sent and what GitHub said of its limits.
#[derive(Debug)]
pub(super) struct Pacer {
    points_per_minute: Option<u32>,
    reserve_percent: u8,
    under_way: u32,
    answered: VecDeque<(Duration, u32)>,
    not_before: Duration,
    quota: Option<Quota>,
    gap: Option<Duration>,
    last_change: Option<Duration>,
}

impl Pacer {
    /// A pacer that has sent nothing yet; `points_per_minute: None` means no limit on points.
    pub(super) fn new(points_per_minute: Option<u32>, reserve_percent: u8) -> Self {
        Self {
            points_per_minute,
            reserve_percent,
            under_way: 0,
            answered: VecDeque::new(),
            not_before: Duration::ZERO,
            quota: None,
            gap: None,
            last_change: None,
        }
    }

    /// Decides on one request, and counts it if it may go.
    pub(super) fn admit(&mut self, cost: Cost, now: Duration) -> Admission {
        if now < self.not_before {
            return Admission::Wait(self.not_before - now);
        }
        if let Some(quota) = self.quota {
            if now >= quota.resets_at {
                self.quota = None;
            } else if quota.remaining <= reserve(quota.limit, self.reserve_percent) {
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
        let allowed = self.points_per_minute?;
        while self.answered.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.answered.pop_front();
        }
        let spent = self.under_way + self.answered.iter().map(|(_, points)| points).sum::<u32>();
        let mut over = (spent + points).saturating_sub(allowed);
        if over == 0 {
            return None;
        }
        for (at, points) in &self.answered {
            over = over.saturating_sub(*points);
            if over == 0 {
                return Some(Admission::Wait(*at + WINDOW - now));
            }
        }
        if self.under_way > 0 {
            return Some(Admission::WaitForAnswer);
        }
        // a limit below the cost of one change still lets one through in an empty minute
        self.answered.back().map(|(at, _)| Admission::Wait(*at + WINDOW - now))
    }

    /// Takes in that an admitted request was answered, or came to nothing.
    pub(super) fn answered(&mut self, cost: Cost, now: Duration) {
        self.under_way = self.under_way.saturating_sub(cost.points());
        self.answered.push_back((now, cost.points()));
    }

    /// Takes in that an admitted request was not sent after all.
    pub(super) fn withdrawn(&mut self, cost: Cost) {
        self.under_way = self.under_way.saturating_sub(cost.points());
    }

    /// Takes in what an answer said of the primary limit. Answers overtake one another, so within
    /// one hour the lowest count holds.
    pub(super) fn observe(&mut self, quota: Quota) {
        let same_hour = |known: &Quota| known.resets_at.abs_diff(quota.resets_at) < Duration::from_secs(5);
        let remaining = match &self.quota {
            Some(known) if same_hour(known) => known.remaining.min(quota.remaining),
            _ => quota.remaining,
        };
        self.quota = Some(Quota { remaining, ..quota });
    }

    /// Takes in a limit answer: nothing goes for `wait`, and changes go slowly after it.
    pub(super) fn limited(&mut self, wait: Duration, now: Duration) {
        self.not_before = self.not_before.max(now + wait);
        self.gap = Some(SLOW_GAP);
    }

    /// Takes in a change that GitHub accepted.
    pub(super) fn succeeded(&mut self) {
        self.gap = self.gap.map(|gap| gap.mul_f32(0.95)).filter(|gap| *gap > SHORTEST_GAP);
    }

    /// What may still be spent of the primary limit, where GitHub told.
    pub(super) fn room(&self, now: Duration) -> Option<Room> {
        let quota = self.quota.filter(|quota| now < quota.resets_at)?;
        let requests = quota.remaining.saturating_sub(reserve(quota.limit, self.reserve_percent));
        Some(Room { requests, resets_in: quota.resets_at - now })
    }

    /// Requests left of the primary limit, where GitHub told.
    pub(super) fn quota_left(&self) -> Option<u64> {
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

    #[test]
    fn a_burst_of_180_changes_goes_at_once_and_the_next_waits_for_the_window() {
        let mut pacer = Pacer::new(Some(900), 10);
        for _ in 0..180 {
            assert_eq!(pacer.admit(Cost::Change, seconds(1)), Admission::Go);
        }
        assert_eq!(pacer.admit(Cost::Read, seconds(2)), Admission::WaitForAnswer);
        for _ in 0..180 {
            pacer.answered(Cost::Change, seconds(3));
        }
        assert_eq!(pacer.admit(Cost::Read, seconds(13)), Admission::Wait(seconds(50)));
        assert_eq!(pacer.admit(Cost::Change, seconds(63)), Admission::Go);
    }

    #[test]
    fn what_is_under_way_counts_however_long_it_takes() {
        let mut pacer = Pacer::new(Some(10), 0);
        assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
        assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
        pacer.answered(Cost::Change, seconds(1));
        assert_eq!(pacer.admit(Cost::Change, seconds(62)), Admission::Go);
        assert_eq!(pacer.admit(Cost::Change, seconds(62)), Admission::WaitForAnswer);
        pacer.withdrawn(Cost::Change);
        assert_eq!(pacer.admit(Cost::Change, seconds(62)), Admission::Go);
    }

    #[test]
    fn a_limit_below_the_cost_of_a_change_lets_one_through_a_minute() {
        let mut pacer = Pacer::new(Some(3), 0);
        assert_eq!(pacer.admit(Cost::Change, seconds(0)), Admission::Go);
        pacer.answered(Cost::Change, seconds(1));
        assert_eq!(pacer.admit(Cost::Change, seconds(2)), Admission::Wait(seconds(59)));
        assert_eq!(pacer.admit(Cost::Change, seconds(61)), Admission::Go);
    }

    #[test]
    fn no_minute_ever_holds_more_points_than_allowed() {
        let mut pacer = Pacer::new(Some(60), 0);
        let mut now = Duration::ZERO;
        let mut sent = Vec::new();
        for number in 0..200 {
            let cost = if number % 3 == 0 { Cost::Change } else { Cost::Read };
            while let Admission::Wait(wait) = pacer.admit(cost, now) {
                now += wait;
            }
            sent.push((now, cost.points()));
            pacer.answered(cost, now);
            now += Duration::from_millis(700);
        }
        for (start, _) in &sent {
            let minute = sent.iter().filter(|(at, _)| at >= start && *at < *start + WINDOW);
            assert!(minute.map(|(_, points)| points).sum::<u32>() <= 60);
        }
    }

    #[test]
    fn without_a_limit_on_points_nothing_waits() {
        let mut pacer = Pacer::new(None, 10);
        assert!((0..10_000).all(|_| pacer.admit(Cost::Change, Duration::ZERO) == Admission::Go));
    }

    #[test]
    fn the_reserve_of_the_primary_limit_is_left_for_others() {
        let mut pacer = Pacer::new(Some(900), 10);
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
    fn after_a_limit_answer_changes_go_one_a_second_and_speed_up() {
        let mut pacer = Pacer::new(Some(900), 10);
        pacer.limited(seconds(30), seconds(10));
        assert_eq!(pacer.admit(Cost::Read, seconds(15)), Admission::Wait(seconds(25)));
        assert_eq!(pacer.admit(Cost::Change, seconds(40)), Admission::Go);
        assert_eq!(pacer.admit(Cost::Change, seconds(40)), Admission::Wait(seconds(1)));
        assert_eq!(pacer.admit(Cost::Read, seconds(40)), Admission::Go);
        for _ in 0..100 {
            pacer.succeeded();
        }
        assert_eq!(pacer.admit(Cost::Change, seconds(40)), Admission::Go);
    }
}
