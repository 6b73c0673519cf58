//! Logs from Loki: the conformance suite on the stand-in and on the real Loki at `HEXABASE_TEST_LOKI_URL`, tenancy,
//! credentials and failures.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::conformance::log_source::LogHarness;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::fixture::id;
use hexabase_core::logs::{Direction, LogLine, LogQuery, LogSource};
use hexabase_k8s::{LokiConfig, LokiLogs, LokiTenancy};
use hexabase_test_servers::{FakeLoki, push, unique};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Loki with the lines of one test.
#[derive(Debug)]
struct Harness {
    logs: LokiLogs,
    url: String,
    tenancy: LokiTenancy,
    start: Timestamp,
    run: String,
}

impl Harness {
    fn new(url: &str, tenancy: LokiTenancy) -> Self {
        let logs = LokiLogs::new(&LokiConfig { tenancy: tenancy.clone(), ..LokiConfig::new(url) }).unwrap();
        let start = Timestamp::constant(1_767_225_600, 0);
        Self { logs, url: url.to_owned(), tenancy, start, run: String::new() }
    }

    /// The real Loki, or else the stand-in. Loki rejects lines that are older than a week.
    async fn real_or_not() -> Self {
        let Ok(url) = std::env::var("HEXABASE_TEST_LOKI_URL") else {
            return Self::new(FakeLoki::start(false).await.url(), LokiTenancy::None);
        };
        #[expect(clippy::disallowed_methods, reason = "the server has the time of the system")]
        let start = Timestamp::from_second(Timestamp::now().as_second() - 600).unwrap();
        Self { start, run: unique("run"), ..Self::new(&url, LokiTenancy::PerWorkspace) }
    }

    fn tenant_of_loki(&self, target: &TenantTarget) -> String {
        match &self.tenancy {
            LokiTenancy::None => String::new(),
            LokiTenancy::Single(name) => name.clone(),
            LokiTenancy::PerWorkspace => target.name.clone(),
        }
    }
}

#[async_trait]
impl LogHarness for Harness {
    fn source(&self) -> &dyn LogSource {
        &self.logs
    }

    async fn write(&self, target: &TenantTarget, lines: &[LogLine]) {
        let entry = |line: &LogLine| {
            let [project, pod, container] =
                [&line.project, &line.pod, &line.container].map(ToString::to_string);
            let labels =
                json!({ "namespace": target.name, "vcluster_namespace": project, "container": container });
            (labels, json!({ "pod": pod, "node": "node-1" }), line.id.at().as_nanosecond())
        };
        let entries: Vec<_> = lines
            .iter()
            .map(|line| {
                let (labels, metadata, at) = entry(line);
                (labels, metadata, at, line.text.as_str())
            })
            .collect();
        push(&self.url, &self.tenant_of_loki(target), &entries).await;
    }

    async fn write_of_control_plane(&self, target: &TenantTarget, at: Timestamp, text: &str) {
        let labels = json!({ "namespace": target.name, "container": "syncer" });
        let metadata = json!({ "pod": format!("{}-0", target.name), "node": "node-1" });
        push(&self.url, &self.tenant_of_loki(target), &[(labels, metadata, at.as_nanosecond(), text)]).await;
    }

    fn start(&self) -> Timestamp {
        self.start
    }

    fn tenant(&self, name: &str) -> TenantTarget {
        TenantTarget::by_id(id("acme"), id(&format!("{name}{}", self.run)))
    }
}

mod loki_logs {
    use super::Harness;

    hexabase_core::log_source_conformance!(async { (Harness::real_or_not().await, ()) });
}

fn query(harness: &Harness) -> LogQuery {
    LogQuery {
        target: harness.tenant("own"),
        project: None,
        pod: None,
        container: None,
        filter: None,
        since: harness.start,
        until: harness.start + SignedDuration::from_hours(1),
        limit: 100,
        direction: Direction::Forward,
    }
}

fn line(harness: &Harness, text: &str) -> LogLine {
    LogLine::new(harness.start, ["shop", "web-0", "app"].map(Into::into), text)
}

async fn failure(logs: &LokiLogs, harness: &Harness) -> Error {
    logs.lines(&query(harness)).await.unwrap_err()
}

