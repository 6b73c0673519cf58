//! Execution of a command: arguments to a request, the request, and its output.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{ArgMatches, FromArgMatches as _};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, ErrorKind, Result};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::arguments::{Argument, Form, Target};
use super::commands::{CommonOptions, IF_VERSION};
use super::references::{find, placeholders};
use super::scope::Scope;
use super::{Operation, Output, Wait, confirmation, values};
use crate::command::client::api::{Api, Request, Response};
use crate::command::client::output::{Format, escape, field, print, print_note, text_of};
use crate::command::client::progress::{wait_for_deletion, wait_for_project, wait_for_task};
use crate::command::print_line;

/// Executes an operation with the arguments of the command line.
///
/// # Errors
/// The errors of the API, and those of invalid arguments.
pub(super) async fn execute(operation: &'static Operation, matches: &ArgMatches) -> Result<()> {
    let invalid = |error| Error::unexpected("the arguments cannot be read").caused_by(error);
    let common = CommonOptions::from_arg_matches(matches).map_err(invalid)?;
    let api = Api::connect(&common.server)?;
    let result = execute_with(operation, matches, &api, common.output).await;
    let context = api.context();
    result.map_err(|error| {
        // The user may have forgotten the context, or its objects may have been deleted.
        let may_be_elsewhere = context.organization.is_some() && operation.has_placeholder("organization");
        match error.kind() == ErrorKind::NotFound && may_be_elsewhere {
            true => error.with("context", context),
            false => error,
        }
    })
}

async fn execute_with(
    operation: &'static Operation,
    matches: &ArgMatches,
    api: &Api,
    format: Format,
) -> Result<()> {
    let in_project = operation.path_in_project.filter(|_| matches.get_one::<String>("project").is_some());
    let path = in_project.unwrap_or(operation.path);
    let mut selected = BTreeMap::new();
    for placeholder in placeholders(path) {
        if let Some(name) = matches.get_one::<String>(placeholder) {
            selected.insert(placeholder.to_owned(), name.clone());
        }
    }
    let mut scope = Scope::new(api, selected, api.context());
    let path = scope.expand(path).await?;
    let run = Run { operation, api, scope, path, format };
    if operation.is_confirmed && !matches.get_flag("yes") {
        run.confirm().await?;
    }
    let timeout = (operation.wait != Wait::Never && matches.get_flag("wait"))
        .then(|| matches.get_one::<Duration>("timeout").copied().unwrap_or_default());
    let (query, body) = run.arguments(matches).await?;
    match operation.output {
        Output::Items { columns, is_paged } => {
            let max = matches.try_get_one::<u32>("limit").ok().flatten().copied().unwrap_or(u32::MAX);
            let query: Vec<(&str, String)> =
                query.iter().map(|(name, value)| (*name, value.clone())).collect();
            let found = match is_paged {
                true => {
                    api.list::<Value>(&run.path, &query, usize::try_from(max).unwrap_or(usize::MAX)).await?
                }
                false => api.list_unpaged::<Value>(&run.path, &query).await?,
            };
            if found.truncated {
                print_note(&format!("only the first {} are shown; use --limit for more", found.items.len()));
            }
            print(run.format, columns, &found.items, &json!({ "items": found.items }))
        }
        _ => {
            let mut request = Request::new((operation.method)(), run.path.as_str());
            for (name, value) in &query {
                request = request.query(name, value);
            }
            if let Some(body) = body {
                request = request.body(body);
            }
            if let Some(version) = matches.try_get_one::<u64>(IF_VERSION).ok().flatten() {
                request = request.if_version(*version);
            }
            let response = run.api.send(&request).await?;
            run.finish(&response, timeout).await
        }
    }
}

/// Operation on found objects.
struct Run<'a> {
    operation: &'static Operation,
    api: &'a Api,
    scope: Scope<'a>,
    path: String,
    format: Format,
}

