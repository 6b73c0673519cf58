//! Output of the client commands: tables for people, and JSON, YAML and ids for programs.

mod columns;
mod escape;
mod table;

use std::io::IsTerminal as _;

use clap::ValueEnum;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use serde_json::Value;

pub(in crate::command) use self::columns::Column;
pub(super) use self::columns::{field, text_of};
pub(in crate::command) use self::escape::escape;
pub(super) use self::escape::escape_json;
use self::table::{Style, Table};
use crate::command::print_line;

/// Format of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::command) enum Format {
    /// Table that fits the terminal.
    #[default]
    Table,
    /// Table with all columns and ids, as wide as it is.
    Wide,
    /// JSON of the API; lists as {"items": […]}.
    Json,
    /// The same as YAML.
    Yaml,
    /// Ids, one a line.
    Name,
}

/// Prints a value of the API as it is, as JSON or YAML.
fn print_value(format: Format, value: &Value) -> Result<()> {
    if format == Format::Yaml {
        let failed = |error| Error::unexpected("the output cannot be serialized as YAML").caused_by(error);
        let text = serde_saphyr::to_string(value).map_err(failed)?;
        return print_line(escape::escape_yaml(&text).trim_end());
    }
    let failed = |error| Error::unexpected("the output cannot be serialized as JSON").caused_by(error);
    let text = serde_json::to_string_pretty(value).map_err(failed)?;
    print_line(&escape_json(&text))
}

/// Prints `value` as JSON or YAML, and `rows` as a table or as ids.
pub(super) fn print(format: Format, columns: &[Column], rows: &[Value], value: &Value) -> Result<()> {
    match format {
        Format::Json | Format::Yaml => print_value(format, value),
        Format::Name => rows.iter().try_for_each(|row| print_line(&escape(&columns::identify(columns, row)))),
        Format::Table | Format::Wide => {
            let is_wide = format == Format::Wide;
            let shown: Vec<&Column> = columns.iter().filter(|column| is_wide || !column.is_wide()).collect();
            let now = SystemClock.now();
            let cells =
                rows.iter().map(|row| shown.iter().map(|column| column.cell(row, now, is_wide)).collect());
            let style = if is_wide { Style { width: None, ..terminal_style() } } else { terminal_style() };
            let table = Table { columns: &shown, rows: cells.collect() };
            print_line(&table.render(style))
        }
    }
}

/// Returns the style of tables on standard output: the width of the terminal, and colours unless `NO_COLOR` is set
/// (<https://no-color.org>).
fn terminal_style() -> Style {
    if !std::io::stdout().is_terminal() {
        return Style { width: None, has_colors: false };
    }
    let has_colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Style { width, has_colors }
}

/// Prints a message for a person to standard error, where it does not mix with the output.
pub(super) fn print_note(text: &str) {
    use std::io::Write as _;
    // If standard error is closed, there is no other place for the message.
    let _ = writeln!(std::io::stderr(), "{}", escape(text));
}
