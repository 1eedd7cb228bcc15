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
#[cfg(test)]
mod tests;

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
/// It does not shrink slower than this.
const LEAST_SPEED_UP: f32 = 0.001;
/// The first wait after a limit answer that names none; doubled each time.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
/// No answer's wait is taken to be longer than this: whatever a server says, sums of it stay in range.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);
/// The least wait after a limit answer, doubled with each in a row: whoever asks for a moment may
/// mean it, but not twenty times.
const LEAST_WAIT: Duration = Duration::from_millis(10);
/// How long limit answers may come in a row before the run stops: a server that never lets anything
/// through must not hold a job for ever.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

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
    /// The same as the server names it, in seconds: by this, answers of one hour are known.
    pub(crate) reset: u64,
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
    /// Not before this long has passed, because of the limit on points or the pause between changes.
    Wait(Duration),
    /// Not before this long has passed, since a limit answer asked for it.
    WaitForLimit(Duration),
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
    /// Limit answers since the last read, and since the last change, that was let through: how many,
    /// and since when.
    limits: [Option<(u32, Duration)>; 2],
    /// Whether half of the points of a minute is left alone.
    spares_half: bool,
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
            limits: [None, None],
            spares_half: false,
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
            return Admission::WaitForLimit(self.not_before - now);
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
        let allowed = if self.spares_half { allowed / 2 } else { allowed };
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

    /// Takes in what an answer said of the primary limit, before it has [`Self::ended`]. Answers
    /// overtake one another, so within one hour the lowest count holds; of a new one, what is in
    /// flight besides may not be counted yet.
    pub(crate) fn observe(&mut self, quota: Quota) {
        let remaining = match &self.quota {
            Some(known) if known.reset == quota.reset => known.remaining.min(quota.remaining),
            _ => quota.remaining.saturating_sub(self.in_flight.saturating_sub(1) as u64),
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
        self.limits[cost as usize] = None;
        if cost == Cost::Change {
            let speed_up = self.speed_up;
            self.gap = self.gap.map(|gap| gap.mul_f32(1.0 - speed_up)).filter(|gap| *gap > SHORTEST_GAP);
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
        let (count, since) = self.limits[cost as usize].get_or_insert((0, now));
        // what was in flight together meets the limit together, and that is one time
        if now >= self.not_before || *count == 0 {
            *count += 1;
            self.gap = Some(SLOW_GAP);
            self.speed_up = (self.speed_up / 2.0).max(LEAST_SPEED_UP);
        }
        let doubled = |wait: Duration| wait.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1)));
        let unasked = || doubled(LIMIT_WAIT).mul_f32(1.0 + jitter * 0.1);
        let least = doubled(LEAST_WAIT).min(LIMIT_WAIT);
        let wait = asked.map_or_else(unasked, |asked| asked.max(least)).min(LONGEST_WAIT);
        if asked.is_some() && now.saturating_sub(*since) > PATIENCE {
            return None;
        }
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

    /// How long until so many changes and so many reads could have gone, if nothing else goes but a
    /// listing of so many pages a minute: rather too long than too short.
    pub(crate) fn time_for(&self, changes: u32, reads: u32, pages: u32, now: Duration) -> Duration {
        let begins_in = self.not_before.saturating_sub(now);
        let slowly = self.gap.map_or(Duration::ZERO, |gap| gap.saturating_mul(changes));
        let by_points = self.bounds.points_per_minute.map_or(Duration::ZERO, |allowed| {
            let recent = self.answered.iter().filter(|(at, _)| *at + WINDOW > now).map(|(_, points)| points);
            let spent = self.under_way + recent.sum::<u32>();
            let needed = changes.saturating_mul(Cost::Change.points()).saturating_add(reads);
            let free = allowed.saturating_sub(spent);
            let a_minute = (allowed - pages.min(allowed / 2)).max(1);
            WINDOW.saturating_mul(needed.saturating_sub(free).div_ceil(a_minute))
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
