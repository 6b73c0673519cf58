//! What a tenant cluster is on its host: the objects of the vCluster chart, and the walls around them.

mod control_plane;
mod etcd;
mod exposure;
mod identity;
mod limits;
mod network;
mod services;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::{ControlPlaneStore, Isolation};
use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object, fields};
use crate::settings::{Exposure, HostSettings, filled_in};

pub(crate) use identity::{WAY_IN, possible_grants};

/// The kinds of objects that a tenant cluster is on every host, besides the namespace.
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

/// The kinds that a tenant cluster may be made of on some host.
pub(crate) fn possible_kinds() -> impl Iterator<Item = Kind> {
    KINDS.into_iter().chain([Kind::INGRESS, Kind::TLS_ROUTE, Kind::POD_DISRUPTION_BUDGET])
}

/// The kinds of objects that a tenant cluster is on a host, besides the namespace.
pub(crate) fn kinds(settings: &HostSettings) -> Vec<Kind> {
    let leads_there = match settings.exposure {
        Exposure::Internal | Exposure::LoadBalancer => None,
        Exposure::Ingress { .. } => Some(Kind::INGRESS),
        Exposure::Gateway { .. } => Some(Kind::TLS_ROUTE),
    };
    KINDS.into_iter().chain(leads_there).collect()
}

/// Of these kinds, and with namespaces, those of which Hexabase may hear on the whole host whenever something moves. Secrets
/// are none of them: whoever may watch them may read them, those of everybody. Nor are budgets, of which few tenants have any.
pub(crate) fn watched(kinds: impl IntoIterator<Item = Kind>) -> impl Iterator<Item = Kind> {
    let unheard_of = |kind: &Kind| [Kind::SECRET, Kind::POD_DISRUPTION_BUDGET].contains(kind);
    kinds.into_iter().filter(move |kind| !unheard_of(kind)).chain([Kind::NAMESPACE])
}

/// Everything that a tenant cluster is on its host, in the order in which it is applied.
///
/// # Errors
/// - `Unsupported` for a Kubernetes version or a control plane that cannot be rendered.
/// - `Invalid` for settings of the host that do not go together.
pub fn host_objects(cluster: &TenantCluster, settings: &HostSettings) -> Result<Vec<Object>> {
    if cluster.control_plane.store == ControlPlaneStore::Sqlite && cluster.control_plane.replicas != 1 {
        let message = "a control plane with the store sqlite has one replica; more of them need etcd";
        return Err(Error::unsupported(message).with("plan", &cluster.plan_id));
    }
    let tenant = Tenant { cluster, settings };
    let config = super::vcluster_config::render(cluster, settings)?;
    let mut objects = vec![tenant.namespace()];
    objects.extend(identity::way_in(&tenant));
    objects.extend(identity::objects(&tenant));
    objects.extend(limits::objects(&tenant, &config));
    objects.extend(network::objects(&tenant));
    objects.extend(control_plane::configuration(&tenant, &config));
    objects.extend(services::objects(&tenant));
    objects.extend(exposure::object(&tenant)?);
    objects.extend(control_plane::disruption_budget(&tenant, CONTROL_PLANE));
    if tenant.has_etcd() {
        objects.extend(etcd::objects(&tenant, &config)?);
    }
    objects.push(control_plane::stateful_set(&tenant, &config)?);
    Ok(objects)
}

/// What the pods of control planes are labelled as, and those of their etcd.
pub(crate) const CONTROL_PLANE: &str = "vcluster";
pub(crate) const ETCD: &str = "vcluster-etcd";
/// Where images come from that name no registry.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The image of CoreDNS that vCluster runs in tenant clusters, wherever it comes from.
const NAME_SERVER: &str = "coredns/coredns";

/// A tenant cluster about to be rendered.
struct Tenant<'a> {
    cluster: &'a TenantCluster,
    settings: &'a HostSettings,
}

impl Tenant<'_> {
    /// The name of the virtual cluster, and of the namespace it lives in.
    fn name(&self) -> &str {
        &self.cluster.target.name
    }

    /// The labels of the vCluster chart, by which its CLI recognises a cluster, and our own.
    fn labels(&self) -> Value {
        json!({
            "app": "vcluster",
            "chart": format!("vcluster-{}", self.settings.vcluster_version),
            "heritage": "hexabase",
            labels::RELEASE: self.name(),
            labels::MANAGED: "true",
            labels::ORGANIZATION: self.cluster.target.organization_id.kubernetes_name(),
            labels::WORKSPACE: self.cluster.target.workspace_id.kubernetes_name(),
        })
    }

    /// Our own labels, on what is no part of the chart.
    fn own_labels(&self) -> Value {
        fields([
            (labels::MANAGED, Value::String("true".to_owned())),
            (labels::ORGANIZATION, Value::String(self.cluster.target.organization_id.kubernetes_name())),
            (labels::WORKSPACE, Value::String(self.cluster.target.workspace_id.kubernetes_name())),
        ])
    }

    /// The labels that select the pods of the control plane, or of its etcd.
    fn selector(&self, app: &str) -> Value {
        json!({ "app": app, labels::RELEASE: self.name() })
    }

    /// A selector of the same pods by which nothing is taken for them that the tenant runs.
    fn own_pods(&self, app: &str) -> Value {
        json!({
            "matchLabels": self.selector(app),
            "matchExpressions": [{ "key": labels::SYNCED_BY, "operator": "DoesNotExist" }],
        })
    }

    /// The name of what has such pods.
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

    /// Whether the control plane runs without root: restricted namespaces take nothing else.
    fn rootless(&self) -> bool {
        self.cluster.isolation == Isolation::Restricted
    }

    /// Where the images of pods may come from: what the plan says, and the tenant's own name server, which vCluster puts
    /// there itself.
    fn image_sources(&self) -> String {
        let registry = self.settings.image_registry.as_deref().unwrap_or(DEFAULT_REGISTRY);
        let name_server = format!("{registry}/{NAME_SERVER}");
        let named = self.cluster.image_sources.iter().map(|source| source.as_str());
        named.chain([name_server.as_str()]).collect::<Vec<_>>().join(",")
    }

    fn namespace(&self) -> Object {
        let mut labels = self.labels();
        let level = self.cluster.isolation.as_str();
        labels[labels::PLAN] = json!(self.cluster.plan_id);
        labels["pod-security.kubernetes.io/enforce"] = json!(level);
        labels["pod-security.kubernetes.io/enforce-version"] = json!("latest");
        labels["pod-security.kubernetes.io/audit"] = json!("restricted");
        labels["pod-security.kubernetes.io/warn"] = json!("restricted");
        let mut annotations = json!({ labels::TITLE: self.cluster.workspace_name });
        if !self.cluster.image_sources.is_empty() {
            annotations[labels::IMAGE_SOURCES] = json!(self.image_sources());
        }
        if let Some(ingress) = &self.settings.ingress {
            annotations[labels::INGRESS_CLASS] = json!(ingress.class);
            annotations[labels::INGRESS_DOMAIN] = json!(filled_in(&ingress.domain, self.name()));
        }
        let metadata = json!({ "name": self.name(), "labels": labels, "annotations": annotations });
        Object::new(Kind::NAMESPACE, json!({ "metadata": metadata }))
    }
}
