//! Commands for the objects of the API: one declaration per operation, from which the command, its request and its
//! output are derived. The declarations are in [`catalog`]; a test compares them with the OpenAPI document.

mod arguments;
mod catalog;
mod commands;
mod confirmation;
mod execute;
mod references;
mod scope;
mod values;

use reqwest::Method;
use serde_json::Value;

use self::arguments::Argument;
pub(super) use self::commands::CommonOptions;
pub(in crate::command) use self::commands::{BillingCommand, ResourceCommand};
pub(super) use self::scope::Scope;
pub(super) use self::values::split_resource;
use super::output::Column;

/// Commands for one kind of objects.
#[derive(Debug)]
pub(in crate::command) struct Group {
    /// Name of the command, in the plural.
    name: &'static str,
    about: &'static str,
    operations: &'static [Operation],
}

/// Command for one operation of the API.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Operation {
    name: &'static str,
    about: &'static str,
    /// Complete command lines.
    examples: &'static [&'static str],
    method: fn() -> Method,
    /// Path below `/api/v1`, or of the server if it begins with `/auth/`. Placeholders such as `{workspace}` are names of
    /// [`references`].
    path: &'static str,
    /// Path with the option `--project`.
    path_in_project: Option<&'static str>,
    /// Placeholders of the path that are positional arguments, in their order.
    subjects: &'static [&'static str],
    /// `true` if the last subject may be omitted: it is the selected organization or workspace then.
    is_subject_optional: bool,
    arguments: &'static [Argument],
    /// Parameters that each request has.
    query: &'static [(&'static str, &'static str)],
    output: Output,
    /// `true` if the name of the subject must be typed, or `--yes` be given.
    is_confirmed: bool,
    wait: Wait,
}

/// Output of a successful operation.
#[derive(Debug, Clone, Copy)]
enum Output {
    /// Items of a list.
    Items {
        columns: &'static [Column],
        /// `true` if the server divides the list into pages.
        is_paged: bool,
    },
    /// Object of the body.
    Object(&'static [Column]),
    /// Rows that a function derives from the body.
    Rows(&'static [Column], fn(&Value) -> Vec<Value>),
    /// Target of the redirection.
    Location,
    /// Sentence about the subject, such as "deleted".
    Sentence(&'static str),
}

/// Completion of an operation that takes time, which `--wait` awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The operation is complete with its response.
    Never,
    /// Task of a workspace in the response.
    Task,
    /// Phase of the project in the response.
    Project,
    /// End of the organization.
    OrganizationDeleted,
}

impl Operation {
    const fn new(
        name: &'static str,
        about: &'static str,
        method: fn() -> Method,
        path: &'static str,
    ) -> Self {
        Self {
            name,
            about,
            examples: &[],
            method,
            path,
            path_in_project: None,
            subjects: &[],
            is_subject_optional: false,
            arguments: &[],
            query: &[],
            output: Output::Sentence(""),
            is_confirmed: false,
            wait: Wait::Never,
        }
    }

    const fn list(
        name: &'static str,
        about: &'static str,
        path: &'static str,
        columns: &'static [Column],
    ) -> Self {
        let output = Output::Items { columns, is_paged: true };
        Self { output, ..Self::new(name, about, || Method::GET, path) }
    }

    const fn get(
        name: &'static str,
        about: &'static str,
        path: &'static str,
        columns: &'static [Column],
    ) -> Self {
        Self { output: Output::Object(columns), ..Self::new(name, about, || Method::GET, path) }
    }

    const fn post(
        name: &'static str,
        about: &'static str,
        path: &'static str,
        columns: &'static [Column],
    ) -> Self {
        Self { output: Output::Object(columns), ..Self::new(name, about, || Method::POST, path) }
    }

    const fn patch(
        name: &'static str,
        about: &'static str,
        path: &'static str,
        columns: &'static [Column],
    ) -> Self {
        Self { output: Output::Object(columns), ..Self::new(name, about, || Method::PATCH, path) }
    }

    const fn put(name: &'static str, about: &'static str, path: &'static str, output: Output) -> Self {
        Self { output, ..Self::new(name, about, || Method::PUT, path) }
    }

    const fn delete(
        name: &'static str,
        about: &'static str,
        path: &'static str,
        sentence: &'static str,
    ) -> Self {
        Self { output: Output::Sentence(sentence), ..Self::new(name, about, || Method::DELETE, path) }
    }

    const fn output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    const fn or_in_project(self, path: &'static str) -> Self {
        Self { path_in_project: Some(path), ..self }
    }

    /// Marks a list that the server does not divide into pages.
    const fn unpaged(self) -> Self {
        let output = match self.output {
            Output::Items { columns, .. } => Output::Items { columns, is_paged: false },
            output => output,
        };
        Self { output, ..self }
    }

    const fn of(self, subjects: &'static [&'static str]) -> Self {
        Self { subjects, ..self }
    }

    const fn of_selected(self, subjects: &'static [&'static str]) -> Self {
        Self { subjects, is_subject_optional: true, ..self }
    }

    const fn with(self, arguments: &'static [Argument]) -> Self {
        Self { arguments, ..self }
    }

    const fn with_query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    const fn confirmed(self) -> Self {
        Self { is_confirmed: true, ..self }
    }

    const fn awaiting(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    const fn example(self, examples: &'static [&'static str]) -> Self {
        Self { examples, ..self }
    }

    /// `true` if the operation changes an object, on whose version it can be conditional.
    fn is_conditional(&self) -> bool {
        let method = (self.method)();
        method == Method::PATCH || method == Method::PUT || method == Method::DELETE
    }

    /// `true` if the path has this placeholder.
    fn has_placeholder(&self, name: &str) -> bool {
        references::placeholders(self.path).any(|placeholder| placeholder == name)
    }

    /// `true` if the placeholder is selected by a flag, not by a positional argument.
    fn is_flag(&self, name: &str) -> bool {
        self.has_placeholder(name) && !self.subjects.contains(&name)
    }
}
