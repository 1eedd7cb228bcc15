//! What to do about an answer, or the lack of one: take it, wait and ask again, or give up.
//! A decision without a clock of its own.
//!
//! Every call here may be repeated: reads change nothing, and a repeated deletion or restoration
//! finds what the first one did.

use std::time::Duration;

/// The waits between the attempts after a fault: five repetitions over about half a minute.
const FAULT_WAITS: [u64; 5] = [1, 2, 4, 8, 16];

/// What of an answer decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How long the answer asks to wait, where it says (`retry-after`).
    pub(crate) retry_after: Option<Duration>,
    /// The header `x-ratelimit-remaining`.
    pub(crate) remaining: Option<u64>,
    /// How long until the primary limit resets, from `x-ratelimit-reset` and `date`.
    pub(crate) resets_in: Option<Duration>,
    /// GitHub's message, if the body has one.
    pub(crate) message: &'a str,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An answer.
    Answer,
    /// The server had a fault: ask again as after no answer at all.
    Fault,
    /// A rate limit, and how long a wait it asks for, where it does.
    Limit(Option<Duration>),
}

/// How often one call has met a fault.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    faults: usize,
}

impl Attempts {
    /// How long to wait after an attempt that brought no usable answer (a network error, a server
    /// error, a cut-off body, a 200 that is not what was promised). `None` when it is time to
    /// give up. `jitter` is between 0 and 1.
    pub(crate) fn after_fault(&mut self, jitter: f32) -> Option<Duration> {
        let wait = FAULT_WAITS.get(self.faults)?;
        self.faults += 1;
        Some(Duration::from_secs(*wait).mul_f32(1.0 + jitter * 0.1))
    }
}

/// What an answer is: for a limit, how long it asks to wait, or how long until the reset.
pub(crate) fn meaning(seen: Seen<'_>) -> Meaning {
    if is_limit(seen) {
        let reset = seen.resets_in.filter(|_| seen.remaining == Some(0)).map(|wait| wait + Duration::from_secs(1));
        return Meaning::Limit(seen.retry_after.or(reset));
    }
    if seen.status >= 500 || seen.status == 408 {
        return Meaning::Fault;
    }
    Meaning::Answer
}

/// A random share between 0 and 1, so that many jobs do not come back at the same moment.
pub(crate) fn jitter() -> f32 {
    getrandom::u32().map_or(0.5, |random| random as f32 / u32::MAX as f32)
}

/// Whether an answer speaks of a rate limit and not of a missing right: both come as 403.
fn is_limit(seen: Seen<'_>) -> bool {
    let says_so = || {
        let message = seen.message.to_ascii_lowercase();
        message.contains("secondary rate") || message.contains("api rate limit exceeded")
    };
    match seen.status {
        429 => true,
        403 => seen.retry_after.is_some() || seen.remaining == Some(0) || says_so(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16) -> Seen<'static> {
        Seen { status, retry_after: None, remaining: Some(4000), resets_in: None, message: "" }
    }

    #[test]
    fn a_server_error_is_repeated_five_times_over_half_a_minute() {
        assert_eq!(meaning(seen(500)), Meaning::Fault);
        let mut attempts = Attempts::default();
        let waits: Vec<_> = std::iter::from_fn(|| attempts.after_fault(0.0)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16]);
    }

    #[test]
    fn limits_and_missing_rights_are_told_apart() {
        let limit = |seen: Seen<'_>| matches!(meaning(seen), Meaning::Limit(_));
        assert!(!limit(Seen { message: "Resource not accessible by integration", ..seen(403) }));
        assert!(!limit(Seen { message: "You need at least read:packages scope to list packages.", ..seen(403) }));
        assert!(limit(Seen { message: "You have exceeded a secondary rate limit. Please wait.", ..seen(403) }));
        assert!(limit(Seen { message: "API rate limit exceeded for installation ID 1.", ..seen(403) }));
        assert!(limit(Seen { remaining: Some(0), ..seen(403) }));
        assert!(limit(Seen { retry_after: Some(Duration::from_secs(60)), ..seen(403) }));
        assert!(limit(seen(429)));
        assert!(!limit(seen(404)));
    }

    #[test]
    fn the_wait_is_what_the_answer_names_or_the_reset() {
        let named = Seen { retry_after: Some(Duration::from_secs(7)), remaining: Some(0), ..seen(429) };
        assert_eq!(meaning(named), Meaning::Limit(Some(Duration::from_secs(7))));
        let reset = Seen { remaining: Some(0), resets_in: Some(Duration::from_secs(99)), ..seen(403) };
        assert_eq!(meaning(reset), Meaning::Limit(Some(Duration::from_secs(100))));
        assert_eq!(meaning(seen(429)), Meaning::Limit(None));
    }
}
