//! Conformance suite for [`LogSource`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::fixture::id;
use crate::logs::{Direction, LineId, LogLine, LogQuery, LogSource, MAX_LINES, TextFilter};
use crate::name::ProjectName;

/// A source under test, and the means to write lines into its backend.
#[async_trait]
pub trait LogHarness: fmt::Debug + Send + Sync {
    /// The source.
    fn source(&self) -> &dyn LogSource;

    /// Writes lines of a tenant, which the source returns from then on.
    async fn write(&self, target: &TenantTarget, lines: &[LogLine]);

    /// Writes a line of the control plane of a tenant. Sources that have no such lines need not do anything.
    async fn write_of_control_plane(&self, _target: &TenantTarget, _at: Timestamp, _text: &str) {}

    /// Time of the first line, a whole second.
    fn start(&self) -> Timestamp {
        Timestamp::constant(1_767_225_600, 0)
    }

    /// A tenant by name. On a shared backend, the tenants of different runs differ.
    fn tenant(&self, name: &str) -> TenantTarget {
        TenantTarget::by_id(id("acme"), id(name))
    }
}

/// Defines one test per case for a [`LogSource`]. The expression returns a [`LogHarness`].
#[macro_export]
macro_rules! log_source_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            log_source,
            $make,
            [
                lines_of_other_tenants_are_never_returned,
                lines_of_the_control_plane_are_never_returned,
                lines_match_project_pod_and_container,
                a_plain_text_is_matched_literally_and_with_its_case,
                a_regular_expression_matches_any_part_of_a_line,
                a_malformed_regular_expression_is_invalid_and_not_repeated,
                a_line_at_since_is_returned_and_one_at_until_is_not,
                forward_the_oldest_lines_are_returned_and_come_first,
                backward_the_newest_lines_are_returned_and_come_first,
                lines_of_equal_times_are_ordered_by_their_ids,
                equal_lines_of_a_container_at_one_time_are_one,
                times_keep_nanoseconds_and_ids_are_the_same_in_every_result,
                texts_are_returned_unchanged,
                a_tenant_that_never_logged_has_no_lines,
                limits_out_of_range_and_malformed_names_are_invalid,
            ]
        );
    };
}

const APP: [&str; 3] = ["shop", "web-0", "app"];

/// Line that a container writes some milliseconds after the start.
fn line(harness: &dyn LogHarness, milliseconds: i64, container: [&str; 3], text: &str) -> LogLine {
    let at = harness.start() + SignedDuration::from_millis(milliseconds);
    LogLine::new(at, container.map(Arc::from), text)
}

/// Query of all lines of a tenant within a minute, oldest first.
fn query(harness: &dyn LogHarness, target: &TenantTarget) -> LogQuery {
    LogQuery {
        target: target.clone(),
        project: None,
        pod: None,
        container: None,
        filter: None,
        since: harness.start(),
        until: harness.start() + SignedDuration::from_mins(1),
        limit: MAX_LINES,
        direction: Direction::Forward,
    }
}

fn filtered(query: LogQuery, text: &str, is_expression: bool) -> LogQuery {
    LogQuery { filter: TextFilter::parse(text, is_expression).unwrap(), ..query }
}

