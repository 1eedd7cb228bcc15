//! Why a version goes or stays: one reason each, one line, that names what decided.

use std::fmt;

use jiff::SignedDuration;

/// What decided on a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All its tags match `tags`: these patterns took part.
    TagsMatch(Vec<String>),
    /// It is tagged, and `tag-status` asks for no more.
    Tagged,
    /// It has no tag, and `tag-status` asks for such.
    Untagged,
    /// `version-ids` names it.
    Named,
    /// It was deleted within this time.
    DeletedWithin(SignedDuration),
    /// What the report said of it that is carried out.
    AsPlanned(String),
    /// The report that is carried out does not know it.
    NotPlanned,
    /// It is not any more what the report planned, for this reason.
    Differs(String),
    /// It, or what decides on it, changed since the plan was made.
    Changed,
    /// `target: packages` takes its package.
    WholePackage,
    /// Its package stays as a whole, for this reason.
    PackageStays(String),
    /// The run whose report is undone deleted it.
    Undone,
    /// The run whose report is undone only took tags off it, and it was deleted since.
    GoneSince,
    /// The run whose report is undone took these tags off it.
    TagsComeBack(Vec<String>),
    /// `version-ids` names others.
    NotNamed,
    /// No tag of it matches `tags`.
    NoTagMatches,
    /// Only some of its tags match `tags`.
    SomeTagsMatch {
        /// Those that match.
        matching: Vec<String>,
        /// Those that do not.
        others: Vec<String>,
    },
    /// It has no tag, and only tagged versions are asked for.
    NotTagged,
    /// It has tags, and only untagged versions are asked for.
    NotUntagged,
    /// `exclude-tags` protects it.
    Excluded {
        /// The tag that matches.
        tag: String,
        /// The pattern it matches.
        pattern: String,
    },
    /// It is untagged and younger than `untagged-grace`: a push may be under way.
    UntaggedGrace(SignedDuration),
    /// `keep-latest` spares it: it is among the newest this many of its group.
    Latest {
        /// The value of `keep-latest`.
        keep: usize,
        /// What names the group, where there are several.
        group: Option<String>,
    },
    /// `group-by` matches none of its tags.
    Ungrouped,
    /// It is younger than `older-than`.
    TooYoung(SignedDuration),
    /// It was deleted longer ago than `deleted-within`, or nobody knows when.
    DeletedEarlier(SignedDuration),
    /// The same version was pushed and deleted again later.
    DeletedAgain,
    /// The package would come back as a whole, and something of it may not.
    PackageStaysDeleted(String),
    /// It is not deleted, so there is nothing to restore.
    NotDeleted,
    /// GitHub did not say what tags it has.
    TagsUnknown,
    /// GitHub did not say, in a form that can be read, when it was pushed or changed.
    AgeUnknown,
    /// It hangs on a fallback tag, and goes or stays with the version of this digest.
    RefersTo(String),
    /// It goes because the image of this name goes.
    PartOf(String),
    /// What stays under this name needs it.
    NeededBy(String),
    /// Only these of its tags match `tags`, and these stay.
    TagsGo {
        /// The tags to take off.
        going: Vec<String>,
        /// The tags that stay.
        staying: Vec<String>,
    },
    /// It is an index, and none of so many children is there.
    Ghost(usize),
    /// It is an index, and some of its children are not there.
    Partial {
        /// Children that are not there.
        missing: usize,
        /// All children.
        of: usize,
    },
    /// What it refers to is gone.
    Orphaned(Vec<String>),
    /// The rules pick it, and the package is left alone as a whole.
    Held,
    /// Nothing is asked for: an inventory only tells.
    NothingAsked,
    /// Only litter is asked for, and it is none.
    NotSwept,
    /// It is listed, and the registry says that there is no such manifest.
    Dangling,
    /// `limit` leaves it for the next run.
    Limit(usize),
    /// It is the newest tagged image of a package in which no other would be left.
    LastTaggedImage,
    /// It is the newest version of a package in which none would be left.
    LastVersion,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TagsMatch(patterns) => write!(formatter, "tags match {}", patterns.join(", ")),
            Self::Tagged => write!(formatter, "tagged (tag-status)"),
            Self::Untagged => write!(formatter, "untagged (tag-status)"),
            Self::Named => write!(formatter, "named in version-ids"),
            Self::DeletedWithin(span) => write!(formatter, "deleted within the last {}", in_words(*span)),
            Self::AsPlanned(reason) => formatter.write_str(reason),
            Self::NotPlanned => write!(formatter, "not in the report that is carried out"),
            Self::Differs(how) => formatter.write_str(how),
            Self::Changed => write!(formatter, "changed"),
            Self::WholePackage => write!(formatter, "its package goes as a whole (target)"),
            Self::PackageStays(why) => write!(formatter, "its package stays as a whole: {why}"),
            Self::Undone => write!(formatter, "deleted by the run that is undone"),
            Self::GoneSince => write!(formatter, "the run that is undone only took tags off, and it is gone since"),
            Self::TagsComeBack(tags) => {
                write!(formatter, "the run that is undone took {} off", tags.join(", "))
            }
            Self::NotNamed => write!(formatter, "not named in version-ids"),
            Self::NoTagMatches => write!(formatter, "no tag matches tags"),
            Self::SomeTagsMatch { matching, others } => {
                write!(formatter, "only {} matches tags, not {}", matching.join(", "), others.join(", "))
            }
            Self::NotTagged => write!(formatter, "untagged, and tag-status asks for tagged versions"),
            Self::NotUntagged => write!(formatter, "tagged, and tag-status asks for untagged versions"),
            Self::Excluded { tag, pattern } => write!(formatter, "protected: tag {tag} matches exclude-tags {pattern}"),
            Self::UntaggedGrace(span) => {
                write!(formatter, "protected: untagged and younger than {} (untagged-grace)", in_words(*span))
            }
            Self::Latest { keep, group: None } => write!(formatter, "among the newest {keep} (keep-latest)"),
            Self::Latest { keep, group: Some(group) } => {
                write!(formatter, "among the newest {keep} of group {group} (keep-latest)")
            }
            Self::Ungrouped => write!(formatter, "ungrouped"),
            Self::TooYoung(span) => write!(formatter, "younger than {} (older-than)", in_words(*span)),
            Self::DeletedAgain => write!(formatter, "pushed again and deleted again later: that deletion is undone"),
            Self::PackageStaysDeleted(why) => write!(formatter, "the package stays deleted as a whole: {why}"),
            Self::DeletedEarlier(span) => write!(formatter, "not deleted within the last {}", in_words(*span)),
            Self::NotDeleted => write!(formatter, "not deleted, nothing to restore"),
            Self::TagsUnknown => write!(formatter, "GitHub does not say what tags it has"),
            Self::AgeUnknown => write!(formatter, "GitHub does not say, readably, how old it is"),
            Self::RefersTo(digest) => write!(formatter, "referrer of {digest}"),
            Self::PartOf(image) => write!(formatter, "part of {image}"),
            Self::NeededBy(needer) => write!(formatter, "needed by {needer}"),
            Self::TagsGo { going, staying } => {
                write!(formatter, "only {} matches tags and goes, {} stays", going.join(", "), staying.join(", "))
            }
            Self::Ghost(of) => write!(formatter, "all {of} images it lists are gone (delete-ghost-images)"),
            Self::Partial { missing, of } => {
                write!(formatter, "{missing} of {of} images it lists are gone (delete-partial-images)")
            }
            Self::Orphaned(subjects) => {
                write!(formatter, "{} is gone, to which it refers (delete-orphaned-images)", subjects.join(", "))
            }
            Self::Held => write!(formatter, "nothing of the package goes: see its error"),
            Self::NothingAsked => write!(formatter, "nothing selects it"),
            Self::NotSwept => write!(formatter, "not of the kind that is asked for"),
            Self::Dangling => write!(formatter, "listed, but the registry knows no such manifest"),
            Self::Limit(limit) => write!(formatter, "left for the next run (limit {limit})"),
            Self::LastTaggedImage => write!(formatter, "last tagged image"),
            Self::LastVersion => write!(formatter, "last version of the package"),
        }
    }
}

/// A span in the units of the inputs: `30d`, `36h`, `90s`.
fn in_words(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds >= length && seconds % length == 0 {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::in_words;

    #[test]
    fn spans_are_told_in_the_largest_unit_that_fits() {
        for (seconds, words) in [(0, "0s"), (90, "90s"), (3_600, "1h"), (36 * 3_600, "36h"), (30 * 86_400, "30d")] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }
}
