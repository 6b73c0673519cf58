//! What tenants see of their clusters: metrics from Prometheus, and logs from Loki.

mod loki;
mod prometheus;

pub use loki::{LokiConfig, LokiLogs, LokiTenancy, UnknownTenancy};
pub use prometheus::{PrometheusConfig, PrometheusMetrics, ScrapeJobs};
