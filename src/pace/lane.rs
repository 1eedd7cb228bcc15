//! The way to one host: waits until the pacer lets a request go, or gives up.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::sync::Notify;

use super::{Admission, Bounds, Cost, Pacer, Quota};
use crate::{caller::Caller, clock::Clock, failure::FailureKind, retry::jitter, stop::Stop, tell::log::Log};

/// A wait this long is worth a line in the log.
const NOTEWORTHY: Duration = Duration::from_secs(5);

/// Everything that is sent to one host goes through here.
pub(crate) struct Lane {
    /// Whose limits these are, for the log.
    whose: &'static str,
    pacer: RefCell<Pacer>,
    an_answer: Notify,
    max_wait: Duration,
    /// Nothing is sent and no wait ends later than this.
    until: Cell<Duration>,
    sent: Cell<u64>,
    clock: Rc<dyn Clock>,
    stop: Stop,
    log: Rc<Log>,
}

/// A request that may go. It counts as sent from now on, whatever becomes of it.
pub(crate) struct Flight<'a> {
    lane: &'a Lane,
    cost: Cost,
    is_over: bool,
}

impl Flight<'_> {
    /// It is not sent after all.
    pub(crate) fn withdraw(mut self) {
        self.is_over = true;
        self.lane.pacer.borrow_mut().withdrawn(self.cost);
        self.lane.an_answer.notify_waiters();
    }

    /// It was answered, and the answer speaks of no limit.
    pub(crate) fn was_let_through(self) {
        self.lane.pacer.borrow_mut().let_through(self.cost, self.lane.clock.elapsed());
    }

    /// It met a rate limit, which asks for so long a wait, where it says. What is admitted after
    /// this waits as long.
    ///
    /// # Errors
    ///
    /// If that is longer than a run waits.
    pub(crate) fn was_limited(self, asked: Option<Duration>, message: &str) -> Result<(), FailureKind> {
        let Lane { pacer, clock, log, max_wait, .. } = self.lane;
        let now = clock.elapsed();
        let is_first = now >= pacer.borrow().not_before;
        let wait = pacer.borrow_mut().limited(self.cost, asked, jitter(), now);
        let wait = wait.ok_or(FailureKind::Limit(Duration::ZERO))?;
        if wait > *max_wait {
            return Err(FailureKind::Limit(wait));
        }
        let told = format!("{} rate limit: waiting {:.0} s ({message})", self.lane.whose, wait.as_secs_f32());
        match is_first && wait >= NOTEWORTHY {
            true => log.line(&told),
            false => log.debug(&told),
        }
        Ok(())
    }
}

impl Drop for Flight<'_> {
    /// Also where nobody waits for the answer any more: it was sent, and the host counts it.
    fn drop(&mut self) {
        if !self.is_over {
            self.lane.pacer.borrow_mut().ended(self.cost, self.lane.clock.elapsed());
            self.lane.an_answer.notify_waiters();
        }
    }
}

/// Half of the points are spared as long as this lives.
struct Spared<'a>(&'a Lane);

impl Drop for Spared<'_> {
    fn drop(&mut self) {
        self.0.pacer.borrow_mut().spares_half = false;
    }
}

impl Lane {
    /// A way that nothing was sent on yet.
    pub(crate) fn new(whose: &'static str, bounds: Bounds, caller: &Caller) -> Self {
        let Caller { pace, clock, stop, log, .. } = caller.clone();
        Self {
            whose,
            pacer: RefCell::new(Pacer::new(bounds)),
            an_answer: Notify::new(),
            max_wait: pace.max_wait.unsigned_abs(),
            until: Cell::new(Duration::MAX),
            sent: Cell::new(0),
            clock,
            stop,
            log,
        }
    }

    /// Sends nothing later than this, by [`Clock::elapsed`].
    pub(crate) fn close_at(&self, until: Duration) {
        self.until.set(until);
    }

