//! Pod Security admission: the standards `baseline` and `restricted`
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), without rules for Windows and for security
//! modules of nodes.

use serde_json::Value;

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::state::State;

const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const RESTRICTED_VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

impl State {
    /// Rejects a new pod that violates the enforced standard of its namespace.
    pub(super) fn check_pod_security(&self, kind: &KindInfo, body: &Value) -> StatusResult<()> {
        if kind.kind != "Pod" {
            return Ok(());
        }
        let (namespace, name) = (&body["metadata"]["namespace"], &body["metadata"]["name"]);
        let namespace = self.get("", "namespaces", "", namespace.as_str().unwrap_or_default());
        let labels = namespace.map(|namespace| &namespace["metadata"]["labels"]);
        let level = labels.and_then(|labels| labels["pod-security.kubernetes.io/enforce"].as_str());
        let level = level.unwrap_or("privileged");
        let mut violations = Vec::new();
        if ["baseline", "restricted"].contains(&level) {
            violations.extend(baseline_violations(&body["spec"]));
        }
        if level == "restricted" {
            violations.extend(restricted_violations(&body["spec"]));
        }
        if violations.is_empty() {
            return Ok(());
        }
        Err(StatusError::forbidden(format!(
            "pods \"{}\" is forbidden: violates PodSecurity \"{level}:latest\": {}",
            name.as_str().unwrap_or_default(),
            violations.join(", ")
        )))
    }
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|field| items(spec, field))
}

fn capabilities<'a>(container: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    items(&container["securityContext"]["capabilities"], field).filter_map(Value::as_str)
}

fn baseline_violations(spec: &Value) -> Vec<&'static str> {
    let namespaces = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|field| spec[field] == true);
    let added = |container| {
        capabilities(container, "add").any(|capability| !BASELINE_CAPABILITIES.contains(&capability))
    };
    let contexts = || containers(spec).chain([spec]).map(|part| &part["securityContext"]);
    [
        (namespaces, "host namespaces"),
        (containers(spec).any(|container| container["securityContext"]["privileged"] == true), "privileged"),
        (containers(spec).any(added), "non-default capabilities"),
        (items(spec, "volumes").any(|volume| !volume["hostPath"].is_null()), "hostPath volumes"),
        (
            containers(spec).any(|container| {
                items(container, "ports").any(|port| port["hostPort"].as_u64().is_some_and(|port| port != 0))
            }),
            "hostPort",
        ),
        (contexts().any(|context| context["seccompProfile"]["type"] == "Unconfined"), "seccompProfile"),
        (contexts().any(|context| context["procMount"] == "Unmasked"), "procMount"),
    ]
    .into_iter()
    .filter_map(|(violated, message)| violated.then_some(message))
    .collect()
}

fn restricted_violations(spec: &Value) -> Vec<&'static str> {
    let pod = &spec["securityContext"];
    // A container's own setting counts before the one of the pod.
    let setting = |container: &Value, pointer: &str| {
        let own = container["securityContext"].pointer(pointer).filter(|value| !value.is_null());
        own.or_else(|| pod.pointer(pointer)).cloned().unwrap_or_default()
    };
    let has_profile = |container: &Value| {
        let profile = setting(container, "/seccompProfile/type");
        profile == "RuntimeDefault" || profile == "Localhost"
    };
    let added = |container| capabilities(container, "add").any(|capability| capability != "NET_BIND_SERVICE");
    [
        (
            containers(spec)
                .any(|container| container["securityContext"]["allowPrivilegeEscalation"] != false),
            "allowPrivilegeEscalation != false",
        ),
        (
            containers(spec)
                .any(|container| !capabilities(container, "drop").any(|it| it == "ALL") || added(container)),
            "unrestricted capabilities",
        ),
        (
            containers(spec).any(|container| setting(container, "/runAsNonRoot") != true),
            "runAsNonRoot != true",
        ),
        (containers(spec).any(|container| setting(container, "/runAsUser") == 0), "runAsUser=0"),
        (!containers(spec).all(has_profile), "seccompProfile"),
        (
            items(spec, "volumes")
                .any(|volume| !RESTRICTED_VOLUMES.iter().any(|name| !volume[name].is_null())),
            "restricted volume types",
        ),
    ]
    .into_iter()
    .filter_map(|(violated, message)| violated.then_some(message))
    .collect()
}
