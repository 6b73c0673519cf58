//! Registry of the kinds that an API server serves.

use serde_json::Value;

/// Kind that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KindInfo {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) short_names: Vec<String>,
    pub(super) namespaced: bool,
    /// `true` if it has a status subresource.
    pub(super) has_status: bool,
    /// `true` if a CustomResourceDefinition defines it.
    pub(super) custom: bool,
}

impl KindInfo {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Resource as in quotas and messages: `statefulsets.apps`.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// Group, version, kind, plural, short names, `true` if namespaced, `true` if it has a status subresource.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], bool, bool);

const BUILT_IN: [Row; 41] = [
    ("", "v1", "ConfigMap", "configmaps", &["cm"], true, false),
    ("", "v1", "Endpoints", "endpoints", &["ep"], true, false),
    ("", "v1", "Event", "events", &["ev"], true, false),
    ("", "v1", "LimitRange", "limitranges", &["limits"], true, false),
    ("", "v1", "Namespace", "namespaces", &["ns"], false, true),
    ("", "v1", "Node", "nodes", &["no"], false, true),
    ("", "v1", "PersistentVolume", "persistentvolumes", &["pv"], false, true),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], true, true),
    ("", "v1", "Pod", "pods", &["po"], true, true),
    ("", "v1", "PodTemplate", "podtemplates", &[], true, false),
    ("", "v1", "ReplicationController", "replicationcontrollers", &["rc"], true, true),
    ("", "v1", "ResourceQuota", "resourcequotas", &["quota"], true, true),
    ("", "v1", "Secret", "secrets", &[], true, false),
    ("", "v1", "Service", "services", &["svc"], true, true),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], true, false),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        &[],
        false,
        true,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        &[],
        false,
        false,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd"],
        false,
        true,
    ),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", &[], true, false),
    ("apps", "v1", "DaemonSet", "daemonsets", &["ds"], true, true),
    ("apps", "v1", "Deployment", "deployments", &["deploy"], true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", &["sts"], true, true),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], true, true),
    ("batch", "v1", "CronJob", "cronjobs", &["cj"], true, true),
    ("batch", "v1", "Job", "jobs", &[], true, true),
    ("coordination.k8s.io", "v1", "Lease", "leases", &[], true, false),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", &[], true, false),
    ("events.k8s.io", "v1", "Event", "events", &["ev"], true, false),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"], true, true),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", &[], false, false),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", &["netpol"], true, false),
    ("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", &[], false, false),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], true, true),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", &[], false, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", &[], false, false),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", &[], true, false),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", &[], true, false),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", &["pc"], false, false),
    ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", &[], false, false),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", &["sc"], false, false),
];

/// Kinds of one API server: built-in ones, and those that CustomResourceDefinitions define.
#[derive(Debug, Clone)]
pub(super) struct Kinds(Vec<KindInfo>);

impl Kinds {
    pub(super) fn built_in() -> Self {
        let info = |(group, version, kind, plural, short, namespaced, has_status): &Row| KindInfo {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
            singular: kind.to_lowercase(),
            short_names: short.iter().map(|name| (*name).to_owned()).collect(),
            namespaced: *namespaced,
            has_status: *has_status,
            custom: false,
        };
        Self(BUILT_IN.iter().map(info).collect())
    }

    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&KindInfo> {
        self.0.iter().find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
    }

    /// Kind of a stored resource, in any version.
    pub(super) fn of_resource(&self, group: &str, plural: &str) -> Option<&KindInfo> {
        self.0.iter().find(|kind| kind.plural == plural && kind.group == group)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KindInfo> {
        self.0.iter()
    }

    /// Kinds that a CustomResourceDefinition defines, one per served version.
    fn defined_by(definition: &Value) -> Vec<KindInfo> {
        let spec = &definition["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let versions = spec["versions"].as_array().cloned().unwrap_or_default();
        let info = |version: &Value| KindInfo {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            kind: text(&spec["names"]["kind"]),
            plural: text(&spec["names"]["plural"]),
            singular: text(&spec["names"]["singular"]),
            short_names: spec["names"]["shortNames"].as_array().into_iter().flatten().map(text).collect(),
            namespaced: spec["scope"] == "Namespaced",
            has_status: version.pointer("/subresources/status").is_some(),
            custom: true,
        };
        versions.iter().filter(|version| version["served"] == true).map(info).collect()
    }

    pub(super) fn define(&mut self, definition: &Value) {
        let defined = Self::defined_by(definition);
        self.0.retain(|kind| !defined.iter().any(|new| new.group == kind.group && new.plural == kind.plural));
        self.0.extend(defined);
    }

    pub(super) fn undefine(&mut self, definition: &Value) {
        let defined = Self::defined_by(definition);
        self.0.retain(|kind| !defined.contains(kind));
    }
}
