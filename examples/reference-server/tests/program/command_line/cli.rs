//! Command line of a user, with a home directory of its own.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::process::program;

/// Command line of one user on one machine.
pub(super) struct Cli {
    pub(super) home: tempfile::TempDir,
    url: String,
    token: String,
    /// Commands that were run, such as `workspaces create`.
    ran: RefCell<BTreeSet<String>>,
}

/// Words of a command line; words in single quotes may contain spaces.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    let parts = quoted.flat_map(|(index, part)| match index % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    parts.collect()
}

impl Cli {
    pub(super) fn new(url: &str, token: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, url: url.to_owned(), token: token.to_owned(), ran: RefCell::default() }
    }

    pub(super) fn context_file(&self) -> PathBuf {
        self.home.path().join(".config/hexabase/contexts.json")
    }

    /// Returns the commands that were run.
    pub(super) fn ran(&self) -> BTreeSet<String> {
        self.ran.borrow().clone()
    }

    /// Returns a command in a directory.
    pub(super) fn command_in(&self, directory: &Path, line: &str) -> Command {
        let words = words(line);
        let mut ran = self.ran.borrow_mut();
        ran.extend((1..=words.len().min(2)).map(|count| words[..count].join(" ")));
        let mut command = program(directory);
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").env_remove("NO_COLOR");
        command.env("HEXABASE_SERVER", &self.url).env("HEXABASE_TOKEN", &self.token);
        command.args(words).stdin(Stdio::null());
        command
    }

    fn output(&self, line: &str) -> Output {
        self.command_in(self.home.path(), line).output().unwrap()
    }

    /// Runs a command that succeeds, and returns its output.
    pub(super) fn run(&self, line: &str) -> String {
        self.run_in(self.home.path(), line)
    }

    /// Runs a command in a directory.
    pub(super) fn run_in(&self, directory: &Path, line: &str) -> String {
        let output = self.command_in(directory, line).output().unwrap();
        assert!(output.status.success(), "hexabase {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with JSON as its output.
    pub(super) fn json(&self, line: &str) -> Value {
        let text = self.run(&format!("{line} -o json"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("hexabase {line}: {error}: {text}"))
    }

    /// Runs a command that only reads in every format, and returns its JSON. The table contains the texts.
    pub(super) fn read(&self, line: &str, texts: &[&str]) -> Value {
        let table = self.run(line);
        let wide = self.run(&format!("{line} -o wide"));
        for text in texts {
            assert!(table.contains(text), "hexabase {line}: {text} is missing: {table}");
            assert!(wide.contains(text), "hexabase {line}: {text} is missing: {wide}");
        }
        for output in
            [table, wide, self.run(&format!("{line} -o name")), self.run(&format!("{line} -o yaml"))]
        {
            assert!(!output.contains('\u{1b}'), "hexabase {line}: colours without a terminal");
        }
        self.json(line)
    }

    /// Runs a command that fails with an exit code and an error of one line that contains the texts.
    pub(super) fn fails(&self, line: &str, code: i32, texts: &[&str]) -> String {
        let output = self.output(line);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "hexabase {line}: {errors}");
        for text in texts {
            assert!(errors.contains(text), "hexabase {line}: {text:?} is missing: {errors}");
        }
        errors
    }

    /// Runs a command, and returns its standard error.
    pub(super) fn notes(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "hexabase {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs a command on a terminal with typed text and variables, and returns its exit code and what the terminal
    /// received.
    pub(super) fn on_terminal(
        &self,
        line: &str,
        typed: &str,
        variables: &[(&str, &str)],
    ) -> (Option<i32>, String) {
        let environment = self.command_in(self.home.path(), line);
        let program = format!("{} {line}", env!("CARGO_BIN_EXE_hexabase"));
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &program, "/dev/null"]);
        for (name, value) in environment.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", "xterm").envs(variables.iter().copied()).current_dir(self.home.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // The command may end without reading it.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
