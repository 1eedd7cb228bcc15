//! The log of a step: grouped lines, and annotations within what the runner shows.
//!
//! See <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.

use std::{
    cell::{Cell, RefCell},
    io::Write,
};

use super::text::{command_data, log_line, shorten};

/// The runner shows at most this many annotations of a kind in a step (actions/runner,
/// `ExecutionContext.cs`).
const MOST_ANNOTATIONS: u32 = 10;
/// The runner cuts an annotation at 4,096 characters.
const LONGEST_ANNOTATION: usize = 4_000;

/// Writes a step's log. Outside of GitHub Actions it is plain text.
pub struct Log {
    writer: RefCell<Box<dyn Write>>,
    in_actions: bool,
    debug: bool,
    errors: Cell<u32>,
    warnings: Cell<u32>,
}

impl Log {
    /// A log; `debug` shows outside of Actions what the runner shows when a re-run asks for it.
    pub fn new(writer: Box<dyn Write>, in_actions: bool, debug: bool) -> Self {
        Self { writer: RefCell::new(writer), in_actions, debug, errors: Cell::new(0), warnings: Cell::new(0) }
    }

    /// Asks the runner to show a secret as `***` from now on. Says nothing outside of Actions:
    /// there the command would itself show it.
    pub fn mask(&self, secret: &str) {
        for line in secret.lines().map(str::trim).filter(|line| self.in_actions && !line.is_empty()) {
            self.write(&format!("::add-mask::{}", line.replace('%', "%25")));
        }
    }

    /// Starts a group that folds.
    pub fn group(&self, title: &str) {
        let title = log_line(title);
        if self.in_actions {
            self.write(&format!("::group::{title}"));
        } else {
            self.write(&title);
        }
    }

    /// Ends the group.
    pub fn end_group(&self) {
        if self.in_actions {
            self.write("::endgroup::");
        }
    }

    /// A line.
    pub fn line(&self, text: &str) {
        self.write(&log_line(text));
    }

    /// A line for those who look for a fault.
    pub fn debug(&self, text: &str) {
        if self.in_actions {
            self.write(&format!("::debug::{}", command_data(text)));
        } else if self.debug {
            self.write(&format!("debug: {}", log_line(text)));
        }
    }

    /// Something to look at although nothing failed.
    pub fn warning(&self, text: &str) {
        self.annotate("warning", &self.warnings, text);
    }

    /// Something that failed, and what to do about it.
    pub fn error(&self, text: &str) {
        self.annotate("error", &self.errors, text);
    }

    fn annotate(&self, kind: &str, count: &Cell<u32>, text: &str) {
        count.set(count.get() + 1);
        let annotate = self.in_actions && count.get() <= MOST_ANNOTATIONS;
        if annotate {
            let data = shorten(text, LONGEST_ANNOTATION);
            self.write(&format!("::{kind} title=Tidy Packages::{}", command_data(&data)));
        }
        if !annotate || text.chars().count() > LONGEST_ANNOTATION {
            for line in text.lines() {
                self.write(&format!("{kind}: {}", log_line(line)));
            }
        }
    }

    /// A log that nobody reads any more (a closed pipe) must not end the work.
    fn write(&self, line: &str) {
        let mut writer = self.writer.borrow_mut();
        let _ = writeln!(writer, "{line}").and_then(|()| writer.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Rc<RefCell<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(in_actions: bool, tell: impl Fn(&Log)) -> String {
        let page = Page::default();
        tell(&Log::new(Box::new(page.clone()), in_actions, false));
        let bytes = page.0.borrow().clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn in_actions_errors_are_annotations_and_groups_fold() {
        let log = written(true, |log| {
            log.mask("secret%");
            log.group("npm left-pad");
            log.line("::error::not a command");
            log.end_group();
            log.error("100% wrong\nwhat to do");
            log.debug("detail");
        });
        insta::assert_snapshot!(log, @r"
        ::add-mask::secret%25
        ::group::npm left-pad
        . ::error::not a command
        ::endgroup::
        ::error title=Tidy Packages::100%25 wrong%0Awhat to do
        ::debug::detail
        ");
    }

    #[test]
    fn elsewhere_it_is_plain_text_and_says_no_secret() {
        let log = written(false, |log| {
            log.mask("secret");
            log.group("npm left-pad");
            log.error("wrong\nwhat to do");
            log.debug("detail");
        });
        insta::assert_snapshot!(log, @r"
        npm left-pad
        error: wrong
        error: what to do
        ");
    }

    #[test]
    fn the_eleventh_annotation_stays_in_the_log() {
        let log = written(true, |log| (0..12).for_each(|number| log.warning(&format!("number {number}"))));
        assert_eq!(log.matches("::warning ").count(), 10);
        assert!(log.contains("\nwarning: number 10\nwarning: number 11\n"));
    }

    #[test]
    fn a_long_error_is_cut_in_the_annotation_and_whole_in_the_log() {
        let log = written(true, |log| log.error(&"x".repeat(5_000)));
        let lines: Vec<_> = log.lines().collect();
        assert!(lines[0].starts_with("::error") && lines[0].chars().count() < 4_096);
        assert!(lines[1].contains(&"x".repeat(5_000)));
    }
}