    /// Waits until the limits let one more request through, and until a flight is free.
    ///
    /// # Errors
    ///
    /// If it would have to wait for longer than the run may, or the run was asked to stop: then
    /// nothing that changes anything is sent any more, and no wait goes on.
    pub(crate) async fn admit(&self, cost: Cost) -> Result<Flight<'_>, FailureKind> {
        loop {
            if cost == Cost::Change && self.stop.is_asked() {
                return Err(FailureKind::Stopped);
            }
            if self.clock.elapsed() > self.until.get() {
                return Err(FailureKind::OutOfTime);
            }
            // begun before the question, so that no answer in between goes unnoticed
            let an_answer = self.an_answer.notified();
            let admission = self.pacer.borrow_mut().admit(cost, self.clock.elapsed());
            match admission {
                Admission::Go => {
                    self.sent.set(self.sent.get() + 1);
                    return Ok(Flight { lane: self, cost, is_over: false });
                }
                Admission::Wait(wait) => self.wait(wait).await?,
                Admission::WaitForAnswer => tokio::select! {
                    biased;
                    () = self.stop.asked() => return Err(FailureKind::Stopped),
                    () = an_answer => {}
                },
                Admission::WaitForLimit(wait) | Admission::WaitForReset(wait) if wait > self.max_wait => {
                    return Err(FailureKind::Limit(wait));
                }
                Admission::WaitForLimit(wait) => self.wait(wait).await?,
                Admission::WaitForReset(wait) => {
                    if wait >= NOTEWORTHY {
                        let share = "the share of the hourly limit that this job may use is spent";
                        self.log.line(&format!("{} {share}: waiting {} s for the reset", self.whose, wait.as_secs()));
                    }
                    self.wait(wait).await?;
                }
            }
        }
    }

    /// Waits, but no longer than until the run is asked to stop.
    ///
    /// # Errors
    ///
    /// If it was asked to stop, or if the wait would be over too late.
    pub(crate) async fn wait(&self, wait: Duration) -> Result<(), FailureKind> {
        if self.clock.elapsed().saturating_add(wait) > self.until.get() {
            return Err(FailureKind::OutOfTime);
        }
        tokio::select! {
            biased;
            () = self.stop.asked() => Err(FailureKind::Stopped),
            () = self.clock.sleep(wait) => Ok(()),
        }
    }

    /// Takes in what an answer said of the primary limit.
    pub(crate) fn observe(&self, quota: Quota) {
        self.pacer.borrow_mut().observe(quota);
    }

    /// Leaves half of the points of a minute alone as long as this is kept, for what comes after it.
    pub(crate) fn spare_half(&self) -> impl Drop {
        self.pacer.borrow_mut().spares_half = true;
        Spared(self)
    }

    /// Whether a listing of so many pages leaves less than half of the points of its last minute.
    pub(crate) fn leaves_little_after(&self, pages: usize) -> bool {
        let allowed = self.pacer.borrow().bounds.points_per_minute;
        let of_last_minute = |allowed: usize| pages.saturating_sub(1) % allowed.max(1) + 1;
        allowed.is_some_and(|allowed| of_last_minute(allowed as usize) > allowed as usize / 2)
    }

    /// How long so many changes take, with a listing of so many pages every minute and so many reads
    /// besides: by the points, by what the primary limit has left, and by the longest wait.
    ///
    /// # Errors
    ///
    /// If the limit does not hold them.
    pub(crate) fn time_for(&self, changes: usize, pages: usize, reads: usize) -> Result<Duration, FailureKind> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let now = self.clock.elapsed();
        let time = self.pacer.borrow().time_for(count(changes), count(reads), count(pages), now);
        let looks = usize::try_from(time.as_secs() / 60).unwrap_or(usize::MAX);
        let requests = pages.saturating_mul(looks).saturating_add(changes).saturating_add(reads);
        Ok(time.saturating_add(self.has_room_for(requests as u64)?))
    }

    /// Whether so many requests can be sent within the primary limit, its reserve and the longest wait.
    ///
    /// # Errors
    ///
    /// If they cannot: the time until the limit resets. Returns how long they have to wait for that.
    pub(crate) fn has_room_for(&self, requests: u64) -> Result<Duration, FailureKind> {
        match self.pacer.borrow().room(self.clock.elapsed()) {
            Some(room) if room.requests >= requests => Ok(Duration::ZERO),
            Some(room) if room.resets_in > self.max_wait => Err(FailureKind::Limit(room.resets_in)),
            Some(room) => Ok(room.resets_in),
            None => Ok(Duration::ZERO),
        }
    }

    /// How many requests may still be sent, if they are counted and there are no more soon.
    pub(crate) fn requests_left(&self) -> Option<u64> {
        let room = self.pacer.borrow().room(self.clock.elapsed());
        room.filter(|room| room.resets_in > self.max_wait).map(|room| room.requests)
    }

    /// How many requests are sent and not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.pacer.borrow().in_flight
    }

    /// How many requests were let go so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Requests left of the primary limit, where it was told.
    pub(crate) fn quota_left(&self) -> Option<u64> {
        self.pacer.borrow().quota_left()
    }
}
