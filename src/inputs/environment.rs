//! The variables a run was started with: `INPUT_*` from the step, `GITHUB_*` and `RUNNER_*` from
//! the runner.

use std::{ffi::OsString, path::PathBuf};

use super::Complaint;

/// The variables and the working directory of a process, read once by `main`.
#[derive(Debug, Default)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
    /// Stands in where the runner names no workspace.
    pub working_directory: PathBuf,
}

/// An `INPUT_*` variable: the input's name as a workflow writes it, and its trimmed value.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) variable: String,
    pub(super) name: String,
    pub(super) value: String,
}

impl Environment {
    /// Takes the variables as they are; what is not UTF-8 is complained of only where it is read.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, working_directory: PathBuf) -> Self {
        Self { variables: variables.into_iter().collect(), working_directory }
    }

    /// The trimmed value of a variable; `None` if it is unset, blank, or not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.variables.iter().find(|(variable, _)| variable == name)?;
        value.to_str().map(str::trim).filter(|value| !value.is_empty())
    }

    /// Every `INPUT_*` variable. The runner writes them in upper case and keeps hyphens
    /// (actions/runner, `Handler.cs`); another spelling does not come from an input, and keeps
    /// its own as the name, which is none that we know.
    pub(super) fn inputs(&self) -> (Vec<Given>, Vec<Complaint>) {
        let mut given = Vec::new();
        let mut complaints = Vec::new();
        for (variable, value) in &self.variables {
            let variable = variable.to_string_lossy();
            let Some(rest) = variable.strip_prefix("INPUT_") else { continue };
            let lower = rest.to_ascii_lowercase();
            let name = if rest == rest.to_ascii_uppercase() { lower } else { rest.to_owned() };
            match value.to_str() {
                Some(value) => {
                    given.push(Given { variable: variable.clone().into_owned(), name, value: value.trim().to_owned() });
                }
                None => complaints.push(Complaint::new(&name, "its value is not UTF-8 text")),
            }
        }
        given.sort_by(|left, right| left.variable.cmp(&right.variable));
        (given, complaints)
    }
}
