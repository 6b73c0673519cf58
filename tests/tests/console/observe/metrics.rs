//! Usage, health and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::metrics::{
    Chart, ChartQuery, Metric, MetricsSource, RuleQuery, Sample, Series, SeriesQuery,
};
use hexabase_tests::TestApp;
use jiff::Timestamp;

use super::{Observed, assert_contains, in_japanese};

/// Source that is down, or that the installation does not have.
#[derive(Debug)]
struct FailingMetrics {
    code: &'static str,
    /// `true` if only charts fail, and the health is known.
    has_health: bool,
}

impl FailingMetrics {
    fn error(&self) -> Error {
        Error::unavailable("Prometheus does not respond").with_code(self.code)
    }
}

#[async_trait]
impl MetricsSource for FailingMetrics {
    async fn series(&self, _: &SeriesQuery) -> Result<Vec<Series>> {
        Err(self.error())
    }

    async fn chart(&self, _: &ChartQuery) -> Result<Chart> {
        Err(self.error())
    }

    async fn rule_values(&self, _: &RuleQuery) -> Result<Vec<Sample>> {
        Err(self.error())
    }

    async fn latest(&self, _: &TenantTarget, _: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        Err(self.error())
    }

    async fn health(&self, _: &TenantTarget, _: Timestamp) -> Result<hexabase_core::metrics::HealthReadings> {
        if self.has_health {
            Ok(hexabase_core::metrics::HealthReadings::default())
        } else {
            Err(self.error())
        }
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "failing"
    }
}

#[tokio::test]
async fn usage_has_the_health_and_charts_with_quotas_and_tables() {
    let observed = Observed::new().await;
    let ann = observed.ann().await;
    let usage = ann.get(&observed.page("usage")).await;
    assert_contains(
        &usage,
        &[
            "Control plane ready",
            "healthy",
            "<svg viewBox=\"0 0 600 160\"",
            "Quota: ",
            "Values as a table",
            "This is a sandbox: the values are invented.",
            "Metrics are kept for 15 days.",
            "/health",
        ],
    );
    assert_eq!(usage.text.matches("<figure class=\"chart\">").count(), 4);
    assert!(!usage.text.contains("range=30d"), "longer than metrics are kept: {}", usage.text);
    let day = ann.get(&observed.page("usage?range=1d&project=web")).await;
    assert_contains(&day, &["range=1d&amp;project=web", "<option value=\"web\" selected>"]);
    let japanese = in_japanese(&ann, &observed.page("usage")).await;
    assert_contains(&japanese, &["健全性", "コントロールプレーンの稼働", "メモリ", "クォータ: "]);
}

#[tokio::test]
async fn a_metric_is_grouped_and_downloaded() {
    let observed = Observed::new().await;
    let ann = observed.ann().await;
    let page = ann.get(&observed.page("metrics?metric=memory&range=6h&by=container&project=web")).await;
    let links = ["web / web-", "/ worker", "metric=storage&amp;range=6h&amp;project=web", "format=csv"];
    assert_contains(&page, &links);
    assert!(!page.text.contains("metric=storage&amp;range=6h&amp;project=web&amp;by="), "{}", page.text);
    assert_contains(&page, &["metric=api_requests&amp;range=6h\"", "'https://"]);

    let csv = ann.get(&observed.page("metrics?metric=memory&by=pod&format=csv")).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(csv.headers["content-disposition"], "attachment; filename=\"shop-memory.csv\"");
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 120, "{}", csv.text);
    assert_eq!(lines[0], "time,project,pod,container,value");
    assert!(lines[1].contains(",web,"), "{}", lines[1]);

    let impossible = ann.get(&observed.page("metrics?metric=storage&by=pod")).await;
    assert_eq!(impossible.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_contains(
        &impossible,
        &["The selection is invalid", "<code>by</code>: this metric is measured by project"],
    );
    let hostile = ann.get(&observed.page("metrics?project=%3Cimg%20src=x%3E")).await;
    assert_eq!(hostile.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!hostile.text.contains("<img"), "{}", hostile.text);
    assert_eq!(ann.get(&observed.page("metrics?metric=x")).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn gaps_stay_gaps() {
    let observed = Observed::with(TestApp::with_console().await).await;
    let page = observed.ann().await.get(&observed.page("metrics?metric=cpu")).await;
    assert!(page.text.contains("<td class=\"number\">–</td>"), "{}", page.text);
    assert!(page.text.contains("<path class=\"line\" d=\"\">"), "no line without values: {}", page.text);
}

#[tokio::test]
async fn an_absent_source_and_one_that_is_down_are_named_once() {
    for (code, has_health, english, japanese) in [
        ("unsupported", false, "No metrics are collected", "メトリクスは収集されていません"),
        ("unavailable", false, "The metrics source is not available", "メトリクスの取得元 を利用できません"),
        ("unavailable", true, "The metrics source is not available", "メトリクスの取得元 を利用できません"),
    ] {
        let source = Arc::new(FailingMetrics { code, has_health });
        let app = TestApp::with_console_and(|builder| builder.with_metrics(source)).await;
        let observed = Observed::with(app).await;
        let ann = observed.ann().await;
        let usage = ann.get(&observed.page("usage")).await;
        assert_eq!(
            (usage.status, usage.text.matches(english).count()),
            (StatusCode::OK, 1),
            "{}",
            usage.text
        );
        assert_eq!(
            usage.text.contains("Control plane ready"),
            has_health,
            "the rest remains: {}",
            usage.text
        );
        let metric = in_japanese(&ann, &observed.page("metrics")).await;
        assert_contains(&metric, &[japanese, "<form class=\"filters\""]);
    }
}
