//! Kubeconfigs: those that control planes of tenants write, and those of registered hosts.
#![no_main]

use std::sync::OnceLock;

use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::name::HostClusterName;
use hexabase_core::provisioner::HostConnector as _;
use hexabase_fuzz::{block_on, selector, text};
use hexabase_k8s::{HostConfig, ServiceConnector, TenantConnector as _, VClusterHosts};
use libfuzzer_sys::fuzz_target;

struct Connectors {
    tenants: ServiceConnector,
    hosts: VClusterHosts,
    target: TenantTarget,
    host: HostClusterName,
}

impl Connectors {
    fn new() -> Self {
        let config = HostConfig::default();
        Self {
            tenants: ServiceConnector::new(&config),
            hosts: VClusterHosts::new(config),
            target: TenantTarget::by_id(fixture::id("acme"), fixture::id("shop")),
            host: HostClusterName::parse("fra-1").expect("is a name"),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    static CONNECTORS: OnceLock<Connectors> = OnceLock::new();
    let connectors = CONNECTORS.get_or_init(Connectors::new);
    let Some((form, rest)) = selector(data) else { return };
    let Some(kubeconfig) = text(rest) else { return };
    let kubeconfig = kubeconfig.to_owned().into();
    block_on(async {
        if form % 2 == 0 {
            drop(connectors.tenants.connect(&connectors.target, &kubeconfig).await);
        } else {
            drop(connectors.hosts.connect(&connectors.host, &kubeconfig, &Default::default()).await);
        }
    });
});
