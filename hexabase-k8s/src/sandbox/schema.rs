//! Whether an object is what its kind says: by reading it as its type.

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking, rbac::v1 as rbac};
use k8s_openapi::serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::Value;

use super::kinds::KindInfo;
use super::reply::{Outcome, Refusal};
use super::selector::{is_key, is_subdomain, is_value};

/// Refuses an object with wrong types, and in strict mode one with fields that its kind does not have. Kinds
/// that Hexabase does not use, and custom ones, are taken as they are.
pub(super) fn check(kind: &KindInfo, body: &Value, strict: bool) -> Outcome<()> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "ConfigMap") => typed::<core::ConfigMap>(body, strict),
        ("", "LimitRange") => typed::<core::LimitRange>(body, strict),
        ("", "Namespace") => typed::<core::Namespace>(body, strict),
        ("", "PersistentVolumeClaim") => typed::<core::PersistentVolumeClaim>(body, strict),
        ("", "Pod") => typed::<core::Pod>(body, strict),
        ("", "ResourceQuota") => typed::<core::ResourceQuota>(body, strict),
        ("", "Secret") => typed::<core::Secret>(body, strict),
        ("", "Service") => typed::<core::Service>(body, strict),
        ("", "ServiceAccount") => typed::<core::ServiceAccount>(body, strict),
        ("apps", "Deployment") => typed::<apps::Deployment>(body, strict),
        ("apps", "StatefulSet") => typed::<apps::StatefulSet>(body, strict),
        ("networking.k8s.io", "NetworkPolicy") => typed::<networking::NetworkPolicy>(body, strict),
        ("rbac.authorization.k8s.io", "ClusterRole") => typed::<rbac::ClusterRole>(body, strict),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            typed::<rbac::ClusterRoleBinding>(body, strict)
        }
        ("rbac.authorization.k8s.io", "Role") => typed::<rbac::Role>(body, strict),
        ("rbac.authorization.k8s.io", "RoleBinding") => typed::<rbac::RoleBinding>(body, strict),
        _ => Ok(()),
    }
}

fn typed<T: DeserializeOwned + Serialize>(body: &Value, strict: bool) -> Outcome<()> {
    let wrong = |error: serde_json::Error| Refusal::bad_request(format!("cannot be handled: {error}"));
    let read: T = serde_json::from_value(body.clone()).map_err(wrong)?;
    if !strict {
        return Ok(());
    }
    let known = serde_json::to_value(read).map_err(wrong)?;
    match unknown_field(body, &known, "") {
        None => Ok(()),
        Some(path) => Err(Refusal::bad_request(format!("strict decoding error: unknown field \"{path}\""))),
    }
}

/// The first field that reading and writing lost.
fn unknown_field(body: &Value, known: &Value, path: &str) -> Option<String> {
    match (body, known) {
        (Value::Object(body), Value::Object(known)) => body.iter().find_map(|(name, value)| {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(there) => unknown_field(value, there, &inner),
                None if value.is_null() => None,
                None => Some(inner),
            }
        }),
        (Value::Array(body), Value::Array(known)) => {
            let mut pairs = body.iter().zip(known).enumerate();
            pairs.find_map(|(place, (value, there))| unknown_field(value, there, &format!("{path}[{place}]")))
        }
        _ => None,
    }
}

/// Refuses names and labels that Kubernetes would refuse.
pub(super) fn check_metadata(kind: &KindInfo, body: &Value) -> Outcome<()> {
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let invalid = |message: &str| Err(Refusal::invalid(&kind.kind, name, message));
    let fits = match (kind.group.as_str(), kind.kind.as_str()) {
        // RBAC's names are only ever part of a path.
        ("rbac.authorization.k8s.io", _) => {
            !name.is_empty() && !name.contains(['/', '%']) && name != "." && name != ".."
        }
        ("", "Namespace" | "Service") => is_subdomain(name) && name.len() <= 63 && !name.contains('.'),
        _ => is_subdomain(name),
    };
    if !fits {
        return invalid(
            "metadata.name: Invalid value: a lowercase RFC 1123 name must consist of lower case alphanumeric characters or '-'",
        );
    }
    for (key, value) in body["metadata"]["labels"].as_object().into_iter().flatten() {
        if !is_key(key) || !value.as_str().is_some_and(is_value) {
            return invalid(
                "metadata.labels: Invalid value: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'",
            );
        }
    }
    if kind.kind == "StatefulSet" {
        let (selector, template) =
            (&body["spec"]["selector"]["matchLabels"], &body["spec"]["template"]["metadata"]["labels"]);
        let selects = selector
            .as_object()
            .is_some_and(|wanted| wanted.iter().all(|(key, value)| template.get(key) == Some(value)));
        if !selects {
            return invalid(
                "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`",
            );
        }
    }
    Ok(())
}

