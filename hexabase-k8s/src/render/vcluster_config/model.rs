//! Configuration of vCluster 0.36 and 0.37, as far as its values matter; the two releases do not differ in these keys.
//! Keys that are not defined here are disabled if they are missing, as intended.

use std::collections::BTreeMap;

use hexabase_core::desired::TenantCluster;
use hexabase_core::id::TypedId as _;
use hexabase_core::model::ControlPlaneStore;
use serde::Serialize;

use super::trust;
use crate::config::{self, HostConfig};
use crate::labels::Labels;

/// Feature that is enabled or disabled.
#[derive(Debug, Serialize)]
struct Switch {
    enabled: bool,
}

const ON: Switch = Switch { enabled: true };
const OFF: Switch = Switch { enabled: false };

/// Feature that is enabled, disabled, or decided by vCluster (`auto`).
#[derive(Debug, Serialize)]
struct AutoSwitch {
    enabled: &'static str,
}

const AUTO: AutoSwitch = AutoSwitch { enabled: "auto" };
const AUTO_OFF: AutoSwitch = AutoSwitch { enabled: "false" };

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    sync: Sync,
    control_plane: ControlPlane,
    networking: Networking,
    policies: Policies,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrations: Option<Integrations>,
    rbac: Rbac,
    experimental: Experimental,
    telemetry: Switch,
    logging: Logging,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sync {
    to_host: ToHost,
    from_host: FromHost,
}

/// Objects of the tenant that are synced to the host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToHost {
    services: Switch,
    persistent_volume_claims: Switch,
    config_maps: Selected,
    secrets: Selected,
    pods: Pods,
    /// Enabled if the host defines a class and a domain for them.
    ingresses: Switch,
    // Off, each for a reason: endpoints would forward traffic of the host's controllers to any address; a tenant's
    // PersistentVolume could be a path of the host; priority classes rank above other tenants; ServiceAccounts and namespaces would leave the tenant's own namespace; NetworkPolicies could
    // allow what the host denies.
    endpoints: Switch,
    endpoint_slices: Switch,
    persistent_volumes: Switch,
    priority_classes: Switch,
    service_accounts: Switch,
    namespaces: Switch,
    network_policies: Switch,
    pod_disruption_budgets: Switch,
    storage_classes: Switch,
}

/// Objects that are synced only if a pod uses them.
#[derive(Debug, Serialize)]
struct Selected {
    enabled: bool,
    all: bool,
}

const USED: Selected = Selected { enabled: true, all: false };

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pods {
    enabled: bool,
    /// Prevents ServiceAccount tokens in annotations of pods.
    #[serde(rename = "useSecretsForSATokens")]
    use_secrets_for_sa_tokens: bool,
    /// Disabled, because it adds an init container to StatefulSets of tenants.
    rewrite_hosts: Switch,
    /// Tolerations that vCluster adds to all pods, for the tenant's dedicated nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    enforce_tolerations: Vec<String>,
}

/// Objects of the host that are visible to the tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FromHost {
    events: Switch,
    storage_classes: AutoSwitch,
    csi_drivers: AutoSwitch,
    csi_nodes: AutoSwitch,
    csi_storage_capacities: AutoSwitch,
    /// Disabled, because real nodes show the load of other tenants and require permissions that are close to root on
    /// them.
    nodes: Nodes,
    secrets: Switch,
    config_maps: Switch,
    ingress_classes: Switch,
    priority_classes: Switch,
    runtime_classes: Switch,
}

#[derive(Debug, Serialize)]
struct Nodes {
    enabled: bool,
    /// Restricts pods to these nodes, even if nodes are not synced.
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<NodeSelector>,
}

