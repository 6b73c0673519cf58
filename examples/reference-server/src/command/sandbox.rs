//! Standalone sandbox, for use with `kubectl` and as the host cluster of other processes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hexabase_core::error::{Error, Result};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};

use super::print_line;
use super::serve::stop_signal;
use crate::files;
use crate::listener::{Listener, ListenerConfig, ListenerProtocol, open_file_limit};
use crate::sandbox_proxy;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Listening address; port 0 selects a free port. Every client that reaches it has all permissions.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8001)))]
    listen: SocketAddr,

    /// URL under which other processes reach the sandbox [default: the listening address].
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Kubeconfig file to write.
    #[arg(long, value_name = "FILE", default_value = "sandbox.kubeconfig")]
    kubeconfig: PathBuf,
}

/// Serves a sandbox until the process receives a stop signal.
pub(super) async fn serve(options: Options) -> Result<()> {
    let stopping = stop_signal()?;
    let listener = Listener::bind(options.listen, "--listen").await?;
    let base = options.url.unwrap_or_else(|| format!("http://{}", listener.address));
    let sandbox = Sandbox::start(SandboxOptions {
        tenants_url: Some(format!("{base}{}", sandbox_proxy::TENANTS_PATH)),
        ..SandboxOptions::default()
    });
    let file = options.kubeconfig.display();
    files::replace(&options.kubeconfig, &kubeconfig(&format!("{base}{}", sandbox_proxy::HOST_PATH)))
        .map_err(|error| Error::invalid("kubeconfig", format!("{file} cannot be written: {error}")))?;
    print_line(&format!(
        "The sandbox is ready on {base}{host}: kubectl --kubeconfig {file} get namespaces\n\
         Tenant clusters in it are reachable under {base}{tenants}/<name>. To use it as a host cluster, start a server\n\
         with --kubeconfig {file} --tenant-address {base}{tenants}/{{name}}. Stop with Ctrl-C; all data is lost then.",
        host = sandbox_proxy::HOST_PATH,
        tenants = sandbox_proxy::TENANTS_PATH,
    ))?;
    let limits = ListenerConfig::new(None, None, open_file_limit(), &[]);
    listener.serve(sandbox_proxy::unauthenticated(sandbox), ListenerProtocol::Plain, limits, stopping).await;
    Ok(())
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: sandbox\n  cluster:\n    server: {server}\n\
         contexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: \"\"\ncurrent-context: sandbox\n"
    )
}
