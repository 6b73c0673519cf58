//! A sandbox of its own, to look at.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hexabase_core::error::{Error, Result};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};

use super::say;
use super::serve::stop_signal;
use crate::gate;
use crate::listener::{Listener, Speech};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where to listen; port 0 takes any free one. Whoever reaches it may do everything.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8001)))]
    listen: SocketAddr,

    /// Where others reach it, if that is not where it listens.
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Where to write a kubeconfig for it.
    #[arg(long, value_name = "FILE", default_value = "sandbox.kubeconfig")]
    kubeconfig: PathBuf,
}

/// Serves a sandbox until the process is told to stop.
pub(super) async fn serve(options: Options) -> Result<()> {
    let stopping = stop_signal()?;
    let listener = Listener::bind(options.listen).await?;
    let base = options.url.unwrap_or_else(|| format!("http://{}", listener.address));
    let sandbox = Sandbox::start(SandboxOptions {
        tenants_url: Some(format!("{base}{}", gate::TENANTS)),
        ..SandboxOptions::default()
    });
    let file = options.kubeconfig.display();
    std::fs::write(&options.kubeconfig, kubeconfig(&format!("{base}{}", gate::HOST)))
        .map_err(|error| Error::invalid("kubeconfig", format!("{file} cannot be written: {error}")))?;
    say(&format!(
        "The sandbox is ready on {base}{host}: kubectl --kubeconfig {file} get namespaces\n\
         A tenant that is applied to it answers at {base}{tenants}/<name>: a server that works with it is told so by\n\
         --kubeconfig {file} --tenant-address {base}{tenants}/{{name}}. Stop with Ctrl-C; it forgets everything.",
        host = gate::HOST,
        tenants = gate::TENANTS,
    ))?;
    listener.serve(gate::open(sandbox), Speech::Plain, stopping).await;
    Ok(())
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: sandbox\n  cluster:\n    server: {server}\n\
         contexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: \"\"\ncurrent-context: sandbox\n"
    )
}
