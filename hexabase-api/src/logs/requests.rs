//! Requests of this area.

use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id::ProjectId;
use hexabase_core::logs::{Direction, LineId, MAX_LINES, TextFilter, check_workload_name};
use hexabase_core::platform::{LogRequest, MAX_LOG_RANGE};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::requests::{parse_optional, parse_timestamp};
use crate::schema;

/// Number of lines without the parameter `limit`.
const DEFAULT_LIMIT: usize = 100;
/// Age of the oldest line without the parameter `since`.
const DEFAULT_RANGE: SignedDuration = SignedDuration::from_hours(1);

/// Selection of log lines.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Id of the project, `prj_…`; all namespaces of the tenant cluster by default.
    #[param(value_type = Option<schema::ProjectId>)]
    pub project: Option<String>,
    /// Name of the pod; all by default.
    #[param(max_length = 253)]
    pub pod: Option<String>,
    /// Name of the container; all by default.
    #[param(max_length = 253)]
    pub container: Option<String>,
    /// Text that each line contains, in this case of its letters; any by default.
    #[param(max_length = 1000)]
    pub query: Option<String>,
    /// `true` if `query` is a regular expression in RE2 syntax, which matches any part of a line.
    pub regex: Option<bool>,
    /// Time of the oldest line (RFC 3339), or its age in seconds, minutes, hours or days, such as `15m`; at most `30d`.
    /// One hour by default, and with `follow` none: the stream begins with the next line.
    pub since: Option<String>,
    /// Time after that of the newest line (RFC 3339), or its age such as `5m`; now by default.
    pub until: Option<String>,
    /// Maximum number of lines, from 1 to 5000; 100 by default.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 5000)]
    pub limit: Option<String>,
    /// Order of the lines; `backward` by default, which returns the newest lines.
    #[param(value_type = Option<DirectionSchema>)]
    pub direction: Option<String>,
    /// `true` for a stream of the lines as they are written, oldest first. It takes neither `until`, `limit` nor
    /// `direction`.
    pub follow: Option<bool>,
}

/// Schema of the order of lines.
#[derive(ToSchema)]
#[schema(as = LogDirection, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema; the domain has the type")]
pub(super) enum DirectionSchema {
    Forward,
    Backward,
}

/// Parsed request for logs.
#[derive(Debug, Clone)]
pub enum RequestedLogs {
    /// Lines of a time range.
    Lines(LogRequest),
    /// Stream of the lines after an id.
    Follow(LogRequest, LineId),
}

impl LogsQuery {
    /// Parses the query, and the header `Last-Event-ID` of a resumed stream.
    ///
    /// # Errors
    /// `Invalid` with all violations.
    pub fn parse(&self, last_event_id: Option<&str>, now: Timestamp) -> Result<RequestedLogs> {
        let follow = self.follow == Some(true);
        let mut check = Check::default();
        let project = check.field("project", parse_optional(&self.project, str::parse::<ProjectId>));
        let pod = check.field(
            "pod",
            parse_optional(&self.pod, |name| check_workload_name(name).map(|()| name.to_owned())),
        );
        let container = check.field(
            "container",
            parse_optional(&self.container, |name| check_workload_name(name).map(|()| name.to_owned())),
        );
        let is_expression = self.regex == Some(true);
        let filter = TextFilter::parse(self.query.as_deref().unwrap_or_default(), is_expression);
        let filter = check.field("query", filter);
        let since = check.field("since", parse_optional(&self.since, |text| parse_moment(text, now)));
        let until = check.field("until", parse_optional(&self.until, |text| parse_moment(text, now)));
        let limit = parse_optional(&self.limit, parse_limit).map(|limit| limit.unwrap_or(DEFAULT_LIMIT));
        let limit = check.field("limit", limit);
        let direction = parse_optional(&self.direction, str::parse::<Direction>);
        let direction = check.field("direction", direction.map(Option::unwrap_or_default));
        let excluded = [("until", &self.until), ("limit", &self.limit), ("direction", &self.direction)];
        for (field, _) in excluded.iter().filter(|(_, value)| follow && value.is_some()) {
            check.refuse(*field, "must be absent with follow=true");
        }
        let (names, range) = (pod.zip(container), since.zip(until));
        let (project_id, (pod, container), filter, (since, until), limit, direction) =
            check.all((project, names, filter, range, limit, direction))?;
        let until = until.unwrap_or(now);
        let default_since =
            || if follow { now } else { until.checked_sub(DEFAULT_RANGE).unwrap_or(Timestamp::MIN) };
        let since = since.unwrap_or_else(default_since);
        let request = LogRequest { project_id, pod, container, filter, since, until, limit, direction };
        if !follow {
            return Ok(RequestedLogs::Lines(request));
        }
        let last = last_event_id.map(|id| resume_after(id, now));
        let start = last.transpose()?.unwrap_or_else(|| LineId::before(since.min(now)));
        // A stream from now on has a valid range too.
        let latest = now.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(now);
        let (since, until) = (start.at().min(latest), now);
        Ok(RequestedLogs::Follow(LogRequest { since, until, ..request }, start))
    }
}

