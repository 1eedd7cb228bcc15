//! The nearest valid word to one that is not.

/// The word most like a wrong one, if any is like it at all.
pub(super) fn nearest<'a>(wrong: &str, words: &[&'a str]) -> Option<&'a str> {
    // case and separators are what people get wrong first: DRY_RUN, dryrun
    let plain = |word: &str| word.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let wrong = plain(wrong);
    words
        .iter()
        .map(|word| (strsim::jaro_winkler(&plain(word), &wrong), *word))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_find_their_word_and_nonsense_finds_none() {
        let words = ["dry-run", "older-than", "tags", "exclude-tags", "keep-latest"];
        for (wrong, near) in [
            ("dryrun", Some("dry-run")),
            ("DRY_RUN", Some("dry-run")),
            ("older_then", Some("older-than")),
            ("tag", Some("tags")),
            ("keep-last", Some("keep-latest")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(wrong, &words), near, "{wrong}");
        }
    }
}
