//! What was assumed and what was seen, as a table.

#[derive(Default)]
pub struct Observations {
    rows: Vec<Row>,
}

struct Row {
    question: String,
    /// What the code relies on; `None` where it relies on nothing, and only wants to know.
    assumed: Option<String>,
    seen: String,
}

impl Row {
    fn differs(&self) -> bool {
        self.assumed.as_ref().is_some_and(|assumed| *assumed != self.seen)
    }
}

impl Observations {
    /// Something the code relies on.
    pub fn assume(&mut self, question: &str, assumed: impl ToString, seen: impl ToString) {
        let row = Row { question: question.to_owned(), assumed: Some(assumed.to_string()), seen: seen.to_string() };
        self.rows.push(row);
    }

    /// Something nobody has written down, and nothing relies on.
    pub fn note(&mut self, question: &str, seen: impl ToString) {
        self.rows.push(Row { question: question.to_owned(), assumed: None, seen: seen.to_string() });
    }

    /// The questions whose answers are others than assumed.
    pub fn differing(&self) -> Vec<String> {
        self.rows.iter().filter(|row| row.differs()).map(|row| format!("{}: {}", row.question, row.seen)).collect()
    }

    /// All of it, in Markdown.
    pub fn table(&self) -> String {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let rows = self.rows.iter().map(|row| {
            let mark = if row.differs() { "differs" } else { "" };
            let assumed = row.assumed.as_deref().unwrap_or("(nothing)");
            format!("| {} | {} | {} | {mark} |\n", cell(&row.question), cell(assumed), cell(&row.seen))
        });
        format!("| question | assumed | seen | |\n| --- | --- | --- | --- |\n{}", rows.collect::<String>())
    }
}
