//! Objects of a tenant cluster on its host: the objects of the vCluster chart, and its isolation boundary.

mod control_plane;
mod etcd;
mod exposure;
mod gitops;
mod identity;
mod limits;
mod metrics;
mod network;
mod ranges;
mod services;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::{ControlPlaneStore, Isolation};
use hexabase_core::name::ExtendedResource;
use serde_json::{Value, json};

use crate::config::{Exposure, HostConfig, fill_template};
use crate::labels;
use crate::object::{Kind, Object, fields};
use crate::render::vcluster_config::VclusterConfig;
use crate::scraping::TenantScraping;

pub(crate) use gitops::{GitOpsConnection, gitops_label, gitops_secret_name};
pub(crate) use identity::{SELF_ROLE_BINDING, possible_syncer_rules};
pub(crate) use metrics::{TOKEN_KEY, metrics_token, metrics_token_name};
pub(crate) use ranges::is_public;

/// Kinds of the objects of a tenant cluster on every host, without the namespace.
const KINDS: [Kind; 10] = [
    Kind::SERVICE_ACCOUNT,
    Kind::ROLE,
    Kind::ROLE_BINDING,
    Kind::RESOURCE_QUOTA,
    Kind::LIMIT_RANGE,
    Kind::NETWORK_POLICY,
    Kind::SECRET,
    Kind::CONFIG_MAP,
    Kind::SERVICE,
    Kind::STATEFUL_SET,
];

/// Kinds of the objects of a tenant cluster with any host configuration and plan.
pub(crate) fn possible_kinds() -> impl Iterator<Item = Kind> {
    KINDS.into_iter().chain([Kind::INGRESS, Kind::TLS_ROUTE, Kind::POD_DISRUPTION_BUDGET])
}

/// Kinds of the objects of a tenant cluster on a host with this configuration, without the namespace.
pub(crate) fn kinds(config: &HostConfig) -> Vec<Kind> {
    let exposure_kind = match config.exposure {
        Exposure::Internal | Exposure::LoadBalancer => None,
        Exposure::Ingress { .. } => Some(Kind::INGRESS),
        Exposure::Gateway { .. } => Some(Kind::TLS_ROUTE),
    };
    KINDS.into_iter().chain(exposure_kind).chain(monitor_kind(config)).collect()
}

/// Returns the kind of monitors, if the host has the Prometheus operator.
pub(crate) fn monitor_kind(config: &HostConfig) -> Option<Kind> {
    (config.scraping == TenantScraping::ServiceMonitor).then_some(Kind::SERVICE_MONITOR)
}

/// Returns those of the kinds that Hexabase watches on the whole host, and namespaces. Secrets are not watched,
/// because a permission to watch them is a permission to read those of others. PodDisruptionBudgets are not watched,
/// because few tenants have any, and ServiceMonitors, because the isolation of tenants does not depend on them.
pub(crate) fn watched_kinds(kinds: impl IntoIterator<Item = Kind>) -> impl Iterator<Item = Kind> {
    let is_unwatched =
        |kind: &Kind| [Kind::SECRET, Kind::POD_DISRUPTION_BUDGET, Kind::SERVICE_MONITOR].contains(kind);
    kinds.into_iter().filter(move |kind| !is_unwatched(kind)).chain([Kind::NAMESPACE])
}

/// Returns all objects of a tenant cluster on its host, in the order of their application.
///
/// # Errors
/// - `Unsupported` if the Kubernetes version or the control plane cannot be rendered.
/// - `Invalid` if the host configuration is inconsistent.
pub fn host_objects(cluster: &TenantCluster, config: &HostConfig) -> Result<Vec<Object>> {
    if cluster.control_plane.store == ControlPlaneStore::Sqlite && cluster.control_plane.replicas != 1 {
        let message = "a control plane with the store sqlite must have one replica; more replicas require the store etcd";
        return Err(Error::unsupported(message).with("plan", &cluster.plan_id));
    }
    let tenant = Tenant { cluster, config };
    let vcluster_config = super::vcluster_config::render(cluster, config)?;
    let stateful_sets = stateful_sets(&tenant, &vcluster_config)?;
    let mut objects = vec![tenant.namespace()];
    objects.extend(identity::self_role_binding(&tenant));
    objects.extend(identity::objects(&tenant));
    objects.extend(limits::objects(&tenant, &vcluster_config, &stateful_sets));
    objects.extend(network::objects(&tenant));
    objects.extend(control_plane::configuration(&tenant, &vcluster_config));
    objects.extend(services::objects(&tenant));
    objects.extend(exposure::object(&tenant)?);
    objects.extend(metrics::service_monitor(&tenant));
    objects.extend(control_plane::disruption_budget(&tenant, CONTROL_PLANE));
    if tenant.has_etcd() {
        objects.extend(etcd::objects(&tenant));
    }
    objects.extend(stateful_sets);
    Ok(objects)
}