async fn texts(harness: &dyn LogHarness, query: &LogQuery) -> Vec<String> {
    let lines = harness.source().lines(query).await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

/// Two tenants with lines of the same names see their own lines only.
pub async fn lines_of_other_tenants_are_never_returned(harness: &dyn LogHarness) {
    let (own, other) = (harness.tenant("own"), harness.tenant("other"));
    harness.write(&own, &[line(harness, 1, APP, "mine")]).await;
    harness.write(&other, &[line(harness, 2, APP, "theirs")]).await;
    assert_eq!(texts(harness, &query(harness, &own)).await, ["mine"]);
    assert_eq!(texts(harness, &query(harness, &other)).await, ["theirs"]);
    // Every filter that names the other tenant is only a filter.
    for text in [&other.name, "\"} or {namespace=~\".+\"", "` | line_format `{{.namespace}}"] {
        for is_expression in [false, true] {
            let filtered = filtered(query(harness, &own), text, is_expression);
            let found = harness.source().lines(&filtered).await;
            assert!(found.is_err() || found.unwrap().is_empty(), "{text}");
        }
    }
}

/// The logs of a control plane belong to the operator.
pub async fn lines_of_the_control_plane_are_never_returned(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    harness.write_of_control_plane(&own, harness.start(), "syncer started").await;
    harness.write(&own, &[line(harness, 1, APP, "mine")]).await;
    assert_eq!(texts(harness, &query(harness, &own)).await, ["mine"]);
}

/// Each of the filters by name, and all together.
pub async fn lines_match_project_pod_and_container(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let containers = [
        ["shop", "web-0", "app"],
        ["shop", "web-0", "proxy"],
        ["shop", "web-1", "app"],
        ["blog", "web-0", "app"],
    ];
    let lines: Vec<LogLine> = (0..4)
        .map(|number| {
            let index = usize::try_from(number).unwrap();
            line(harness, number, containers[index], &number.to_string())
        })
        .collect();
    harness.write(&own, &lines).await;
    let name = |text: &str| Some(text.to_owned());
    for (project, pod, container, expected) in [
        (None, None, None, vec!["0", "1", "2", "3"]),
        (name("shop"), None, None, vec!["0", "1", "2"]),
        (name("shop"), name("web-0"), None, vec!["0", "1"]),
        (None, name("web-0"), name("app"), vec!["0", "3"]),
        (name("shop"), name("web-1"), name("app"), vec!["2"]),
        (name("blog"), name("web-1"), None, vec![]),
        (name("none"), None, None, vec![]),
        (None, name("web"), None, vec![]),
        (None, name("web-."), None, vec![]),
    ] {
        let project = project.map(|name| ProjectName::parse(&name).unwrap());
        let query = LogQuery { project, pod, container, ..query(harness, &own) };
        assert_eq!(texts(harness, &query).await, expected, "{query:?}");
    }
    let found = harness.source().lines(&query(harness, &own)).await.unwrap();
    assert_eq!(found, lines, "the names of the container are returned");
}

/// Characters with a meaning in queries have none in a text.
pub async fn a_plain_text_is_matched_literally_and_with_its_case(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let odd = [
        "a.c",
        "abc",
        "ABC",
        "say \"hi\"",
        "back\\slash",
        "tab\there",
        "tick `x`",
        "{{.pod}}",
        "caf\u{e9} \u{1f600}",
        "x| json",
        "\u{7f}del",
    ];
    let lines = odd.iter().zip(0..).map(|(text, number)| line(harness, number, APP, text));
    harness.write(&own, &lines.collect::<Vec<_>>()).await;
    for text in odd {
        assert_eq!(texts(harness, &filtered(query(harness, &own), text, false)).await, [text]);
    }
    for (text, expected) in
        [("a.", vec!["a.c"]), ("bc", vec!["abc"]), ("\\", vec!["back\\slash"]), ("nothing", vec![])]
    {
        assert_eq!(texts(harness, &filtered(query(harness, &own), text, false)).await, expected, "{text}");
    }
}

/// Anchors, classes, alternatives and flags of RE2.
pub async fn a_regular_expression_matches_any_part_of_a_line(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let written = ["GET /cart 200", "GET /cart 503", "POST /pay 200", "path \"/cart\" \\d"];
    let lines = written.iter().zip(0..).map(|(text, number)| line(harness, number, APP, text));
    harness.write(&own, &lines.collect::<Vec<_>>()).await;
    for (expression, expected) in [
        ("cart", vec![0, 1, 3]),
        ("^GET .* 5\\d\\d$", vec![1]),
        ("(?i)post|503", vec![1, 2]),
        ("\"/[a-z]+\"", vec![3]),
        (r"\\d", vec![3]),
        ("^cart", vec![]),
        (r"[/]p.y\s", vec![2]),
    ] {
        let found = texts(harness, &filtered(query(harness, &own), expression, true)).await;
        let expected: Vec<&str> = expected.into_iter().map(|index: usize| written[index]).collect();
        assert_eq!(found, expected, "{expression}");
    }
}

/// The reason is there, and the expression, which may be confidential, is not.
pub async fn a_malformed_regular_expression_is_invalid_and_not_repeated(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    harness.write(&own, &[line(harness, 1, APP, "mine")]).await;
    for expression in ["s3cr3t(", "s3cr3t[", "*s3cr3t", "s3cr3t\\"] {
        let query = filtered(query(harness, &own), expression, true);
        let error = harness.source().lines(&query).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{expression}: {error:?}");
        assert_eq!(error.violations()[0].field, "query");
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        assert!(error.violations()[0].message.len() > "is not a regular expression in RE2 syntax: ".len());
    }
}

/// The range of a query is half open.
pub async fn a_line_at_since_is_returned_and_one_at_until_is_not(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let lines = [0, 1, 2, 3].map(|number| line(harness, number, APP, &number.to_string()));
    harness.write(&own, &lines).await;
    let range = |since: usize, until: usize| LogQuery {
        since: lines[since].id.at(),
        until: lines[until].id.at(),
        ..query(harness, &own)
    };
    assert_eq!(texts(harness, &range(1, 3)).await, ["1", "2"]);
    assert!(texts(harness, &range(2, 2)).await.is_empty());
    assert!(texts(harness, &range(3, 1)).await.is_empty());
}

async fn write_from_two_containers(harness: &dyn LogHarness, own: &TenantTarget) {
    let lines = (0..10).map(|number| {
        let pod = ["shop", if number % 2 == 0 { "web-0" } else { "web-1" }, "app"];
        line(harness, number, pod, &number.to_string())
    });
    harness.write(own, &lines.collect::<Vec<_>>()).await;
}

/// Lines of several containers are merged before the limit applies.
pub async fn forward_the_oldest_lines_are_returned_and_come_first(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    write_from_two_containers(harness, &own).await;
    let query = LogQuery { limit: 3, ..query(harness, &own) };
    assert_eq!(texts(harness, &query).await, ["0", "1", "2"]);
}

/// Lines of several containers are merged before the limit applies.
pub async fn backward_the_newest_lines_are_returned_and_come_first(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    write_from_two_containers(harness, &own).await;
    let query = LogQuery { limit: 3, direction: Direction::Backward, ..query(harness, &own) };
    assert_eq!(texts(harness, &query).await, ["9", "8", "7"]);
}

/// All lines of one time are returned, in a stable order.
pub async fn lines_of_equal_times_are_ordered_by_their_ids(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let pods = ["web-0", "web-1", "web-2"];
    let lines =
        pods.iter().flat_map(|pod| ["a", "b", "c"].map(|text| line(harness, 5, ["shop", pod, "app"], text)));
    let mut lines: Vec<LogLine> = lines.collect();
    harness.write(&own, &lines).await;
    lines.sort_by_key(|line| line.id);
    assert_eq!(harness.source().lines(&query(harness, &own)).await.unwrap(), lines);
    lines.reverse();
    let backward = LogQuery { direction: Direction::Backward, ..query(harness, &own) };
    assert_eq!(harness.source().lines(&backward).await.unwrap(), lines);
}

/// A line that an agent sends twice is one line.
pub async fn equal_lines_of_a_container_at_one_time_are_one(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let twice = line(harness, 5, APP, "hello");
    let other = line(harness, 5, ["shop", "web-1", "app"], "hello");
    harness.write(&own, &[twice.clone(), other, twice.clone()]).await;
    harness.write(&own, &[twice]).await;
    assert_eq!(texts(harness, &query(harness, &own)).await, ["hello", "hello"]);
}

/// Ids depend neither on the query nor on the direction, and can be parsed.
pub async fn times_keep_nanoseconds_and_ids_are_the_same_in_every_result(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let at = |nanoseconds| harness.start() + SignedDuration::from_nanos(nanoseconds);
    let written = [1, 2, 999_999_999].map(|number| LogLine::new(at(number), APP.map(Arc::from), "tick"));
    harness.write(&own, &written).await;
    let ids = async |query: LogQuery| -> Vec<LineId> {
        harness.source().lines(&query).await.unwrap().iter().map(|line| line.id).collect()
    };
    let expected = written.map(|line| line.id);
    let forward = ids(query(harness, &own)).await;
    assert_eq!(forward, expected);
    let mut backward = ids(LogQuery { direction: Direction::Backward, ..query(harness, &own) }).await;
    backward.reverse();
    assert_eq!(backward, expected);
    assert_eq!(ids(filtered(query(harness, &own), "tick", false)).await, expected);
    let parsed = forward.iter().map(|id| id.to_string().parse::<LineId>().unwrap());
    assert!(parsed.eq(expected));
}

/// Control characters, JSON and long lines.
pub async fn texts_are_returned_unchanged(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let written = [
        "{\"level\":\"info\",\"namespace\":\"ws-other\",\"pod\":\"forged\"}".to_owned(),
        "two\nlines".to_owned(),
        "\u{1b}[31mred\u{1b}[0m".to_owned(),
        "  spaces  ".to_owned(),
        "x".repeat(100_000),
    ];
    let lines = written.iter().zip(0..).map(|(text, number)| line(harness, number, APP, text));
    harness.write(&own, &lines.collect::<Vec<_>>()).await;
    assert_eq!(texts(harness, &query(harness, &own)).await, written);
}

/// An unknown tenant has no lines, and no error.
pub async fn a_tenant_that_never_logged_has_no_lines(harness: &dyn LogHarness) {
    assert!(texts(harness, &query(harness, &harness.tenant("silent"))).await.is_empty());
}

/// Each violation names its field.
pub async fn limits_out_of_range_and_malformed_names_are_invalid(harness: &dyn LogHarness) {
    let own = harness.tenant("own");
    let query = || query(harness, &own);
    for (query, field) in [
        (LogQuery { limit: 0, ..query() }, "limit"),
        (LogQuery { limit: MAX_LINES + 1, ..query() }, "limit"),
        (LogQuery { pod: Some(String::new()), ..query() }, "pod"),
        (LogQuery { pod: Some("\" or \"".to_owned()), ..query() }, "pod"),
        (LogQuery { container: Some("App".to_owned()), ..query() }, "container"),
    ] {
        let error = harness.source().lines(&query).await.unwrap_err();
        assert_eq!((error.kind(), error.violations()[0].field.as_str()), (ErrorKind::Invalid, field));
    }
}
