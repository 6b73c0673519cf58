use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::metrics::{
    Chart, ChartQuery, Federation, HealthReadings, MemoryMetrics, Metric, MetricsSource, RuleQuery, Sample,
    Series, SeriesQuery,
};
use jiff::Timestamp;

/// Metrics source without measurements, which is never metered, so that workers do no further work for it.
#[derive(Default)]
pub struct UnmeteredMetrics(MemoryMetrics);

impl fmt::Debug for UnmeteredMetrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("UnmeteredMetrics")
    }
}

#[async_trait]
impl MetricsSource for UnmeteredMetrics {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
        self.0.series(query).await
    }

    async fn chart(&self, query: &ChartQuery) -> Result<Chart> {
        self.0.chart(query).await
    }

    async fn rule_values(&self, query: &RuleQuery) -> Result<Vec<Sample>> {
        self.0.rule_values(query).await
    }

    async fn latest(&self, target: &TenantTarget, now: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        self.0.latest(target, now).await
    }

    async fn health(&self, target: &TenantTarget, now: Timestamp) -> Result<HealthReadings> {
        self.0.health(target, now).await
    }

    async fn federate(&self, target: &TenantTarget, now: Timestamp) -> Result<Federation> {
        self.0.federate(target, now).await
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }
}