#[derive(Debug, Serialize)]
struct NodeSelector {
    all: bool,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ControlPlane {
    distro: Distro,
    backing_store: BackingStore,
    proxy: Proxy,
    coredns: CoreDns,
    service: ControlPlaneService,
    stateful_set: StatefulSet,
    advanced: Advanced,
}

#[derive(Debug, Serialize)]
struct Distro {
    k8s: K8s,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct K8s {
    enabled: bool,
    image: Image,
    api_server: Program,
    controller_manager: Program,
    /// Disabled, because the host schedules pods.
    scheduler: Program,
}

#[derive(Debug, Serialize)]
struct Image {
    registry: String,
    repository: String,
    tag: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Program {
    enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extra_args: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BackingStore {
    database: Database,
    #[serde(skip_serializing_if = "Option::is_none")]
    etcd: Option<Etcd>,
}

#[derive(Debug, Serialize)]
struct Etcd {
    deploy: DeployedEtcd,
}

/// Etcd in a StatefulSet of its own, which vCluster reaches by its Service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeployedEtcd {
    enabled: bool,
    service: Switch,
    stateful_set: EtcdStatefulSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EtcdStatefulSet {
    enabled: bool,
    high_availability: EtcdMembers,
}

#[derive(Debug, Serialize)]
struct EtcdMembers {
    replicas: u8,
}

#[derive(Debug, Serialize)]
struct Database {
    embedded: Switch,
    external: Switch,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Proxy {
    bind_address: &'static str,
    port: u16,
    #[serde(rename = "extraSANs")]
    extra_sans: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CoreDns {
    enabled: bool,
    embedded: bool,
    service: CoreDnsService,
    deployment: CoreDnsDeployment,
}

#[derive(Debug, Serialize)]
struct CoreDnsService {
    spec: ServiceSpec,
}

#[derive(Debug, Serialize)]
struct ServiceSpec {
    r#type: &'static str,
}

#[derive(Debug, Serialize)]
struct CoreDnsDeployment {
    replicas: u8,
    resources: Resources,
}

#[derive(Debug, Serialize)]
struct Resources {
    limits: Amounts,
    requests: Amounts,
}

#[derive(Debug, Serialize)]
struct Amounts {
    cpu: &'static str,
    memory: &'static str,
}

#[derive(Debug, Serialize)]
struct ControlPlaneService {
    enabled: bool,
    spec: ServiceSpec,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatefulSet {
    high_availability: HighAvailability,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HighAvailability {
    replicas: u8,
    lease_duration: u8,
    renew_deadline: u8,
    retry_period: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Advanced {
    /// Registry of images that vCluster itself runs in the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_image_registry: Option<String>,
    service_account: Switch,
    workload_service_account: Switch,
    virtual_scheduler: Switch,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Networking {
    #[serde(rename = "podCIDR")]
    pod_cidr: &'static str,
    advanced: AdvancedNetworking,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdvancedNetworking {
    cluster_domain: &'static str,
    /// Disabled, because names that are unknown to the tenant would be resolved to the host's Services.
    fallback_host_cluster: bool,
    proxy_kubelets: ProxyKubelets,
}

/// Disabled, because it opens a port for metrics and logs of nodes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyKubelets {
    by_hostname: bool,
    #[serde(rename = "byIP")]
    by_ip: bool,
}

/// Disabled except for Pod Security, because Hexabase renders quota, limits and NetworkPolicies itself. The syncer
/// also enforces the Pod Security level for each pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Policies {
    pod_security_standard: &'static str,
    resource_quota: AutoSwitch,
    limit_range: AutoSwitch,
    network_policy: Switch,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Integrations {
    metrics_server: MetricsServer,
}

/// Metrics of the tenant's pods from the metrics server of the host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricsServer {
    enabled: bool,
    pods: bool,
    /// Disabled: the syncer would need the metrics of all nodes of the host.
    nodes: bool,
    api_service: MetricsService,
}

#[derive(Debug, Serialize)]
struct MetricsService {
    service: MetricsServiceAddress,
}

#[derive(Debug, Serialize)]
struct MetricsServiceAddress {
    name: String,
    namespace: String,
    port: u16,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rbac {
    role: Switch,
    cluster_role: AutoSwitch,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Experimental {
    sync_settings: SyncConfig,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncConfig {
    /// Makes the control plane's Service the owner of all synced objects, which are deleted with it.
    set_owner: bool,
}

#[derive(Debug, Serialize)]
struct Logging {
    encoding: &'static str,
}

pub(super) fn build(cluster: &TenantCluster, config: &HostConfig, image: config::Image) -> Config {
    Config {
        sync: Sync { to_host: to_host(cluster, config), from_host: from_host(cluster, config) },
        control_plane: control_plane(cluster, config, image),
        networking: Networking {
            pod_cidr: "10.244.0.0/16",
            advanced: AdvancedNetworking {
                cluster_domain: "cluster.local",
                fallback_host_cluster: false,
                proxy_kubelets: ProxyKubelets { by_hostname: false, by_ip: false },
            },
        },
        policies: Policies {
            pod_security_standard: cluster.isolation.as_str(),
            resource_quota: AUTO_OFF,
            limit_range: AUTO_OFF,
            network_policy: OFF,
        },
        integrations: config.metrics_server.as_ref().map(integrations),
        rbac: Rbac { role: ON, cluster_role: AUTO_OFF },
        experimental: Experimental { sync_settings: SyncConfig { set_owner: true } },
        telemetry: OFF,
        logging: Logging { encoding: "json" },
    }
}

fn integrations(server: &config::MetricsServer) -> Integrations {
    let (name, namespace) = (server.service.clone(), server.namespace.clone());
    let api_service = MetricsService { service: MetricsServiceAddress { name, namespace, port: 443 } };
    Integrations { metrics_server: MetricsServer { enabled: true, pods: true, nodes: false, api_service } }
}

/// Returns the tolerations for the taints of the tenant's dedicated nodes.
fn own_tolerations(cluster: &TenantCluster, keys: &Labels) -> Vec<String> {
    if cluster.node_pools.is_empty() {
        return Vec::new();
    }
    [keys.node_class(), keys.dedicated()].map(|key| format!("{key}:NoSchedule")).to_vec()
}

/// Returns the selector of the tenant's dedicated nodes, if it has any.
fn own_nodes(cluster: &TenantCluster, keys: &Labels) -> Option<NodeSelector> {
    let workspace = cluster.target.workspace_id.kubernetes_name();
    let labels = BTreeMap::from([(keys.workspace().to_owned(), workspace)]);
    (!cluster.node_pools.is_empty()).then_some(NodeSelector { all: false, labels })
}

fn to_host(cluster: &TenantCluster, config: &HostConfig) -> ToHost {
    ToHost {
        services: ON,
        persistent_volume_claims: ON,
        config_maps: USED,
        secrets: USED,
        pods: Pods {
            enabled: true,
            use_secrets_for_sa_tokens: true,
            rewrite_hosts: OFF,
            enforce_tolerations: own_tolerations(cluster, &config.labels),
        },
        endpoints: OFF,
        endpoint_slices: OFF,
        persistent_volumes: OFF,
        priority_classes: OFF,
        service_accounts: OFF,
        namespaces: OFF,
        network_policies: OFF,
        ingresses: Switch { enabled: config.ingress.is_some() },
        pod_disruption_budgets: OFF,
        storage_classes: OFF,
    }
}

fn from_host(cluster: &TenantCluster, config: &HostConfig) -> FromHost {
    FromHost {
        events: ON,
        storage_classes: AUTO,
        csi_drivers: AUTO,
        csi_nodes: AUTO,
        csi_storage_capacities: AUTO,
        nodes: Nodes { enabled: false, selector: own_nodes(cluster, &config.labels) },
        secrets: OFF,
        config_maps: OFF,
        ingress_classes: OFF,
        priority_classes: OFF,
        runtime_classes: OFF,
    }
}

fn control_plane(cluster: &TenantCluster, config: &HostConfig, image: config::Image) -> ControlPlane {
    let name = &cluster.target.name;
    let extra_args =
        cluster.oidc.iter().flat_map(|oidc| trust::arguments(oidc, &cluster.kubernetes_version)).collect();
    let program = |enabled| Program { enabled, extra_args: Vec::new() };
    let config::Image { registry, repository, tag } = image;
    ControlPlane {
        distro: Distro {
            k8s: K8s {
                enabled: true,
                image: Image { registry, repository, tag },
                api_server: Program { enabled: true, extra_args },
                controller_manager: program(true),
                scheduler: program(false),
            },
        },
        backing_store: backing_store(&cluster.control_plane),
        proxy: Proxy {
            bind_address: "0.0.0.0",
            port: 8443,
            extra_sans: server_names(name, config.hostname_of(name)),
        },
        coredns: CoreDns {
            enabled: true,
            embedded: false,
            service: CoreDnsService { spec: ServiceSpec { r#type: "ClusterIP" } },
            deployment: CoreDnsDeployment {
                replicas: 1,
                resources: Resources {
                    limits: Amounts { cpu: "1000m", memory: "170Mi" },
                    requests: Amounts { cpu: "20m", memory: "64Mi" },
                },
            },
        },
        service: ControlPlaneService { enabled: true, spec: ServiceSpec { r#type: config.service_type() } },
        stateful_set: StatefulSet {
            high_availability: HighAvailability {
                replicas: cluster.control_plane.replicas,
                lease_duration: 60,
                renew_deadline: 40,
                retry_period: 15,
            },
        },
        advanced: Advanced {
            default_image_registry: config.image_registry.clone(),
            service_account: ON,
            workload_service_account: ON,
            virtual_scheduler: OFF,
        },
    }
}

fn backing_store(built: &hexabase_core::model::ControlPlane) -> BackingStore {
    match built.store {
        ControlPlaneStore::Sqlite => {
            BackingStore { database: Database { embedded: ON, external: OFF }, etcd: None }
        }
        ControlPlaneStore::Etcd => {
            let high_availability = EtcdMembers { replicas: built.replicas };
            let stateful_set = EtcdStatefulSet { enabled: true, high_availability };
            let deploy = DeployedEtcd { enabled: true, service: ON, stateful_set };
            BackingStore { database: Database { embedded: OFF, external: OFF }, etcd: Some(Etcd { deploy }) }
        }
    }
}

/// Returns the names in the API server's certificate, in addition to those that vCluster adds itself.
fn server_names(name: &str, host: Option<String>) -> Vec<String> {
    let internal = [format!("{name}.{name}.svc"), format!("{name}.{name}.svc.cluster.local")];
    let external = host.filter(|host| !internal.contains(host));
    internal.clone().into_iter().chain(external).collect()
}
