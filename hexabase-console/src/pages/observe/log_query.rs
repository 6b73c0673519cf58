//! Selection of log lines in the address of a page.

use hexabase_api::logs::requests::{LogsQuery, RequestedLogs};
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::logs::{LineId, LogLine, MAX_LINES};
use hexabase_core::platform::LogRequest;
use jiff::Timestamp;

use crate::pages::filters::Filters;

/// Number of lines on a page.
pub(super) const PAGE_LINES: usize = 500;
/// Further lines that are read, since those of the time of the last one may be on another page.
const MARGIN: usize = 100;
/// Parameters that select lines, with the names of the API.
const SELECTION: [&str; 6] = ["project", "pod", "container", "query", "regex", "since"];
/// Age of the oldest line without a choice.
pub(super) const DEFAULT_SINCE: &str = "1h";

/// Selected lines.
pub(super) struct LogSelection {
    filters: Filters,
    /// Line before which the page ends; `None` for the newest lines.
    pub(super) before: Option<LineId>,
}

impl LogSelection {
    /// Returns the selection of an address.
    ///
    /// # Errors
    /// `Invalid` for a malformed position.
    pub(super) fn of(filters: Filters) -> Result<Self> {
        let before = match filters.get("before") {
            "" => None,
            id => Some(id.parse().map_err(|_| {
                Error::invalid("before", "must be the id of a line; omit it for the newest lines")
            })?),
        };
        Ok(Self { filters, before })
    }

    /// Returns the value of a parameter; empty if it is not set.
    pub(super) fn get(&self, name: &str) -> &str {
        self.filters.get(name)
    }

    /// Returns the age of the oldest line.
    pub(super) fn since(&self) -> &str {
        match self.get("since") {
            "" => DEFAULT_SINCE,
            since => since,
        }
    }

    /// `true` if the lines are filtered by more than their age.
    pub(super) fn is_filtered(&self) -> bool {
        SELECTION.iter().any(|name| *name != "since" && !self.get(name).is_empty())
    }

    /// Returns the text that all lines contain; `None` for none, and for a regular expression.
    pub(super) fn text(&self) -> Option<&str> {
        Some(self.get("query")).filter(|text| !text.is_empty() && self.get("regex") != "true")
    }

    fn query(&self) -> LogsQuery {
        let set = |name: &str| Some(self.get(name).to_owned()).filter(|value| !value.is_empty());
        LogsQuery {
            project: set("project"),
            pod: set("pod"),
            container: set("container"),
            query: set("query"),
            regex: Some(self.get("regex") == "true"),
            since: Some(self.since().to_owned()),
            ..LogsQuery::default()
        }
    }

    /// Returns the request for the lines of a page, or for all lines of a download, validated as by the API.
    ///
    /// # Errors
    /// `Invalid`.
    pub(super) fn request(&self, now: Timestamp, is_download: bool) -> Result<LogRequest> {
        let until = self.before.map(|line| after(line.at(), std::time::Duration::from_nanos(1)).to_string());
        let limit = if is_download { MAX_LINES } else { PAGE_LINES + MARGIN };
        let query = LogsQuery { until, limit: Some(limit.to_string()), ..self.query() };
        match query.parse(None, now)? {
            RequestedLogs::Lines(request) | RequestedLogs::Follow(request, _) => Ok(request),
        }
    }

    /// Returns the lines of a page from those that were read, newest first, and the position of the next older page. The
    /// oldest line comes first.
    pub(super) fn page(&self, read: Vec<LogLine>) -> (Vec<LogLine>, Option<LineId>) {
        let is_before = |line: &LogLine| self.before.is_none_or(|before| line.id < before);
        let mut lines: Vec<LogLine> = read.into_iter().filter(is_before).collect();
        let has_more = lines.len() > PAGE_LINES;
        lines.truncate(PAGE_LINES);
        lines.reverse();
        let next = lines.first().map(|line| line.id).filter(|_| has_more);
        (lines, next)
    }

    /// Returns the parameters that select the lines, for the API or for another page.
    pub(super) fn parameters(&self, further: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in SELECTION {
            let value = if name == "since" { self.since() } else { self.get(name) };
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(further).finish()
    }

    /// Returns the zone of the times: `utc`, `local`, or `off` for no times.
    pub(super) fn times(&self) -> &str {
        match self.get("times") {
            known @ ("off" | "local") => known,
            _ => "utc",
        }
    }

    /// `true` if long lines are wrapped.
    pub(super) fn is_wrapped(&self) -> bool {
        self.get("wrap") != "off"
    }

    /// Returns the choices of presentation, which links keep.
    pub(super) fn presentation(&self) -> Vec<(&'static str, &str)> {
        let times = Some(("times", self.times())).filter(|(_, times)| *times != "utc");
        let wrap = (!self.is_wrapped()).then_some(("wrap", "off"));
        times.into_iter().chain(wrap).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn selection(query: &str) -> LogSelection {
        LogSelection::of(Filters::new(query)).unwrap()
    }

    fn line(milliseconds: i64, text: &str) -> LogLine {
        let names = ["shop", "web-0", "web"].map(Arc::from);
        LogLine::new(NOW - jiff::SignedDuration::from_millis(milliseconds), names, text)
    }

    #[test]
    fn the_address_selects_as_the_parameters_of_the_api() {
        let all = selection("pod=web-0&query=a+b&regex=true&since=15m&times=off&before=");
        let request = all.request(NOW, false).unwrap();
        assert!(request.filter.unwrap().is_expression());
        assert_eq!((request.pod.as_deref(), request.limit), (Some("web-0"), 600));
        assert_eq!(NOW.duration_since(request.since).as_secs(), 900);
        let parameters = all.parameters(&[("follow", "true")]);
        assert_eq!(parameters, "pod=web-0&query=a+b&regex=true&since=15m&follow=true");
        assert!(all.is_filtered() && !selection("since=1d").is_filtered());
        assert_eq!((all.text(), selection("query=a").text()), (None, Some("a")));
        assert!(selection("since=1w").request(NOW, false).is_err());
        assert!(LogSelection::of(Filters::new("before=x")).is_err());
        assert_eq!(selection("").request(NOW, true).unwrap().limit, 5_000);
    }

    #[test]
    fn pages_have_each_line_once() {
        let mut all: Vec<LogLine> = (0..1_200).map(|number| line(number / 3, &number.to_string())).collect();
        all.sort_unstable_by_key(|line| std::cmp::Reverse(line.id));
        let (mut shown, mut before) = (Vec::new(), String::new());
        for _ in 0..4 {
            let selection = selection(&format!("before={before}"));
            let until = selection.request(NOW + jiff::SignedDuration::from_secs(1), false).unwrap();
            let read =
                all.iter().filter(|line| line.id.at() < until.until).take(until.limit).cloned().collect();
            let (lines, next) = selection.page(read);
            assert!(lines.is_sorted_by_key(|line| line.id), "oldest first");
            shown.extend(lines.into_iter().rev());
            let Some(next) = next else { break };
            before = next.to_string();
        }
        assert_eq!(shown, all);
    }
}
