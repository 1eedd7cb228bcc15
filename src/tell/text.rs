//! Text from elsewhere, made safe for its place: one line, no workflow command, no markup.

use std::{borrow::Cow, fmt::Write};

use crate::model::subject_of_fallback_tag;

/// One line that shows everything: what would move the cursor, turn the writing direction round
/// or not be seen at all is shown by its code point.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) {
            // writing to a String cannot fail
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown.into()
}

/// Controls, line separators, joiners, direction marks, and tags (Unicode categories Cc, Cf, Zl, Zp).
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xAD | 0x061C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB
                | 0xE0000..=0xE007F
        )
}

/// A number and what it counts: `1 version`, `2 versions`.
pub fn counted(number: usize, of_what: &str) -> String {
    if number == 1 { format!("1 {of_what}") } else { format!("{number} {of_what}s") }
}

/// At most this many characters, the last one saying that there are more.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some(_) => format!("{}…", text.chars().take(most.saturating_sub(1)).collect::<String>()).into(),
    }
}

/// A line of the log that starts no workflow command: neither `::name::` at its start nor the
/// older `##[name]` anywhere
/// (actions/runner, `ActionCommand.cs`; <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).
pub fn log_line(text: &str) -> String {
    let text = printable(text).replace("##[", "# #[");
    if text.trim_start().starts_with("::") { format!(". {text}") } else { text }
}

/// The data of a workflow command. A line break becomes `%0A`, which the runner shows as one.
pub fn command_data(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| printable(line).replace('%', "%25").replace("##[", "# #[")).collect();
    lines.join("%0A")
}

/// Text in Markdown, a table's cell or HTML alike: nothing in it can start markup, a link, a
/// mention or a new cell, since everything but letters, digits and a few harmless signs is
/// written as a character reference (CommonMark, section 2.5: references stand for text only).
pub fn html(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len() + text.len() / 4);
    let mut characters = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((place, character)) = characters.next() {
        let after = characters.peek().map_or(' ', |(_, character)| *character);
        // inside a word these join (1.2.3, a_b, sha256:ab, repository/image): no emphasis, no
        // list and no address can start there, but for www.
        let joins = matches!(character, '.' | '_' | ':' | '/' | '+' | '=')
            && before.is_alphanumeric()
            && after.is_alphanumeric()
            && !ends_with_www(&text[..place]);
        let harmless = character.is_alphanumeric() || matches!(character, ' ' | '-' | ',' | '(' | ')' | '%' | '…');
        if harmless || joins {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "&#{};", u32::from(character));
        }
        before = character;
    }
    escaped
}

fn ends_with_www(text: &str) -> bool {
    text.len().checked_sub(3).and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// A digest as people tell them apart, anything else as it is.
pub fn short_name(name: &str) -> Cow<'_, str> {
    let digest = name.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii());
    match digest {
        Some(hex) => format!("sha256:{}", &hex[..12]).into(),
        None => shorten(name, 80),
    }
}

/// Tags as a list for people; of a fallback tag the digest is shortened, not what follows it.
pub fn tag_list(tags: &[String]) -> String {
    let short = |tag: &String| match (subject_of_fallback_tag(tag), tag.get(..19), tag.get(71..)) {
        (Some(_), Some(start), Some(suffix)) => format!("{start}…{suffix}"),
        _ => tag.clone(),
    };
    tags.iter().map(short).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hidden_characters_are_shown_by_their_code_point() {
        assert_eq!(printable("v1\u{202e}gnp.1\r\n\t\u{200b}"), "v1\\u{202e}gnp.1\\u{d}\\u{a}\\u{9}\\u{200b}");
        assert_eq!(printable("größer-1.0 日本"), "größer-1.0 日本");
    }

    #[test]
    fn nothing_is_cut_silently() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
        assert_eq!(short_name("1.0.0"), "1.0.0");
        assert_eq!(short_name(&format!("sha256:{}", "ab".repeat(32))), "sha256:abababababab");
    }

    #[test]
    fn a_fallback_tag_is_told_by_the_start_of_its_digest_and_by_its_suffix() {
        let tags = ["v1".to_owned(), format!("sha256-{}.sig", "ab".repeat(32)), format!("sha256-{}", "cd".repeat(32))];
        assert_eq!(tag_list(&tags), "v1, sha256-abababababab….sig, sha256-cdcdcdcdcdcd…");
    }

    #[test]
    fn markup_of_every_kind_becomes_text() {
        assert_eq!(html("<b>|`*_[x](y)"), "&#60;b&#62;&#124;&#96;&#42;&#95;&#91;x&#93;(y)");
        assert_eq!(html("https://x www.x @me #1"), "https&#58;&#47;&#47;x www&#46;x &#64;me &#35;1");
        assert_eq!(html("v1.2.3 a_b sha256:ab r/i"), "v1.2.3 a_b sha256:ab r/i");
        assert_eq!(html("_a_ 1. x// :b: WWW.x"), "&#95;a&#95; 1&#46; x&#47;&#47; &#58;b&#58; WWW&#46;x");
    }

    proptest! {
        #[test]
        fn no_text_starts_a_workflow_command(text in r"(?s)[ \t:#\[\]a-z%\r\n]{0,40}|.{0,40}") {
            let line = log_line(&text);
            prop_assert!(!line.contains('\n') && !line.contains('\r') && !line.contains("##["));
            prop_assert!(!line.trim_start().starts_with("::"));
            let data = command_data(&text);
            prop_assert!(!data.contains('\n') && !data.contains('\r') && !data.contains("##["));
        }

        #[test]
        fn no_text_starts_markup(text in "(?s).{0,60}") {
            let escaped = html(&text);
            for sign in ['<', '>', '|', '`', '*', '[', ']', '"', '\'', '\\', '@', '\n', '\r', '~', '!', '$'] {
                prop_assert!(!escaped.contains(sign), "{escaped}");
            }
            prop_assert!(!escaped.contains("://") && !escaped.contains("www."));
        }
    }
}
