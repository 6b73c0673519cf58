//! JSON form of log lines.

use hexabase_core::logs::{LineId, LogLine};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Line of a container.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLine)]
pub(super) struct LogLineView {
    /// Id of the line, which is the same in every response: its time in nanoseconds and a hash, separated by a hyphen.
    #[schema(example = "1767225600123456789-00c0ffee00c0ffee")]
    id: String,
    /// Time of the line, with its nanoseconds.
    at: Timestamp,
    /// Name of the project, or another namespace of the tenant cluster.
    #[schema(example = "shop")]
    project: String,
    /// Name of the pod.
    #[schema(example = "web-6d4f9b7c5d-abcde")]
    pod: String,
    /// Name of the container.
    #[schema(example = "web")]
    container: String,
    /// Text, without the line break.
    text: String,
}

impl From<LogLine> for LogLineView {
    fn from(line: LogLine) -> Self {
        Self {
            id: line.id.to_string(),
            at: line.id.at(),
            project: line.project.to_string(),
            pod: line.pod.to_string(),
            container: line.container.to_string(),
            text: line.text,
        }
    }
}

/// Line in its JSON form, which all followers of the same logs share.
#[derive(Debug)]
pub(super) struct RenderedLine {
    pub(super) id: LineId,
    pub(super) json: String,
}

impl From<LogLine> for RenderedLine {
    fn from(line: LogLine) -> Self {
        let id = line.id;
        // The fields serialize without failing.
        Self { id, json: serde_json::to_string(&LogLineView::from(line)).unwrap_or_default() }
    }
}

/// Lines of a time range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLines)]
pub(super) struct LogLinesView {
    /// Lines in the order of the request.
    pub(super) items: Vec<LogLineView>,
    /// `true` if there are more lines than the limit. The next ones begin at the time of the last line.
    pub(super) truncated: bool,
}

/// State of the log store: data of the event `status` of a stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogStatus)]
pub(super) struct LogStatusView<'a> {
    /// `false` while no lines can be read. The stream continues when they can be read again, and no line is lost.
    pub(super) available: bool,
    /// Sentence for the user; null if lines can be read.
    #[schema(required)]
    pub(super) message: Option<&'a str>,
}

/// Reason for the end of a stream: data of the event `end`, the last one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogStreamEnd)]
pub(super) struct LogStreamEndView<'a> {
    /// Stable code, in `snake_case`, such as `too_slow`: the client reads more slowly than lines are written.
    pub(super) code: &'a str,
    /// Sentence for the user, with the remedy.
    pub(super) message: &'a str,
}
