//! A host cluster that a variable of the environment names.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a bench gives up by panicking, and says what it leaves out"
)]

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

/// A client of the cluster whose kubeconfig a variable names. Without one it is said what is left out for want of it.
///
/// # Panics
/// For a kubeconfig that makes no sense.
pub async fn client(variable: &str, what: &str) -> Option<Client> {
    let Ok(file) = std::env::var(variable) else {
        eprintln!("left out, as {variable} names no cluster: {what}");
        return None;
    };
    let kubeconfig = Kubeconfig::read_from(file).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Some(Client::try_from(config).unwrap())
}
