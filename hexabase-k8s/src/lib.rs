//! Tenant clusters on Kubernetes.
//!
//! [`VClusterProvisioner`] creates the cluster that a [`TenantCluster`](hexabase_core::desired::TenantCluster)
//! describes: a [vCluster](https://www.vcluster.com/docs) in its own namespace on a host cluster, and inside it the
//! projects, roles and bindings of a workspace. It does not run `helm`: [`render`] turns the description into objects,
//! and one server-side apply per object sends them to the API server.
//!
//! ```
//! use std::sync::Arc;
//! use hexabase_core::desired::TenantTarget;
//! use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
//! use hexabase_k8s::sandbox::Sandbox;
//! use hexabase_k8s::{HostConfig, VClusterProvisioner};
//! # use hexabase_core::fixture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // On a real host, use kube::Client::try_default() and a ServiceConnector instead.
//! let sandbox = Sandbox::start(Default::default());
//! let provisioner =
//!     VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
//! let target = TenantTarget::of(&fixture::workspace("shop"));
//! assert_eq!(provisioner.observe(&target).await?.control_plane, ControlPlaneState::Absent);
//! # Ok(()) })
//! # }
//! ```
//!
//! # Modules and types
//!
//! | subject | module or type |
//! |---|---|
//! | objects of a tenant | [`render`] |
//! | labels and annotations of Hexabase | [`Labels`] |
//! | connection to a tenant API server | [`TenantConnector`], [`ServiceConnector`] |
//! | configuration of a host | [`HostConfig`], [`Overrides`] |
//! | registered hosts | [`VClusterHosts`] |
//! | permissions and admission policies on a host | [`render::host_setup`] |
//! | usage of tenants | [`PrometheusMetrics`] |
//! | logs of tenants | [`LokiLogs`] |
//! | metrics of tenant API servers | [`TenantScraping`] |
//! | alerts of tenants | [`Alertmanager`], [`alert_rules`] |
//! | Kubernetes API without a cluster | [`sandbox`] |

mod access;
mod api_server;
mod config;
mod difference;
mod error;
mod hosts;
mod isolation;
pub mod labels;
mod managers;
mod nodes;
mod object;
#[cfg(feature = "observability")]
mod observability;
mod overrides;
mod peers;
mod provisioner;
pub mod render;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod scraped_series;
mod scraping;

pub use access::{ServiceConnector, TenantConnector, with_timeouts};
pub use api_server::METRIC_SERIES;
pub use config::{Exposure, HostConfig, HostIdentity, MetricsServer, TenantIngress};
pub use hosts::VClusterHosts;
pub use labels::Labels;
pub use object::{Kind, Object};
#[cfg(feature = "observability")]
pub use observability::{
    Alertmanager, AlertmanagerConfig, FindingLevel, LokiConfig, LokiLogs, LokiTenancy, MonitoringFinding,
    PrometheusConfig, PrometheusMetrics, ScrapeJobs, UnknownTenancy, alert_rules,
};
pub use overrides::Overrides;
pub use peers::{ApiServerAddresses, IssuerPeer};
pub use provisioner::VClusterProvisioner;
pub use scraping::TenantScraping;
