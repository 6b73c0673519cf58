//! Connection to Prometheus.

use std::time::Duration;

use hexabase_core::error::Check;
use hexabase_k8s::{PrometheusConfig, ScrapeJobs};

use crate::options::Options;

/// Returns the connection of the options, if there is one, and records violations.
pub(crate) fn of(options: &Options, check: &mut Check) -> Option<PrometheusConfig> {
    let defaults = PrometheusConfig::new(options.prometheus_url.clone()?);
    let jobs = |requested: &Option<Vec<String>>, default| requested.clone().unwrap_or(default);
    let seconds = options.prometheus_scrape_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let config = PrometheusConfig {
        token: options.prometheus_token.clone(),
        jobs: ScrapeJobs {
            kubelet: jobs(&options.prometheus_kubelet_job, defaults.jobs.kubelet),
            kube_state_metrics: jobs(
                &options.prometheus_kube_state_metrics_job,
                defaults.jobs.kube_state_metrics,
            ),
            api_servers: jobs(&options.prometheus_api_server_job, defaults.jobs.api_servers),
        },
        scrape_interval: seconds.unwrap_or(defaults.scrape_interval),
        ..defaults
    };
    if let Err((name, message)) = config.check() {
        check.refuse(name, message);
    }
    Some(config)
}
