//! What tenants see of their clusters: metrics from Prometheus.

mod prometheus;

pub use prometheus::{PrometheusConfig, PrometheusMetrics, ScrapeJobs};
