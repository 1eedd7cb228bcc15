//! A step as GitHub's runner would run it: the real binary, with inputs as variables and files for
//! outputs and summary.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a fault in here is a fault of the tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The token of every step that names no other.
pub const TOKEN: &str = "ghp_canary0123456789abcdefghijklmnopqr";

/// A step that is about to run.
pub struct Step {
    variables: BTreeMap<String, String>,
    folder: TempDir,
}

/// A step that is running.
pub struct Running {
    child: Child,
    folder: TempDir,
}

/// A step that has ended.
pub struct Ended {
    pub code: Option<i32>,
    /// What stood in the log.
    pub log: String,
    /// The outputs that later steps would see.
    pub outputs: BTreeMap<String, String>,
    /// The summary's Markdown.
    pub summary: String,
    folder: TempDir,
}

impl Step {
    /// A step in a workflow of the repository `octo-org/app`, against this API.
    pub fn new(api_url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("workspace")).expect("a workspace");
        let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let variables = [
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_API_URL", api_url.to_owned()),
            ("GITHUB_OUTPUT", file("output")),
            ("GITHUB_REPOSITORY", "octo-org/app".to_owned()),
            ("GITHUB_REPOSITORY_OWNER", "octo-org".to_owned()),
            ("GITHUB_RUN_ID", "4711".to_owned()),
            ("GITHUB_STEP_SUMMARY", file("summary")),
            ("GITHUB_WORKSPACE", file("workspace")),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { variables, folder }.input("token", TOKEN)
    }

    /// Sets an input, as `with:` does.
    pub fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase());
        self.variable(&name, value)
    }

    /// Sets inputs written as `name=value` separated by blanks.
    pub fn inputs(self, inputs: &str) -> Self {
        let pairs = inputs.split_whitespace().map(|pair| pair.split_once('=').expect("name=value"));
        pairs.fold(self, |step, (name, value)| step.input(name, value))
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidy-packages"));
        // nothing of the machine that runs the tests may leak in
        command.env_clear().envs(&self.variables).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Changes the command itself, for what the variables cannot say.
    pub fn run_with(self, change: impl FnOnce(&mut Command)) -> Ended {
        let mut command = self.command();
        change(&mut command);
        let child = command.spawn().expect("the binary starts");
        Running { child, folder: self.folder }.end()
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        self.start().end()
    }

    /// Runs it in the background.
    pub fn start(self) -> Running {
        let child = self.command().spawn().expect("the binary starts");
        Running { child, folder: self.folder }
    }
}

impl Running {
    /// Sends a signal, as the runner does when a job is cancelled.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn end(self) -> Ended {
        let output = self.child.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(errors, "", "all is told on one stream, so that its order holds");
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        Ended {
            code: output.status.code(),
            log: String::from_utf8(output.stdout).expect("the log is UTF-8"),
            outputs: parse_outputs(&read("output")),
            summary: read("summary"),
            folder: self.folder,
        }
    }
}

impl Ended {
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map(String::as_str).unwrap_or_else(|| panic!("no output {name}\n{}", self.log))
    }

    pub fn count(&self, name: &str) -> u64 {
        self.output(name).parse().expect("a number")
    }

    /// An output that is JSON.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.output(name)).expect("JSON")
    }

    pub fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// The report file.
    pub fn report(&self) -> Value {
        let path = self.workspace().join(self.output("report"));
        serde_json::from_slice(&fs::read(path).expect("a report")).expect("JSON")
    }

    /// The versions of the report's first package.
    pub fn versions(&self) -> Vec<Value> {
        self.report()["packages"][0]["versions"].as_array().cloned().unwrap_or_default()
    }

    /// What the report says of a version, by its name or one of its tags.
    pub fn version(&self, name: &str) -> Value {
        let named = |version: &Value| {
            version["name"] == name || version["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == name))
        };
        self.versions().into_iter().find(named).unwrap_or_else(|| panic!("no version {name} in the report"))
    }

    /// The names (of images: first tags) of what the report decides so, sorted.
    pub fn decided(&self, decision: &str) -> Vec<String> {
        let versions = self.versions();
        let decided = versions.iter().filter(|version| version["decision"] == decision);
        let name = |version: &Value| version["tags"].get(0).unwrap_or(&version["name"]).as_str().map(str::to_owned);
        let mut names: Vec<_> = decided.filter_map(name).collect();
        names.sort();
        names
    }

    /// Every text file the run wrote, and its log.
    pub fn everything_written(&self) -> String {
        let mut all = self.log.clone();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder").flatten() {
                let path: &Path = &entry.path();
                if path.is_dir() {
                    folders.push(path.to_owned());
                } else {
                    all.push_str(&String::from_utf8_lossy(&fs::read(path).expect("a file")));
                }
            }
        }
        all
    }
}

/// Reads an outputs file as the runner does (actions/runner, `FileCommandManager.cs`).
fn parse_outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        match (line.find('='), line.find("<<")) {
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                outputs.insert(line[..equals].to_owned(), line[equals + 1..].to_owned());
            }
            (_, Some(heredoc)) => {
                let (name, delimiter) = (&line[..heredoc], &line[heredoc + 2..]);
                let value: Vec<_> = lines.by_ref().take_while(|line| *line != delimiter).collect();
                outputs.insert(name.to_owned(), value.join("\n"));
            }
            _ => panic!("the runner refuses the line {line:?}"),
        }
    }
    outputs
}
