//! Maximum numbers of concurrent streams.

use hexabase_api::{EventStreamLimits, LogStreamLimits, UsageStreamLimits};

use crate::options::Options;

/// Returns the maximum numbers of streams of events, usage and logs.
pub(crate) fn of(options: &Options) -> (EventStreamLimits, UsageStreamLimits, LogStreamLimits) {
    let (events, usage, logs) =
        (EventStreamLimits::default(), UsageStreamLimits::default(), LogStreamLimits::default());
    let events = EventStreamLimits {
        per_user: options.event_streams_per_user.unwrap_or(events.per_user),
        per_organization: options.event_streams_per_organization.unwrap_or(events.per_organization),
        per_process: options.event_streams_per_process.unwrap_or(events.per_process),
    };
    let usage = UsageStreamLimits {
        per_user: options.usage_streams_per_user.unwrap_or(usage.per_user),
        per_workspace: options.usage_streams_per_workspace.unwrap_or(usage.per_workspace),
        per_process: options.usage_streams_per_process.unwrap_or(usage.per_process),
    };
    let logs = LogStreamLimits {
        per_user: options.log_streams_per_user.unwrap_or(logs.per_user),
        per_workspace: options.log_streams_per_workspace.unwrap_or(logs.per_workspace),
        per_process: options.log_streams_per_process.unwrap_or(logs.per_process),
    };
    (events, usage, logs)
}
