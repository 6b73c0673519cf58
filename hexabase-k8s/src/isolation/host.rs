//! Attempts of a tenant's control plane on its host.

use hexabase_core::desired::TenantCluster;
use hexabase_core::model::Severity;
use serde_json::{Value, json};

use super::{Access, Attempt, Barrier, Check, pods};
use crate::config::{HostConfig, fill_template};
use crate::labels;
use crate::object::Kind;
use crate::render::{COREDNS_REPOSITORY, DEFAULT_REGISTRY};

const METADATA_POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants-metadata")];
const SERVICES_POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants-services")];
const CLAIMS_POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants-claims")];
const SECRETS_POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants-secrets")];
const INGRESSES_POLICY: &[Barrier] = &[Barrier::Policy("hexabase-tenants-ingresses"), Barrier::Permissions];

/// Remedy if an admission policy is missing.
pub(super) const APPLY_HOST_SETUP: &str =
    "apply the output of `hexabase host-setup` of this release to the host again";
const CHECK_ROLES: &str = "remove the roles and bindings on the host that grant this to the ServiceAccount of the control plane, \
     or to system:serviceaccounts or system:authenticated";

/// Tenant and host that are checked.
#[derive(Debug, Clone)]
pub(crate) struct HostContext<'a> {
    pub(crate) cluster: &'a TenantCluster,
    pub(crate) config: &'a HostConfig,
    /// Namespaces of some other tenants.
    pub(crate) other_tenants: Vec<String>,
}

