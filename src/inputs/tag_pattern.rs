//! The regexes of `tags` and `exclude-tags`: they match whole tags, and have to be able to.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// One line of `tags` or `exclude-tags`: a regex, and the same regex anchored at both ends.
#[derive(Clone, Debug)]
pub struct TagPattern {
    text: String,
    full: Regex,
    part: Regex,
}

impl TagPattern {
    /// Reads a pattern of the `regex` crate's syntax.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let part = compile(text).map_err(|error| match error.contains("look-around") {
            true => format!("{error}: what must not match goes into exclude-tags"),
            false => format!("{error} (patterns are regular expressions: what a shell writes * is .* here)"),
        })?;
        let parsed = regex_syntax::parse(text).map_err(|error| one_line(&error.to_string()))?;
        // anchored as a parsed expression: in the text, an alternation or a comment would get in the way
        let anchored = Hir::concat(vec![Hir::look(Look::Start), parsed, Hir::look(Look::End)]);
        Ok(Self { text: text.to_owned(), full: compile(&anchored.to_string())?, part })
    }

    /// The pattern as the user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole tag matches.
    pub fn matches(&self, tag: &str) -> bool {
        self.full.is_match(tag)
    }

    /// Whether something in the tag matches.
    pub fn occurs_in(&self, tag: &str) -> bool {
        self.part.is_match(tag)
    }
}

/// Compiles a regex, with an error that fits on one line.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| one_line(&error.to_string()))
}

/// The last line of the regex crate's drawing is the reason.
fn one_line(message: &str) -> String {
    let last = message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it does not parse");
    last.trim().trim_start_matches("error: ").to_owned()
}

/// A character that every match must hold and no tag of a container can, if there is one: such a
/// pattern matches nothing, and was meant otherwise.
///
/// A tag is of letters, digits, `_`, `.` and `-` (OCI distribution specification, "Pulling manifests").
pub(super) fn impossible_in_a_tag(text: &str) -> Option<char> {
    required(&regex_syntax::parse(text).ok()?)
}

fn required(expression: &Hir) -> Option<char> {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).ok()?.chars().find(|character| !in_a_tag(*character))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let possible = class.ranges().iter().any(|range| {
                (' '..='~')
                    .any(|character| in_a_tag(character) && range.start() <= character && character <= range.end())
            });
            if possible { None } else { class.ranges().first().map(|range| range.start()) }
        }
        HirKind::Class(Class::Bytes(_)) => None,
        HirKind::Repetition(repetition) if repetition.min == 0 => None,
        HirKind::Repetition(repetition) => required(&repetition.sub),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Concat(parts) => parts.iter().find_map(required),
        HirKind::Alternation(branches) => {
            let first = required(branches.first()?);
            first.filter(|_| branches.iter().all(|branch| required(branch).is_some()))
        }
    }
}

fn in_a_tag(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_tag_or_not_at_all() {
        for (pattern, tag, matches) in [
            ("v1", "v1", true),
            ("v1", "v1.2", false),
            ("v1", "xv1", false),
            ("a|ab", "ab", true),
            ("a|ab", "abc", false),
            ("^a$|b", "b", true),
            ("(?x) a # the letter", "a", true),
            ("(?x) a # the letter", "ab", false),
            ("(?i)RC", "rc", true),
            ("pr-.*", "pr-", true),
            (r"v\d{1,3}", "v123", true),
            (r"v\d{1,3}", "v1234", false),
            ("(?m)^a$", "a\nb", false),
            ("", "", true),
            ("", "a", false),
        ] {
            let read = TagPattern::new(pattern).expect(pattern);
            assert_eq!(read.matches(tag), matches, "{pattern} on {tag}");
        }
    }

    #[test]
    fn a_character_that_no_tag_can_hold_is_found_where_every_match_needs_it() {
        for (pattern, found) in [
            ("v1,v2", Some(',')),
            ("pr-/.*", Some('/')),
            ("a b", Some(' ')),
            ("(v1,v2)+", Some(',')),
            ("a,|b,", Some(',')),
            ("a,|b", None),
            ("(a,)?b", None),
            (r"v\d{1,3}", None),
            ("[,/]", Some(',')),
            ("[,x]", None),
            (".*", None),
            ("[^/]+", None),
            (r"\s", Some('\t')),
        ] {
            assert_eq!(impossible_in_a_tag(pattern), found, "{pattern}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_pattern_fits_on_one_line() {
        for pattern in ["(", "[z-a]", "a(?=b)", "*", r"\p{Nonsense}", "(a{1000}){1000}"] {
            let error = TagPattern::new(pattern).expect_err(pattern);
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
        assert!(TagPattern::new("a(?=b)").is_err_and(|error| error.contains("goes into exclude-tags")));
        assert!(TagPattern::new("*").is_err_and(|error| error.contains("is .* here")));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = (TagPattern::new(&text), impossible_in_a_tag(&text));
        }
    }
}
