//! Tenant clusters on Kubernetes.
//!
//! [`VClusterProvisioner`] makes what a [`TenantCluster`](hexabase_core::desired::TenantCluster) describes: a
//! [vCluster](https://www.vcluster.com/docs) in a namespace of its own on a host cluster, and inside of it the
//! projects, roles and bindings of a workspace. No `helm` is run: [`render`] turns the description into objects, and
//! one server-side apply per object brings them to the API server.
//!
//! ```
//! use std::sync::Arc;
//! use hexabase_core::desired::TenantTarget;
//! use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
//! use hexabase_k8s::sandbox::Sandbox;
//! use hexabase_k8s::{HostSettings, VClusterProvisioner};
//! # use hexabase_core::fixture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // Against a real host it is kube::Client::try_default() and a ServiceConnector instead.
//! let sandbox = Sandbox::start(Default::default());
//! let provisioner =
//!     VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
//! let target = TenantTarget::of(&fixture::workspace("shop"));
//! assert_eq!(provisioner.observe(&target).await?.control_plane, ControlPlaneState::Absent);
//! # Ok(()) })
//! # }
//! ```
//!
//! # Where to look
//!
//! | to find | look in |
//! |---|---|
//! | the objects of a tenant | [`render`] |
//! | how objects are known as ours | [`labels`] |
//! | the way into a tenant cluster | [`TenantConnector`], [`ServiceConnector`] |
//! | what is particular to a host | [`HostSettings`], [`Overrides`] |
//! | hosts that operators register | [`VClusterHosts`] |
//! | what Hexabase needs to be allowed there | [`render::host_setup`] |
//! | what tenants use | [`PrometheusMetrics`] |
//! | a Kubernetes API without a cluster | [`sandbox`] |

mod access;
mod api_server;
mod difference;
mod error;
mod hosts;
pub mod labels;
mod managers;
mod nodes;
mod object;
mod overrides;
#[cfg(feature = "prometheus")]
mod prometheus;
mod provisioner;
pub mod render;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod settings;

pub use access::{ServiceConnector, TenantConnector, patient};
pub use hosts::VClusterHosts;
pub use object::{Kind, Object};
pub use overrides::Overrides;
#[cfg(feature = "prometheus")]
pub use prometheus::{PrometheusMetrics, PrometheusSettings};
pub use provisioner::VClusterProvisioner;
pub use settings::{Exposure, HostIdentity, HostSettings, TenantIngress};
