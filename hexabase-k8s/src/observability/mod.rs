//! What tenants see of their clusters: metrics from Prometheus, logs from Loki, and alerts from Alertmanager.

mod alertmanager;
mod http;
mod loki;
mod prometheus;

pub use alertmanager::{Alertmanager, AlertmanagerConfig};
pub use loki::{LokiConfig, LokiLogs, LokiTenancy, UnknownTenancy};
pub use prometheus::{
    FindingLevel, MonitoringFinding, PrometheusConfig, PrometheusMetrics, ScrapeJobs, alert_rules,
};