impl Run<'_> {
    /// Asks for the name of the object.
    async fn confirm(&self) -> Result<()> {
        let object: Value = self.api.get(&self.path).await?;
        let noun = self.operation.subjects.last().copied().unwrap_or("object");
        confirmation::confirm(noun, &text_of(field(&object, "name")))
    }

    /// Returns the query and the body.
    async fn arguments(&self, matches: &ArgMatches) -> Result<(Vec<(&'static str, String)>, Option<Value>)> {
        let mut query: Vec<(&'static str, String)> =
            self.operation.query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let (mut fields, mut whole) = (Map::new(), None);
        for argument in self.operation.arguments {
            let Some(value) = self.value(argument, matches).await? else { continue };
            match argument.target {
                Target::Field(name) => drop(fields.insert(name.to_owned(), value)),
                Target::Body => whole = Some(value),
                Target::Query(name) => query.push((name, text_of(&value))),
            }
        }
        let method = (self.operation.method)();
        if method == Method::PATCH && fields.is_empty() {
            let flags = self.operation.arguments.iter().map(|argument| format!("--{}", argument.name));
            let flags = flags.collect::<Vec<_>>().join(", ");
            return Err(Error::invalid("arguments", format!("change nothing; use one of {flags}")));
        }
        let has_fields = self.operation.arguments.iter().any(|it| matches!(it.target, Target::Field(_)));
        let body = whole.or_else(|| has_fields.then_some(Value::Object(fields)));
        Ok((query, body.filter(|_| method != Method::GET && method != Method::DELETE)))
    }

    /// Returns the value of an argument; `None` without one.
    async fn value(&self, argument: &Argument, matches: &ArgMatches) -> Result<Option<Value>> {
        let name = argument.name;
        if let Form::True | Form::Null = argument.form {
            let value = if argument.form == Form::True { Value::Bool(true) } else { Value::Null };
            return Ok(matches.get_flag(name).then_some(value));
        }
        let given = |name: &str| -> Vec<String> {
            matches.get_many::<String>(name).map(|values| values.cloned().collect()).unwrap_or_default()
        };
        let mut texts = given(name);
        if let (true, Some(other)) = (texts.is_empty(), argument.default_of) {
            texts = given(other);
        }
        let Some(text) = texts.first() else { return Ok(None) };
        let now = SystemClock.now();
        let value = match argument.form {
            Form::Text | Form::True | Form::Null => json!(text),
            Form::Number => values::parse_number(name, text)?,
            Form::List => json!(texts),
            Form::Amounts => values::parse_amounts(name, &texts)?,
            Form::Rules => {
                let mut rules = Vec::new();
                for text in &texts {
                    rules.extend(values::parse_rule(name, text)?);
                }
                Value::Array(rules)
            }
            Form::PastTime => values::parse_time(name, text, now, false)?,
            Form::FutureTime => values::parse_time(name, text, now, true)?,
            Form::Reference(kind) => json!(self.scope.resolve(kind, text).await?.id),
            Form::Role => match values::preset_role(text) {
                Some(preset) => json!(preset),
                None => json!(self.scope.resolve("role", text).await?.id),
            },
        };
        Ok(Some(value))
    }

    /// Waits if that is requested, and prints the result.
    async fn finish(&self, response: &Response, timeout: Option<Duration>) -> Result<()> {
        let body: Value = match self.operation.output {
            Output::Location => {
                let missing = || Error::unavailable("the server sent no address");
                return print_line(&escape(response.location.as_deref().ok_or_else(missing)?));
            }
            _ => response.parse()?,
        };
        let body = match timeout {
            Some(timeout) => self.wait(&body, timeout).await?,
            None => body,
        };
        match self.operation.output {
            Output::Object(columns) => print(self.format, columns, std::slice::from_ref(&body), &body),
            Output::Rows(columns, rows) => print(self.format, columns, &rows(&body), &body),
            Output::Sentence(sentence) => self.print_sentence(sentence),
            Output::Items { .. } | Output::Location => Ok(()),
        }
    }

    /// Waits for the end of the operation, and returns the object as it is then.
    async fn wait(&self, body: &Value, timeout: Duration) -> Result<Value> {
        let id = |path: &str| field(body, path).as_str().map(str::to_owned);
        match self.operation.wait {
            Wait::Never => Ok(body.clone()),
            Wait::Task => {
                let (Some(workspace), Some(organization)) = (id("id"), id("organization_id")) else {
                    return Ok(body.clone());
                };
                let workspace = format!("/organizations/{organization}/workspaces/{workspace}");
                if let Some(task) = id("task_id") {
                    wait_for_task(self.api, &workspace, &task, timeout).await?;
                }
                match self.operation.output {
                    Output::Sentence(_) => Ok(body.clone()),
                    _ => self.api.get(&workspace).await,
                }
            }
            Wait::Project => {
                let Some(project) = id("id") else { return Ok(body.clone()) };
                let project = match self.path.ends_with("/projects") {
                    true => format!("{}/{project}", self.path),
                    false => self.path.clone(),
                };
                wait_for_project(self.api, &project, timeout).await?;
                self.api.get(&project).await
            }
            Wait::OrganizationDeleted => {
                wait_for_deletion(self.api, &self.path, timeout).await?;
                Ok(body.clone())
            }
        }
    }

    /// Prints a sentence about the subject; its id for programs.
    fn print_sentence(&self, sentence: &str) -> Result<()> {
        let subject = self.operation.subjects.last().copied().unwrap_or_default();
        let id = self.scope.id(subject).unwrap_or_default();
        match self.format {
            Format::Json | Format::Yaml => Ok(()),
            Format::Name => print_line(id),
            Format::Table | Format::Wide => {
                let noun = find(subject).map_or("", |reference| reference.noun);
                let parts = [noun, id, sentence].into_iter().filter(|part| !part.is_empty());
                print_line(&escape(&parts.collect::<Vec<_>>().join(" ")))
            }
        }
    }
}
