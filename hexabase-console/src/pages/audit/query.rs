//! Filters of the audit log. Those of the page are the parameters of the API, but times may lack their zone: they mean UTC.

use hexabase_api::organizations::requests::AuditQuery;
use hexabase_api::requests::from_filter_form;
use hexabase_core::error::Result;
use jiff::Timestamp;

/// Parameters with times.
pub(super) const TIMES: [&str; 2] = ["since", "until"];

/// Parses the query string of a page.
///
/// # Errors
/// `Invalid` with the names of the fields.
pub(super) fn parse(query: &str) -> Result<AuditQuery> {
    let pairs = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
        let value = if TIMES.contains(&&*name) { in_utc(value.trim()) } else { value.trim().to_owned() };
        (name.into_owned(), value)
    });
    from_filter_form(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// Completes a date, or a date with a time, as browsers send them; any other text is unchanged.
fn in_utc(time: &str) -> String {
    let is_ascii = time.is_ascii();
    match time.len() {
        10 if is_ascii => format!("{time}T00:00:00Z"),
        16 if is_ascii => format!("{time}:00Z"),
        19 if is_ascii => format!("{time}Z"),
        _ => time.to_owned(),
    }
}

/// Returns a time as an input of the type `datetime-local` shows it, in UTC; empty for no time.
pub(super) fn local(time: &str) -> String {
    let parsed: Option<Timestamp> = in_utc(time.trim()).parse().ok();
    parsed.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_in_utc() {
        for (time, expected) in [
            ("2026-11-29", "2026-11-29T00:00:00Z"),
            ("2026-11-29T10:12", "2026-11-29T10:12:00Z"),
            ("2026-11-29T10:12:05", "2026-11-29T10:12:05Z"),
            ("2026-11-29T19:12:05+09:00", "2026-11-29T10:12:05Z"),
        ] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("since", time).finish();
            let filter = parse(&query).unwrap().parse().unwrap();
            assert_eq!(filter.since, Some(expected.parse().unwrap()), "{time}");
            assert_eq!(local(time), expected.trim_end_matches('Z'), "{time}");
        }
        assert_eq!((local(""), local("yesterday")), (String::new(), String::new()));
        assert!(parse("since=%E6%98%A8%E6%97%A5").unwrap().parse().is_err());
    }

    #[test]
    fn empty_filters_are_absent_and_unknown_ones_are_rejected() {
        let filter =
            parse("actor=&action=+workspace.create+&resource=&since=&until=").unwrap().parse().unwrap();
        assert_eq!(filter.action.as_deref(), Some("workspace.create"));
        assert!(filter.actor.is_none() && filter.resource.is_none() && filter.since.is_none());
        assert!(parse("actors=x").is_err());
    }
}