impl HostContext<'_> {
    pub(super) fn name(&self) -> &str {
        &self.cluster.target.name
    }

    /// ServiceAccount of the control plane, as a user name.
    pub(crate) fn user(&self) -> String {
        format!("system:serviceaccount:{0}:vc-{0}", self.name())
    }

    /// Claim with the volume of the control plane.
    pub(super) fn own_claim(&self) -> String {
        format!("data-{}-0", self.name())
    }

    /// Metadata as the syncer writes it. `attempt` is a part of the object's name.
    fn metadata(&self, attempt: &str) -> Value {
        json!({
            "generateName": format!("isolation-check-{attempt}-"),
            "namespace": self.name(),
            "labels": { labels::SYNCED_BY: self.name(), labels::SYNCED_FROM: "isolation-check" },
            "annotations": {},
        })
    }

    /// Pod that every plan and Pod Security level admits, with these fields of its spec changed.
    pub(super) fn pod(&self, attempt: &str, spec: &Value) -> Value {
        let registry = self.config.image_registry.as_deref().unwrap_or(DEFAULT_REGISTRY);
        let amounts = json!({ "cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi" });
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self.metadata(attempt),
            "spec": {
                "serviceAccountName": format!("vc-workload-{}", self.name()),
                "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65_532,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "check",
                    "image": format!("{registry}/{COREDNS_REPOSITORY}"),
                    "resources": { "requests": amounts, "limits": amounts },
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                }],
            },
        });
        merge(&mut pod["spec"], spec);
        pod
    }

    pub(super) fn pod_attempt(&self, attempt: &str, spec: &Value) -> Attempt {
        Attempt::Create(Kind::POD, self.pod(attempt, spec))
    }

    /// Creation of a pod whose container has these fields changed.
    pub(super) fn container_attempt(&self, attempt: &str, container: &Value) -> Attempt {
        let mut pod = self.pod(attempt, &json!({}));
        merge(&mut pod["spec"]["containers"][0], container);
        Attempt::Create(Kind::POD, pod)
    }

    pub(super) fn volume_attempt(&self, attempt: &str, volume: &Value) -> Attempt {
        let mut named = json!({ "name": "check" });
        merge(&mut named, volume);
        self.pod_attempt(attempt, &json!({ "volumes": [named] }))
    }

    fn object(&self, kind: Kind, attempt: &str, content: &Value) -> Value {
        let mut object = json!({ "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": self.metadata(attempt) });
        merge(&mut object, content);
        object
    }

    fn service(&self, attempt: &str, spec: &Value) -> Value {
        let mut service = json!({ "type": "ClusterIP", "ports": [{ "port": 80 }] });
        merge(&mut service, spec);
        self.object(Kind::SERVICE, attempt, &json!({ "spec": service }))
    }

    fn claim(&self, attempt: &str, spec: &Value) -> Value {
        let mut claim =
            json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } });
        merge(&mut claim, spec);
        self.object(Kind::PERSISTENT_VOLUME_CLAIM, attempt, &json!({ "spec": claim }))
    }

    /// Ingress that the host admits, if tenants may publish Ingresses on it.
    fn ingress(&self, attempt: &str, host: &str, path: &str) -> Value {
        let (class, domain) = match &self.config.ingress {
            Some(ingress) => (ingress.class.clone(), fill_template(&ingress.domain, self.name())),
            None => ("nginx".to_owned(), "example.com".to_owned()),
        };
        let host = if host.is_empty() { format!("isolation-check.{domain}") } else { host.to_owned() };
        let backend = json!({ "service": { "name": "check", "port": { "number": 80 } } });
        let path = json!({ "path": path, "pathType": "Prefix", "backend": backend });
        let rules = json!([{ "host": host, "http": { "paths": [path] } }]);
        self.object(Kind::INGRESS, attempt, &json!({ "spec": { "ingressClassName": class, "rules": rules } }))
    }

    fn reviews(
        &self,
        namespaces: &[&str],
        all: &[(&'static str, &'static str, &[&'static str])],
    ) -> Vec<Attempt> {
        let mut reviews = Vec::new();
        for namespace in namespaces {
            for (group, resource, verbs) in all {
                let access = |verb| Access { verb, group, resource, namespace: (*namespace).to_owned() };
                reviews.extend(verbs.iter().map(|verb| Attempt::Review(access(*verb))));
            }
        }
        reviews
    }
}

/// Merges a JSON object into another one, recursively.
fn merge(target: &mut Value, changes: &Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(target.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        (target, changes) => *target = changes.clone(),
    }
}

/// Adds a label or an annotation to an object.
fn with_key(mut object: Value, field: &str, key: &str) -> Value {
    object["metadata"][field][key] = json!("isolation-check");
    object
}

/// Returns the control: attempts that must be admitted, and differ from those of the checks only in what must be
/// rejected.
pub(crate) fn controls(context: &HostContext<'_>) -> Check {
    let none = json!({});
    let config_map = context.object(Kind::CONFIG_MAP, "config-map", &json!({ "data": {} }));
    let secret = context.object(Kind::SECRET, "secret", &json!({ "type": "Opaque" }));
    let mut attempts = vec![
        context.pod_attempt("pod", &none),
        Attempt::Create(Kind::SERVICE, context.service("service", &none)),
        Attempt::Create(Kind::PERSISTENT_VOLUME_CLAIM, context.claim("claim", &none)),
        Attempt::Create(Kind::CONFIG_MAP, config_map),
        Attempt::Create(Kind::SECRET, secret),
    ];
    attempts.extend(context.reviews(&[context.name()], &[("", "pods", &["create"])]));
    if context.config.ingress.is_some() {
        attempts.push(Attempt::Create(Kind::INGRESS, context.ingress("ingress", "", "/")));
    }
    Check {
        kind: "HarmlessObjectsAdmitted",
        title: "Create harmless objects, the control of all other attempts",
        severity: Severity::Medium,
        attempts,
        barriers: &[],
        remedy: "remove the cause in the message, which also rejects ordinary workloads, and check again",
    }
}

/// Returns all checks of attempts on a host.
pub(crate) fn checks(context: &HostContext<'_>) -> Vec<Check> {
    let mut checks = pods::checks(context);
    checks.extend(object_checks(context));
    checks.extend(ingress_checks(context));
    checks.extend(access_checks(context));
    checks
}

fn object_checks(context: &HostContext<'_>) -> Vec<Check> {
    let none = json!({});
    let check = |kind, title, severity, attempts, barriers| Check {
        kind,
        title,
        severity,
        attempts,
        barriers,
        remedy: APPLY_HOST_SETUP,
    };
    let service =
        |attempt: &str, spec: Value| Attempt::Create(Kind::SERVICE, context.service(attempt, &spec));
    let claim = |attempt: &str, spec: Value| {
        Attempt::Create(Kind::PERSISTENT_VOLUME_CLAIM, context.claim(attempt, &spec))
    };
    let config_map = |attempt: &str| context.object(Kind::CONFIG_MAP, attempt, &json!({ "data": {} }));
    let secret = |attempt: &str| context.object(Kind::SECRET, attempt, &json!({ "type": "Opaque" }));
    let labelled = |object: Value| with_key(object, "labels", context.config.labels.workspace());
    let annotated =
        |kind, object: Value, key: &str| Attempt::Create(kind, with_key(object, "annotations", key));
    let instructed = |key: &str| {
        let attempt = key.split('/').next().unwrap_or_default().replace('.', "-");
        [
            annotated(Kind::SERVICE, context.service(&attempt, &none), key),
            annotated(Kind::POD, context.pod(&attempt, &none), key),
        ]
    };
    let skip = "vcluster.loft.sh/skip-translate";
    let snapshot =
        json!({ "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "check" });
    let own_volume = json!({ "kind": "PersistentVolumeClaim", "name": context.own_claim() });
    let mut token = secret("token");
    token["type"] = json!("kubernetes.io/service-account-token");
    token["metadata"]["annotations"]["kubernetes.io/service-account.name"] =
        json!(format!("vc-{}", context.name()));
    vec![
        check(
            "ExternalNamesRejected",
            "Direct traffic of the host to any server by an ExternalName Service",
            Severity::High,
            vec![service(
                "external-name",
                json!({ "type": "ExternalName", "externalName": "metadata.example.com" }),
            )],
            SERVICES_POLICY,
        ),
        check(
            "ExternalAddressesRejected",
            "Take over the traffic of others by a Service with an external address",
            Severity::High,
            vec![
                service("external-ip", json!({ "externalIPs": ["192.0.2.1"] })),
                service("load-balancer-ip", json!({ "type": "LoadBalancer", "loadBalancerIP": "192.0.2.1" })),
            ],
            SERVICES_POLICY,
        ),
        check(
            "NodePortsRejected",
            "Open a port on every node",
            Severity::Medium,
            vec![service("node-port", json!({ "type": "NodePort" }))],
            SERVICES_POLICY,
        ),
        check(
            "HostControllersProtected",
            "Instruct external-dns, MetalLB or Multus on the host by annotations",
            Severity::High,
            [
                "external-dns.alpha.kubernetes.io/hostname",
                "metallb.io/loadBalancerIPs",
                "k8s.v1.cni.cncf.io/networks",
            ]
            .into_iter()
            .flat_map(instructed)
            .collect(),
            METADATA_POLICY,
        ),
        check(
            "ForeignLabelsRejected",
            "Pose as an object of Hexabase",
            Severity::High,
            vec![
                Attempt::Create(Kind::POD, labelled(context.pod("label", &none))),
                Attempt::Create(Kind::SERVICE, labelled(context.service("label", &none))),
                Attempt::Create(Kind::PERSISTENT_VOLUME_CLAIM, labelled(context.claim("label", &none))),
                Attempt::Create(Kind::CONFIG_MAP, labelled(config_map("label"))),
                Attempt::Create(Kind::SECRET, labelled(secret("label"))),
            ],
            METADATA_POLICY,
        ),
        check(
            "UntranslatedObjectsRejected",
            "Copy an object to the host as written (vcluster.loft.sh/skip-translate)",
            Severity::High,
            vec![
                annotated(Kind::PERSISTENT_VOLUME_CLAIM, context.claim("skip", &none), skip),
                annotated(Kind::SERVICE, context.service("skip", &none), skip),
                annotated(Kind::CONFIG_MAP, config_map("skip"), skip),
                annotated(Kind::POD, context.pod("skip", &none), skip),
            ],
            METADATA_POLICY,
        ),
        check(
            "ForeignVolumesRejected",
            "Use a volume or a snapshot of others by a claim",
            Severity::High,
            vec![
                claim("data-source", json!({ "dataSource": own_volume })),
                claim("snapshot", json!({ "dataSource": snapshot })),
                claim("volume-name", json!({ "volumeName": "isolation-check" })),
                claim("selector", json!({ "selector": { "matchLabels": { "check": "isolation" } } })),
            ],
            CLAIMS_POLICY,
        ),
        check(
            "HostTokensRejected",
            "Receive a token of the host's API server in a Secret",
            Severity::High,
            vec![Attempt::Create(Kind::SECRET, token)],
            SECRETS_POLICY,
        ),
    ]
}

fn ingress_checks(context: &HostContext<'_>) -> Vec<Check> {
    let check = |kind, title, attempts| Check {
        kind,
        title,
        severity: Severity::High,
        attempts,
        barriers: INGRESSES_POLICY,
        remedy: APPLY_HOST_SETUP,
    };
    let ingress = |attempt: &str, host: &str, path: &str| {
        Attempt::Create(Kind::INGRESS, context.ingress(attempt, host, path))
    };
    let mut annotated = context.ingress("use-regex", "", "/");
    annotated["metadata"]["annotations"]["nginx.ingress.kubernetes.io/use-regex"] = json!("true");
    let mut regex = context.ingress("regex", "", "/check/(a+)+b");
    regex["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = json!("ImplementationSpecific");
    let mut snippet = context.ingress("snippet", "", "/");
    snippet["metadata"]["annotations"]["nginx.ingress.kubernetes.io/configuration-snippet"] =
        json!("return 200;");
    vec![
        check(
            "ForeignHostsRejected",
            "Publish a host name outside of the workspace's domain",
            vec![ingress("host", "isolation-check.invalid", "/"), Attempt::Create(Kind::INGRESS, snippet)],
        ),
        check(
            "RegexPathsRejected",
            "Slow down the Ingress controller by regular expressions in paths",
            vec![Attempt::Create(Kind::INGRESS, regex), Attempt::Create(Kind::INGRESS, annotated)],
        ),
    ]
}

fn access_checks(context: &HostContext<'_>) -> Vec<Check> {
    let check = |kind, title, severity, attempts| Check {
        kind,
        title,
        severity,
        attempts,
        barriers: &[Barrier::Permissions],
        remedy: CHECK_ROLES,
    };
    let foreign_addresses = json!([{ "addresses": [{ "ip": "192.0.2.1" }], "ports": [{ "port": 80 }] }]);
    let endpoints = context.object(Kind::ENDPOINTS, "endpoints", &json!({ "subsets": foreign_addresses }));
    let slice = json!({ "addressType": "IPv4", "endpoints": [{ "addresses": ["192.0.2.1"] }], "ports": [] });
    let slice = context.object(Kind::ENDPOINT_SLICE, "endpoint-slice", &slice);
    let patch = json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } });
    let identity = context.config.identity.clone().unwrap_or_default().namespace;
    let mut foreign = vec!["", "kube-system", "default", identity.as_str()];
    foreign.extend(context.other_tenants.iter().map(String::as_str));
    const READ: &[&str] = &["get", "list"];
    const RBAC: &str = "rbac.authorization.k8s.io";
    const METRICS: &str = "metrics.k8s.io";
    vec![
        check(
            "EndpointsRejected",
            "Direct traffic of the host to any address by Endpoints and EndpointSlices",
            Severity::High,
            vec![Attempt::Create(Kind::ENDPOINTS, endpoints), Attempt::Create(Kind::ENDPOINT_SLICE, slice)],
        ),
        Check {
            barriers: &[Barrier::Permissions, Barrier::AnyPolicy],
            ..check(
                "ControlPlaneChangesRejected",
                "Change the pod template of the control plane",
                Severity::High,
                vec![Attempt::Patch(Kind::STATEFUL_SET, context.name().to_owned(), patch)],
            )
        },
        check(
            "OtherNamespacesUnreachable",
            "Read or write objects in the namespaces of other tenants and of the host",
            Severity::Critical,
            context.reviews(
                &foreign,
                &[
                    ("", "secrets", &["get", "list", "create"]),
                    ("", "configmaps", READ),
                    ("", "pods", &["list", "create"]),
                    ("", "pods/exec", &["create"]),
                    (METRICS, "pods", READ),
                ],
            ),
        ),
        check(
            "ClusterUnreachable",
            "Read or change the host cluster as a whole",
            Severity::Critical,
            context.reviews(
                &[""],
                &[
                    ("", "nodes", &["list", "patch"]),
                    ("", "nodes/proxy", &["get", "create"]),
                    (METRICS, "nodes", READ),
                    ("", "namespaces", &["list", "create", "patch", "delete"]),
                    ("", "persistentvolumes", &["list", "create"]),
                    (RBAC, "clusterroles", &["create", "patch", "bind", "escalate"]),
                    (RBAC, "clusterrolebindings", &["create", "patch"]),
                    (
                        "admissionregistration.k8s.io",
                        "validatingadmissionpolicies",
                        &["create", "patch", "delete"],
                    ),
                    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", &["create", "patch"]),
                    ("apiextensions.k8s.io", "customresourcedefinitions", &["create"]),
                    ("authentication.k8s.io", "tokenreviews", &["create"]),
                    ("certificates.k8s.io", "certificatesigningrequests", &["create"]),
                    ("", "users", &["impersonate"]),
                    ("", "groups", &["impersonate"]),
                ],
            ),
        ),
        check(
            "EscalationDenied",
            "Gain more permissions, or remove the tenant's limits and NetworkPolicies",
            Severity::Critical,
            context.reviews(
                &[context.name()],
                &[
                    (RBAC, "roles", &["create", "patch", "bind", "escalate"]),
                    (RBAC, "rolebindings", &["create", "patch"]),
                    ("", "serviceaccounts", &["create", "impersonate"]),
                    ("", "serviceaccounts/token", &["create"]),
                    ("", "resourcequotas", &["patch", "delete"]),
                    ("", "limitranges", &["patch", "delete"]),
                    ("networking.k8s.io", "networkpolicies", &["create", "patch", "delete"]),
                    ("apps", "deployments", &["create"]),
                    ("apps", "daemonsets", &["create"]),
                    ("batch", "jobs", &["create"]),
                ],
            ),
        ),
    ]
}
