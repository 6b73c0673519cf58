//! Command `logs`: log lines of a workspace.

use std::time::Duration;

use clap::Args;
use hexabase_core::error::{Error, ErrorKind, Result};
use reqwest::Method;
use serde_json::Value;

use super::api::{Api, Request, StreamEvent};
use super::output::{Column, Format, escape, escape_json, field, print, print_note, text_of};
use super::resources::{CommonOptions, Scope};
use crate::command::print_line;

/// Pause before an interrupted stream is opened again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Name of events with a line.
const LINE_EVENT: &str = "line";
/// Name of the event before the server ends a stream.
const END_EVENT: &str = "end";

/// Code of the end of a stream that can be resumed.
const TOO_SLOW: &str = "too_slow";

const LINE: &[Column] = &[
    Column::id("AT", "at"),
    Column::text("PROJECT", "project"),
    Column::text("POD", "pod"),
    Column::text("CONTAINER", "container"),
    Column::id("TEXT", "text"),
];

/// Print log lines of a workspace, oldest first, and with --follow those to come.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hexabase logs --project web --since 15m\n  hexabase logs --pod web-0 --query error --follow"
)]
pub(crate) struct Logs {
    /// Project, by name or id [default: all namespaces of the workspace].
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,

    /// Pod [default: all].
    #[arg(long, value_name = "POD")]
    pod: Option<String>,

    /// Container [default: all].
    #[arg(long, value_name = "CONTAINER")]
    container: Option<String>,

    /// Text that each line contains.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,

    /// Take the text as a regular expression.
    #[arg(long, requires = "query")]
    regex: bool,

    /// Time of the oldest line (RFC 3339), or its age such as 15m [default: 1h; with --follow now].
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Time of the newest line (RFC 3339), or its age such as 5m [default: now].
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<String>,

    /// Maximum number of lines, from 1 to 5000: the newest ones [default: 100].
    #[arg(long, value_name = "NUMBER", conflicts_with = "follow", value_parser = clap::value_parser!(u32).range(1..=5000))]
    limit: Option<u32>,

    /// Print lines as they are written, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,

    /// Workspace, by name or id [default: that of hexabase use].
    #[arg(long, value_name = "WORKSPACE", env = "HEXABASE_WORKSPACE")]
    workspace: Option<String>,

    /// Organization, by name or id [default: that of hexabase use].
    #[arg(long, value_name = "ORGANIZATION", env = "HEXABASE_ORGANIZATION")]
    organization: Option<String>,

    #[command(flatten)]
    common: CommonOptions,
}

impl Logs {
    /// Prints the lines.
    ///
    /// # Errors
    /// The errors of the API, and those of unknown names.
    pub(crate) async fn execute(&self) -> Result<()> {
        let api = Api::connect(&self.common.server)?;
        let names = [("organization", &self.organization), ("workspace", &self.workspace)];
        let selected = names.into_iter().filter_map(|(kind, name)| Some((kind.to_owned(), name.clone()?)));
        let mut scope = Scope::new(&api, selected.collect(), api.context());
        let path = scope.expand("/organizations/{organization}/workspaces/{workspace}/logs").await?;
        let mut request = Request::new(Method::GET, path);
        if let Some(project) = &self.project {
            request = request.query("project", &scope.resolve("project", project).await?.id);
        }
        let limit = self.limit.map(|limit| limit.to_string());
        let parameters = [
            ("pod", self.pod.as_ref()),
            ("container", self.container.as_ref()),
            ("query", self.query.as_ref()),
            ("since", self.since.as_ref()),
            ("until", self.until.as_ref()),
            ("limit", limit.as_ref()),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                request = request.query(name, value);
            }
        }
        if self.regex {
            request = request.query("regex", "true");
        }
        match self.follow {
            true => self.follow(&api, &request.query("follow", "true")).await,
            false => self.print_lines(&api.send(&request).await?.parse()?),
        }
    }

    fn print_lines(&self, lines: &Value) -> Result<()> {
        // The server returns the newest lines first.
        let items: Vec<Value> =
            field(lines, "items").as_array().into_iter().flatten().rev().cloned().collect();
        match self.common.output {
            Format::Table => {
                items.iter().try_for_each(|line| print_line(&line_text(line)))?;
                if field(lines, "truncated") == &Value::Bool(true) {
                    print_note("older lines are not shown; use --limit or --since for more");
                }
                Ok(())
            }
            format => print(format, LINE, &items, lines),
        }
    }

    /// Prints the events of the stream, and resumes it after an interruption.
    async fn follow(&self, api: &Api, request: &Request) -> Result<()> {
        let mut last: Option<String> = None;
        loop {
            let mut stream = match api.stream(request, last.as_deref()).await {
                Ok(stream) => stream,
                Err(error) if last.is_some() && error.kind() == ErrorKind::Unavailable => {
                    print_note(&format!("{error}; trying again"));
                    tokio::time::sleep(RECONNECT_DELAY).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            loop {
                match stream.next().await {
                    Ok(Some(event)) => {
                        self.print_event(&event)?;
                        if !event.id.is_empty() {
                            last = Some(event.id);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        print_note(&format!("{error}; trying again"));
                        break;
                    }
                }
            }
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    }

    fn print_event(&self, event: &StreamEvent) -> Result<()> {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match event.name.as_str() {
            LINE_EVENT if self.common.output == Format::Table => print_line(&line_text(&data)),
            // Each line is a JSON document, so that programs can read the stream.
            LINE_EVENT => print_line(&escape_json(&event.data)),
            // The stream is opened again where it ended.
            END_EVENT if field(&data, "code") == TOO_SLOW => {
                print_note("lines arrive faster than they are printed");
                Ok(())
            }
            END_EVENT => {
                let message = field(&data, "message").as_str().unwrap_or("the server ended the stream");
                Err(Error::unavailable(message))
            }
            _ => {
                let message = field(&data, "message").as_str();
                message.into_iter().for_each(print_note);
                Ok(())
            }
        }
    }
}

/// Returns a line with its time and source, escaped.
fn line_text(line: &Value) -> String {
    let text = |name: &str| text_of(field(line, name));
    let content = field(line, "text").as_str().unwrap_or_default();
    escape(&format!("{} {}/{}/{} {content}", text("at"), text("project"), text("pod"), text("container")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_cannot_control_the_terminal() {
        let line = json!({ "at": "2026-11-30T12:00:00Z", "project": "web", "pod": "p", "container": "c",
            "text": "a\u{1b}[2J\nb" });
        assert_eq!(line_text(&line), "2026-11-30T12:00:00Z web/p/c a\\u{1b}[2J\\u{a}b");
        let event = json!({ "text": "\u{9b}2J\u{202e}b" }).to_string();
        assert_eq!(escape_json(&event), "{\"text\":\"\\u009b2J\\u202eb\"}");
    }
}