/// Refuses changes of what never changes.
pub(super) fn check_immutable(kind: &KindInfo, before: &Value, after: &Value) -> Outcome<()> {
    let name = after["metadata"]["name"].as_str().unwrap_or_default();
    let changed = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    match kind.kind.as_str() {
        "RoleBinding" | "ClusterRoleBinding" if changed("/roleRef") => {
            Err(Refusal::invalid(&kind.kind, name, "roleRef: Invalid value: cannot change roleRef"))
        }
        "StatefulSet" => {
            let mutable = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            let rest = |body: &Value| {
                let mut spec = body["spec"].as_object().cloned().unwrap_or_default();
                spec.retain(|field, _| !mutable.contains(&field.as_str()));
                spec
            };
            if rest(before) == rest(after) {
                return Ok(());
            }
            Err(Refusal::invalid(
                &kind.kind,
                name,
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            ))
        }
        "Service" if before["spec"]["clusterIP"].is_string() && changed("/spec/clusterIP") => Err(
            Refusal::invalid(&kind.kind, name, "spec.clusterIPs[0]: Invalid value: may not change once set"),
        ),
        "Secret" | "ConfigMap"
            if before["immutable"] == true && (changed("/data") || changed("/immutable")) =>
        {
            Err(Refusal::invalid(
                &kind.kind,
                name,
                "data: Forbidden: field is immutable when `immutable` is set",
            ))
        }
        "Secret" if changed("/type") => {
            Err(Refusal::invalid(&kind.kind, name, "type: Invalid value: field is immutable"))
        }
        _ => Ok(()),
    }
}

/// Fills in what Kubernetes fills in, as far as anything here depends on it.
pub(super) fn set_defaults(kind: &KindInfo, body: &mut Value) {
    let default = |body: &mut Value, pointer: &str, value: Value| {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(Value::Object(parent)) = body.pointer_mut(parent) {
            parent.entry(field).or_insert(value);
        }
    };
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Namespace") => {
            let name = body["metadata"]["name"].clone();
            body["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            default(body, "/spec", serde_json::json!({ "finalizers": ["kubernetes"] }));
            default(body, "/status", serde_json::json!({ "phase": "Active" }));
        }
        ("apps", "StatefulSet" | "Deployment") => {
            default(body, "/spec/replicas", 1.into());
            default(body, "/spec/revisionHistoryLimit", 10.into());
        }
        ("", "Secret") => {
            default(body, "/type", "Opaque".into());
            absorb_string_data(body);
        }
        ("", "Service") => {
            default(body, "/spec/type", "ClusterIP".into());
            default(body, "/spec/sessionAffinity", "None".into());
            for port in body.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
                let number = port["port"].clone();
                default(port, "/protocol", "TCP".into());
                default(port, "/targetPort", number);
            }
        }
        ("networking.k8s.io", "NetworkPolicy") => {
            default(body, "/spec/policyTypes", serde_json::json!(["Ingress"]));
        }
        ("", "Pod") => {
            default(body, "/spec/restartPolicy", "Always".into());
            default(body, "/status", serde_json::json!({ "phase": "Pending" }));
        }
        ("", "PersistentVolumeClaim") => {
            default(body, "/spec/volumeMode", "Filesystem".into());
            default(body, "/status", serde_json::json!({ "phase": "Pending" }));
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            for subject in body.pointer_mut("/subjects").and_then(Value::as_array_mut).into_iter().flatten() {
                if subject["kind"] != "ServiceAccount" {
                    default(subject, "/apiGroup", "rbac.authorization.k8s.io".into());
                }
            }
        }
        _ => {}
    }
}

/// What was written in the clear is kept encoded.
fn absorb_string_data(body: &mut Value) {
    use base64::Engine as _;
    let Some(Value::Object(plain)) = body.as_object_mut().and_then(|fields| fields.remove("stringData"))
    else {
        return;
    };
    for (key, value) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        body["data"][key.as_str()] = encoded.into();
    }
}
