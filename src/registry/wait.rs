//! How long the registry asks to wait, which it says in words.

use std::time::Duration;

/// The wait that ghcr.io puts into the message of a 429, as Go writes durations:
/// `retry-after: 1.16676ms, allowed: 44000/minute`.
pub(super) fn named_wait(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("retry-after: ")?;
    let text = rest.split([',', ' ']).next()?;
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at(unit_at);
        let unit_end = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let length = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * length;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_stands_in_the_message() {
        for (message, wait) in [
            ("TOOMANYREQUESTS retry-after: 1.16676ms, allowed: 44000/minute", Some(Duration::from_nanos(1_166_760))),
            ("retry-after: 1m30s", Some(Duration::from_secs(90))),
            ("retry-after: 2h, allowed: 1/day", Some(Duration::from_secs(7_200))),
            ("retry-after: soon", None),
            ("retry-after: 5", None),
            ("retry-after: -5s", None),
            ("slow down", None),
        ] {
            assert_eq!(named_wait(message), wait, "{message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_message_makes_it_panic(text in "retry-after: [0-9.smhµn ,-]{0,20}") {
            named_wait(&text);
        }
    }
}
