//! A page with a bound: pieces go in whole or not at all.

/// Markdown of at most so many bytes.
pub(super) struct Page {
    text: String,
    budget: usize,
}

impl Page {
    pub(super) fn new(budget: usize) -> Self {
        Self { text: String::new(), budget }
    }

    /// Adds a piece if it fits; tells whether it did.
    pub(super) fn push(&mut self, piece: &str) -> bool {
        let fits = self.fits(piece.len());
        if fits {
            self.text.push_str(piece);
        }
        fits
    }

    /// Adds a short piece that must not be missing: it closes what was opened.
    pub(super) fn force(&mut self, piece: &str) {
        self.text.push_str(piece);
    }

    /// Whether so many bytes more would fit.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.text.len() + bytes <= self.budget
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}
