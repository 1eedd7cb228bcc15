//! The `Link` header: where the next page of a listing is, and the last.
//!
//! See RFC 8288, section 3, and <https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api>.

/// The target of the first link with this relation.
///
/// Relations are compared as whole words and without case; what stands inside a target or a
/// quoted value can never be taken for one.
pub(super) fn target<'a>(header: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        let (is_it, after) = parameters_say(after, relation);
        if is_it {
            return Some(target);
        }
        rest = after;
    }
    None
}

/// Reads the parameters of one link, up to the comma that ends it; returns what follows.
fn parameters_say<'a>(text: &'a str, relation: &str) -> (bool, &'a str) {
    let mut is_it = false;
    let mut rest = text.trim_start();
    while let Some(after) = rest.strip_prefix(';') {
        let name_end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let (name, mut tail) = after.split_at(name_end);
        if let Some(value_text) = tail.strip_prefix('=') {
            let (value, after_value) = value(value_text.trim_start());
            if name.trim().eq_ignore_ascii_case("rel") {
                is_it |= value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(relation));
            }
            tail = after_value;
        }
        rest = tail.trim_start();
    }
    (is_it, rest.strip_prefix(',').unwrap_or(rest))
}

/// A token or a quoted string, and what follows it. Backslash escapes do not occur in relations.
fn value(text: &str) -> (&str, &str) {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => text.split_at(text.find([';', ',']).unwrap_or(text.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn the_last_page_is_found_the_same_way() {
        let header = r#"<https://a/?page=2>; rel="next", <https://a/?page=33>; rel="last""#;
        assert_eq!((target(header, "last"), target(header, "prev")), (Some("https://a/?page=33"), None));
    }

    #[test]
    fn the_next_page_is_found_by_its_relation_alone() {
        for (header, expected) in [
            ("", None),
            (r#"<https://a/?page=2>; rel="next""#, Some("https://a/?page=2")),
            (r#"<https://a/?page=2>; rel=next, <https://a/?page=3>; rel="last""#, Some("https://a/?page=2")),
            (r#"<https://a/?page=1>; rel="prev", <https://a/?page=1>; rel="first""#, None),
            (
                r#"<https://a/?page=1>; rel="prev", <https://a/?page=3>; title="x, y"; rel="last next""#,
                Some("https://a/?page=3"),
            ),
            // the words of the relations may stand in the address of a package
            (r#"<https://a/preview-last%2Ffirst-next/versions?page=1>; rel="prev""#, None),
            (r#"<https://a/;rel="next">; rel="prev""#, None),
            (r#"<https://a/?page=2>; rel="nextish""#, None),
            (r#"<https://a/?page=2>; title="rel=next"; REL="Next""#, Some("https://a/?page=2")),
            ("<https://a/", None),
            (r#"<https://a/>; rel="next"#, Some("https://a/")),
            ("<https://a/>;;;=,,;rel", None),
        ] {
            assert_eq!(target(header, "next"), expected, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(header in r#"[<>;,="a-z \\]{0,40}"#) {
            target(&header, "next");
        }
    }
}
