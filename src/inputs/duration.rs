//! Spans of time as the inputs write them: `30d`, `1d12h`, `2 weeks`.
//!
//! jiff reads them; what it allows beyond our units is refused, since a span that means something
//! else than the user thinks would delete too much: clock forms, ISO 8601, fractions, the past.

use jiff::{SignedDuration, Span};

/// How a span is written, for messages.
pub(super) const FORMS: &str = "write it like 90s, 15m, 12h, 30d, 2w, 3mo, 1y, 1d12h or 30 days";

/// Reads a span. A month has 30 days and a year 365, so that a span is the same all year round.
pub(super) fn parse(text: &str) -> Result<SignedDuration, String> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return Err(format!("{text} has no unit: did you mean {text}d? Otherwise {FORMS}"));
    }
    if text.contains('M') {
        return Err(format!("M could be months or minutes: write mo or m. In general, {FORMS}"));
    }
    let lower = text.to_ascii_lowercase();
    // a number, a unit, and nothing but blanks between: no sign, no fraction, no clock
    let plain = lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if !plain || !lower.starts_with(|first: char| first.is_ascii_digit()) || lower.contains("ago") {
        return Err(format!("{text} is not a span of time: {FORMS}"));
    }
    if ["ms", "milli", "us", "micro", "ns", "nano"].iter().any(|unit| lower.contains(unit)) {
        return Err(format!("{text} has a unit below a second: {FORMS}"));
    }
    let span: Span = lower.parse().map_err(|_| format!("{text} is not a span of time: {FORMS}"))?;
    let days = i64::from(span.get_years()) * 365
        + i64::from(span.get_months()) * 30
        + i64::from(span.get_weeks()) * 7
        + i64::from(span.get_days());
    let parts =
        [(days, 86_400), (i64::from(span.get_hours()), 3_600), (span.get_minutes(), 60), (span.get_seconds(), 1)];
    parts
        .iter()
        .try_fold(0_i64, |sum, (count, seconds)| sum.checked_add(count.checked_mul(*seconds)?))
        .map(SignedDuration::from_secs)
        .ok_or_else(|| format!("{text} is too long"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn spans_with_a_unit_are_read() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("15 min", 900),
            ("12h", 43_200),
            ("12 hours", 43_200),
            ("30d", 2_592_000),
            ("30 days", 2_592_000),
            ("1 day", 86_400),
            ("2w", 1_209_600),
            ("2 weeks", 1_209_600),
            ("3mo", 7_776_000),
            ("1 month", 2_592_000),
            ("1y", 31_536_000),
            ("1 year", 31_536_000),
            ("1d12h", 129_600),
            ("1d 12h", 129_600),
            (" 1 day 12 hours ", 129_600),
        ] {
            assert_eq!(parse(text).map(|span| span.as_secs()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "30",
            "0",
            "-3d",
            "- 3d",
            "30 days ago",
            "P30D",
            "PT1H",
            "12:00:00",
            "1d 12:00:00",
            "1.5h",
            "1,5h",
            "500ms",
            "0ms",
            "0 nanoseconds",
            "1M",
            "d",
            "d30",
            "3 fortnights",
            "30dd",
            "1d1d",
            "1h1d",
            "99999999999999999999d",
            "5000000000y",
            "+3d",
        ] {
            assert!(parse(text).is_err(), "{text:?} became {:?}", parse(text));
        }
    }

    #[test]
    fn a_bare_number_is_answered_with_the_nearest_form() {
        assert!(parse("30").is_err_and(|error| error.contains("did you mean 30d?")));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_or_negative(text in "[-+0-9a-zA-Z .,:]{0,24}") {
            proptest::prop_assert!(parse(&text).is_ok_and(|span| !span.is_negative()) || parse(&text).is_err());
        }
    }
}