/// Returns the StatefulSets of the control plane and its etcd.
fn stateful_sets(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Result<Vec<Object>> {
    let etcd = tenant.has_etcd().then(|| etcd::stateful_set(tenant, vcluster_config)).transpose()?;
    Ok(etcd.into_iter().chain([control_plane::stateful_set(tenant, vcluster_config)?]).collect())
}

/// Label `app` of the pods of control planes.
pub(crate) const CONTROL_PLANE: &str = "vcluster";
/// Label `app` of the pods of their etcd.
pub(crate) const ETCD: &str = "vcluster-etcd";
/// Registry of images whose reference has none.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";
/// Image of CoreDNS that vCluster runs in tenant clusters, without its registry.
pub(crate) const COREDNS_REPOSITORY: &str = "coredns/coredns";

/// Tenant cluster to render, with the configuration of its host.
struct Tenant<'a> {
    cluster: &'a TenantCluster,
    config: &'a HostConfig,
}

impl Tenant<'_> {
    /// Name of the virtual cluster and of its namespace.
    fn name(&self) -> &str {
        &self.cluster.target.name
    }

    /// Labels of the vCluster chart, by which its CLI finds clusters, and Hexabase's own labels.
    fn labels(&self) -> Value {
        let keys = &self.config.labels;
        json!({
            "app": "vcluster",
            "chart": format!("vcluster-{}", self.config.vcluster_version),
            "heritage": "hexabase",
            labels::RELEASE: self.name(),
            keys.managed(): "true",
            keys.organization(): self.cluster.target.organization_id.kubernetes_name(),
            keys.workspace(): self.cluster.target.workspace_id.kubernetes_name(),
        })
    }

    /// Hexabase's own labels, for objects that are not part of the chart.
    fn own_labels(&self) -> Value {
        let keys = &self.config.labels;
        fields([
            (keys.managed(), Value::String("true".to_owned())),
            (keys.organization(), Value::String(self.cluster.target.organization_id.kubernetes_name())),
            (keys.workspace(), Value::String(self.cluster.target.workspace_id.kubernetes_name())),
        ])
    }

    /// Labels that select the pods of the control plane or its etcd.
    fn selector(&self, app: &str) -> Value {
        json!({ "app": app, labels::RELEASE: self.name() })
    }

    /// Selector of the same pods that excludes all pods of the tenant's workloads.
    fn own_pods(&self, app: &str) -> Value {
        json!({
            "matchLabels": self.selector(app),
            "matchExpressions": [{ "key": labels::SYNCED_BY, "operator": "DoesNotExist" }],
        })
    }

    /// Name of the StatefulSet with these pods.
    fn name_of(&self, app: &str) -> String {
        if app == ETCD { format!("{}-etcd", self.name()) } else { self.name().to_owned() }
    }

    fn has_etcd(&self) -> bool {
        self.cluster.control_plane.store == ControlPlaneStore::Etcd
    }

    fn metadata(&self, name: &str) -> Value {
        json!({ "name": name, "namespace": self.name(), "labels": self.labels() })
    }

    fn object(&self, kind: Kind, name: &str, mut content: Value) -> Object {
        content["metadata"] = self.metadata(name);
        Object::new(kind, content)
    }

    /// `true` if the control plane runs without root, which the Pod Security level `restricted` requires.
    fn rootless(&self) -> bool {
        self.cluster.isolation == Isolation::Restricted
    }

    /// Allowed image sources of pods: those of the plan, and the tenant's own CoreDNS, which vCluster deploys.
    fn image_sources(&self) -> String {
        let registry = self.config.image_registry.as_deref().unwrap_or(DEFAULT_REGISTRY);
        let coredns = format!("{registry}/{COREDNS_REPOSITORY}");
        let named = self.cluster.image_sources.iter().map(|source| source.as_str());
        named.chain([coredns.as_str()]).collect::<Vec<_>>().join(",")
    }

    fn namespace(&self) -> Object {
        let keys = &self.config.labels;
        let mut labels = self.labels();
        let level = self.cluster.isolation.as_str();
        labels[keys.plan()] = json!(self.cluster.plan_id);
        labels["pod-security.kubernetes.io/enforce"] = json!(level);
        labels["pod-security.kubernetes.io/enforce-version"] = json!("latest");
        labels["pod-security.kubernetes.io/audit"] = json!("restricted");
        labels["pod-security.kubernetes.io/warn"] = json!("restricted");
        let mut annotations = json!({ keys.title(): self.cluster.workspace_name });
        if !self.cluster.image_sources.is_empty() {
            annotations[keys.image_sources()] = json!(self.image_sources());
        }
        if !self.cluster.extended_resources.is_empty() {
            let names: Vec<&str> =
                self.cluster.extended_resources.keys().map(ExtendedResource::as_str).collect();
            annotations[keys.extended_resources()] = json!(names.join(","));
        }
        if let Some(ingress) = &self.config.ingress {
            annotations[keys.ingress_class()] = json!(ingress.class);
            annotations[keys.ingress_domain()] = json!(fill_template(&ingress.domain, self.name()));
        }
        if !self.config.tenant_metadata.is_empty() {
            annotations[keys.tenant_metadata()] = json!(self.config.tenant_metadata.join(","));
        }
        let metadata = json!({ "name": self.name(), "labels": labels, "annotations": annotations });
        Object::new(Kind::NAMESPACE, json!({ "metadata": metadata }))
    }
}