/// Parses a time, or an age before now.
fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    if let Some(age) = parse_age(text) {
        return now.checked_sub(age).map_err(|_| "must be at most 30 days ago");
    }
    parse_timestamp(text)
        .map_err(|_| "must be a time such as 2026-01-31T12:00:00Z (RFC 3339), or an age such as 15m")
}

/// Parses a whole number of seconds, minutes, hours or days.
fn parse_age(text: &str) -> Option<SignedDuration> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<i64>().ok().filter(|_| is_number)?.checked_mul(unit)?;
    Some(SignedDuration::from_secs(seconds))
}

fn parse_limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LINES).contains(limit));
    limit.ok_or_else(|| format!("must be a number from 1 to {MAX_LINES}"))
}

fn resume_after(id: &str, now: Timestamp) -> Result<LineId> {
    let invalid = |message| Error::invalid("Last-Event-ID", message);
    let id: LineId = id.parse().map_err(|_| invalid("must be the id of an event of this stream"))?;
    if now.duration_since(id.at()) >= MAX_LOG_RANGE {
        return Err(invalid("must be of the last 30 days; begin a new stream"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn parse(query: &str) -> Result<RequestedLogs, Vec<String>> {
        let fields = |error: Error| error.violations().iter().map(|it| it.field.clone()).collect();
        match serde_urlencoded::from_str::<LogsQuery>(query) {
            Ok(parameters) => parameters.parse(None, NOW).map_err(fields),
            Err(error) => panic!("{query}: {error}"),
        }
    }

    fn range(query: &str) -> (i64, i64) {
        let Ok(RequestedLogs::Lines(request)) = parse(query) else { panic!("{query}") };
        (request.since.duration_since(NOW).as_secs(), request.until.duration_since(NOW).as_secs())
    }

    #[test]
    fn times_are_absolute_or_ages() {
        assert_eq!(range(""), (-3_600, 0));
        assert_eq!(range("since=90s"), (-90, 0));
        assert_eq!(range("since=30d&until=29d"), (-30 * 86_400, -29 * 86_400));
        assert_eq!(range("until=10m"), (-4_200, -600));
        assert_eq!(range("since=2025-12-31T23:59:00Z"), (-60, 0));
    }

    #[test]
    fn every_violation_names_its_parameter() {
        for (query, fields) in [
            ("project=shop", vec!["project"]),
            ("pod=Web&container=a%22b", vec!["pod", "container"]),
            ("since=1w&until=-5m", vec!["since", "until"]),
            ("since=&until=99999999999999999999s", vec!["since", "until"]),
            ("since=%2B5m", vec!["since"]),
            ("limit=0", vec!["limit"]),
            ("limit=5001&direction=up", vec!["limit", "direction"]),
            ("follow=true&until=1m&limit=1&direction=forward", vec!["until", "limit", "direction"]),
        ] {
            assert_eq!(parse(query).err(), Some(fields.into_iter().map(str::to_owned).collect()), "{query}");
        }
        let long = format!("query={}", "a".repeat(1_001));
        assert_eq!(parse(&long).unwrap_err(), ["query"]);
    }

    #[test]
    fn a_stream_begins_now_or_at_since_or_after_the_last_event() {
        let start = |query: &str, last: Option<&str>| {
            let parameters: LogsQuery = serde_urlencoded::from_str(query).unwrap();
            match parameters.parse(last, NOW) {
                Ok(RequestedLogs::Follow(_, start)) => Ok(start.to_string()),
                Ok(RequestedLogs::Lines(_)) => panic!("{query}"),
                Err(error) => Err(error.violations()[0].field.clone()),
            }
        };
        let id = |seconds: i64| LineId::before(NOW + SignedDuration::from_secs(seconds)).to_string();
        assert_eq!(start("follow=true", None), Ok(id(0)));
        assert_eq!(start("follow=true&since=5m", None), Ok(id(-300)));
        let last = "1767225599000000007-00c0ffee00c0ffee";
        assert_eq!(start("follow=true&since=5m", Some(last)).as_deref(), Ok(last));
        let ahead = "1767225601000000000-00c0ffee00c0ffee";
        assert_eq!(start("follow=true", Some(ahead)).as_deref(), Ok(ahead), "clocks differ");
        for invalid in ["", "evt_1", &id(-30 * 86_400)] {
            assert_eq!(start("follow=true", Some(invalid)), Err("Last-Event-ID".to_owned()), "{invalid}");
        }
    }
}
