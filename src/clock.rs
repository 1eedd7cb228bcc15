//! Time as something that is handed in, so that tests own it.

use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;

/// A source of time, and of waiting.
pub trait Clock {
    /// The wall clock, in UTC.
    fn now(&self) -> Timestamp;

    /// Time since the clock was made; never runs backwards.
    fn elapsed(&self) -> Duration;

    /// Waits this long.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()>;

    /// Waits for as long as something outside may take: what is over first, ends the other.
    fn patience(&self, duration: Duration) -> LocalBoxFuture<'_, ()>;
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else asks")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else asks")]
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn patience(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        self.sleep(duration)
    }
}