#[tokio::test]
async fn every_kind_of_tenancy_reads_the_tenant_that_it_names() {
    for (tenancy, expected) in [
        (LokiTenancy::None, None),
        (LokiTenancy::Single("fleet".to_owned()), Some("fleet".to_owned())),
        (LokiTenancy::PerWorkspace, Some(TenantTarget::by_id(id("acme"), id("own")).name)),
    ] {
        let server = FakeLoki::start(tenancy != LokiTenancy::None).await;
        let harness = Harness::new(server.url(), tenancy);
        harness.write(&harness.tenant("own"), &[line(&harness, "mine")]).await;
        assert_eq!(harness.logs.lines(&query(&harness)).await.unwrap()[0].text, "mine");
        let (headers, _) = server.queries().pop().unwrap();
        let sent = headers.get("x-scope-orgid").map(|tenant| tenant.to_str().unwrap().to_owned());
        assert_eq!(sent, expected);
    }
    let server = FakeLoki::start(true).await;
    let harness = Harness::new(server.url(), LokiTenancy::None);
    let error = failure(&harness.logs, &harness).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(format!("{error:?}").contains("--loki-tenancy"), "{error:?}");
}

#[tokio::test]
async fn a_tenant_is_never_read_without_the_selector_of_its_namespace() {
    let server = FakeLoki::start(false).await;
    let harness = Harness::new(server.url(), LokiTenancy::None);
    harness.logs.lines(&query(&harness)).await.unwrap();
    let selector = format!(r#"{{namespace="{}",vcluster_namespace!=""}}"#, harness.tenant("own").name);
    assert!(server.queries().iter().all(|(_, query)| query.starts_with(&selector)));
}

#[tokio::test]
async fn failures_of_loki_have_errors_that_repeat_nothing_of_the_query() {
    let server = FakeLoki::start(false).await;
    let harness = Harness::new(server.url(), LokiTenancy::None);
    for (status, text, kind, code) in [
        (429, "too many outstanding requests", ErrorKind::RateLimited, "log_queries_rejected"),
        (500, "s3cr3t", ErrorKind::Unavailable, "unavailable"),
        (502, "<html>", ErrorKind::Unavailable, "unavailable"),
        (401, "no org id", ErrorKind::Unavailable, "unavailable"),
        (302, "", ErrorKind::Unavailable, "unavailable"),
        (400, "parse error: s3cr3t", ErrorKind::Unexpected, "unexpected"),
    ] {
        server.fail_with(Some((status, text)));
        let error = failure(&harness.logs, &harness).await;
        assert_eq!((error.kind(), error.code()), (kind, code), "{status}");
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
    }
    server.fail_with(None);
    assert!(harness.logs.lines(&query(&harness)).await.is_ok());
}

#[tokio::test]
async fn credentials_are_sent_and_shown_nowhere() {
    let server = MockServer::start().await;
    let response = json!({ "status": "success", "data": { "resultType": "streams", "result": [] } });
    let ok = || ResponseTemplate::new(200).set_body_json(&response);
    let at = || Mock::given(method("GET")).and(path("/logs/loki/api/v1/query_range"));
    at().and(header("authorization", "Bearer s3cr3t")).respond_with(ok()).expect(1).mount(&server).await;
    // hexabase:s3cr3t
    let basic = "Basic aGV4YWJhc2U6czNjcjN0";
    at().and(header("authorization", basic)).respond_with(ok()).expect(1).mount(&server).await;
    let url = format!("{}/logs", server.uri());
    let with_password = url.replace("http://", "http://hexabase:s3cr3t@");
    let token = LokiConfig { token: Some("s3cr3t".into()), ..LokiConfig::new(url) };
    let harness = Harness::new(&server.uri(), LokiTenancy::None);
    for config in [token, LokiConfig::new(with_password)] {
        let logs = LokiLogs::new(&config).unwrap();
        assert!(logs.lines(&query(&harness)).await.unwrap().is_empty());
        let away = LokiConfig { url: "http://hexabase:s3cr3t@127.0.0.1:1".into(), ..config.clone() };
        let error = failure(&LokiLogs::new(&away).unwrap(), &harness).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        for text in [format!("{config:?}"), format!("{logs:?}"), format!("{error:?}")] {
            assert!(!text.contains("s3cr3t") && !text.contains("namespace"), "{text}");
        }
    }
}

#[tokio::test]
async fn large_and_slow_responses_are_cut_off() {
    let server = MockServer::start().await;
    let large = ResponseTemplate::new(200).set_body_bytes(vec![b' '; 17 << 20]);
    Mock::given(method("GET")).respond_with(large).up_to_n_times(1).mount(&server).await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(600));
    Mock::given(method("GET")).respond_with(slow).mount(&server).await;
    let harness = Harness::new(&server.uri(), LokiTenancy::None);
    let error = failure(&harness.logs, &harness).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "logs_too_large"));
    let config = LokiConfig { timeout: Duration::from_millis(50), ..LokiConfig::new(server.uri()) };
    let error = failure(&LokiLogs::new(&config).unwrap(), &harness).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
