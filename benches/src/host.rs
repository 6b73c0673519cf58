//! Host cluster that an environment variable names.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "benchmarks fail by panicking, and report what they skip"
)]

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

/// Returns a client of the cluster whose kubeconfig the environment variable names. Without the variable, reports that
/// the benchmark is skipped and returns `None`.
///
/// # Panics
/// If the kubeconfig is invalid.
pub async fn client(variable: &str, what: &str) -> Option<Client> {
    let Ok(file) = std::env::var(variable) else {
        eprintln!("skipped {what}: {variable} is not set");
        return None;
    };
    let kubeconfig = Kubeconfig::read_from(file).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Some(Client::try_from(config).unwrap())
}
