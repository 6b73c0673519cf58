//! Validation of objects against the schema of their kind, by decoding them as its Rust type.

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking, rbac::v1 as rbac};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::Value;

use super::admission::{self, limit_ranges};
use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::selector::{is_label_key, is_label_value, is_subdomain};

/// Rejects a body that is not an object, or whose metadata has wrong types: no kind allows them, and other code relies on
/// that.
pub(super) fn check_envelope(body: &Value) -> StatusResult<()> {
    if !body.is_object() {
        return Err(StatusError::bad_request("the body is not an object"));
    }
    match body.get("metadata") {
        None | Some(Value::Null) => Ok(()),
        Some(metadata) => check_as::<ObjectMeta>(metadata, false),
    }
}

/// Rejects an object with wrong types, and in strict mode one with unknown fields. Custom kinds, and kinds that
/// Hexabase does not use, are not checked.
pub(super) fn check(kind: &KindInfo, body: &Value, strict: bool) -> StatusResult<()> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "ConfigMap") => check_as::<core::ConfigMap>(body, strict),
        ("", "LimitRange") => check_as::<core::LimitRange>(body, strict),
        ("", "Namespace") => check_as::<core::Namespace>(body, strict),
        ("", "PersistentVolumeClaim") => check_as::<core::PersistentVolumeClaim>(body, strict),
        ("", "Pod") => check_as::<core::Pod>(body, strict),
        ("", "ResourceQuota") => check_as::<core::ResourceQuota>(body, strict),
        ("", "Secret") => check_as::<core::Secret>(body, strict),
        ("", "Service") => check_as::<core::Service>(body, strict),
        ("", "ServiceAccount") => check_as::<core::ServiceAccount>(body, strict),
        ("apps", "Deployment") => check_as::<apps::Deployment>(body, strict),
        ("apps", "StatefulSet") => check_as::<apps::StatefulSet>(body, strict),
        ("networking.k8s.io", "NetworkPolicy") => check_as::<networking::NetworkPolicy>(body, strict),
        ("rbac.authorization.k8s.io", "ClusterRole") => check_as::<rbac::ClusterRole>(body, strict),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            check_as::<rbac::ClusterRoleBinding>(body, strict)
        }
        ("rbac.authorization.k8s.io", "Role") => check_as::<rbac::Role>(body, strict),
        ("rbac.authorization.k8s.io", "RoleBinding") => check_as::<rbac::RoleBinding>(body, strict),
        _ => Ok(()),
    }
}

fn check_as<T: DeserializeOwned + Serialize>(body: &Value, strict: bool) -> StatusResult<()> {
    let decode_error =
        |error: serde_json::Error| StatusError::bad_request(format!("cannot be handled: {error}"));
    let decoded: T = serde_json::from_value(body.clone()).map_err(decode_error)?;
    if !strict {
        return Ok(());
    }
    let known = serde_json::to_value(decoded).map_err(decode_error)?;
    match unknown_field(body, &known, "") {
        None => Ok(()),
        Some(path) => {
            Err(StatusError::bad_request(format!("strict decoding error: unknown field \"{path}\"")))
        }
    }
}

/// First field of `body` that decoding dropped.
fn unknown_field(body: &Value, known: &Value, path: &str) -> Option<String> {
    match (body, known) {
        (Value::Object(body), Value::Object(known)) => body.iter().find_map(|(name, value)| {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(known_value) => unknown_field(value, known_value, &inner),
                None if value.is_null() => None,
                None => Some(inner),
            }
        }),
        (Value::Array(body), Value::Array(known)) => {
            let mut pairs = body.iter().zip(known).enumerate();
            pairs.find_map(|(index, (value, known_value))| {
                unknown_field(value, known_value, &format!("{path}[{index}]"))
            })
        }
        _ => None,
    }
}

/// Rejects names and labels that Kubernetes rejects.
pub(super) fn check_metadata(kind: &KindInfo, body: &Value) -> StatusResult<()> {
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let invalid = |message: &str| Err(StatusError::invalid(&kind.kind, name, message));
    let is_valid = match (kind.group.as_str(), kind.kind.as_str()) {
        // RBAC names need only be valid path segments.
        ("rbac.authorization.k8s.io", _) => {
            !name.is_empty() && !name.contains(['/', '%']) && name != "." && name != ".."
        }
        ("", "Namespace" | "Service") => is_subdomain(name) && name.len() <= 63 && !name.contains('.'),
        _ => is_subdomain(name),
    };
    if !is_valid {
        return invalid(
            "metadata.name: Invalid value: a lowercase RFC 1123 name must consist of lower case alphanumeric characters or '-'",
        );
    }
    for (key, value) in body["metadata"]["labels"].as_object().into_iter().flatten() {
        if !is_label_key(key) || !value.as_str().is_some_and(is_label_value) {
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
            .is_some_and(|labels| labels.iter().all(|(key, value)| template.get(key) == Some(value)));
        if !selects {
            return invalid(
                "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`",
            );
        }
    }
    Ok(())
}

/// Rejects requests and limits that contradict each other, once all defaults are set.
pub(super) fn check_limits(kind: &KindInfo, body: &Value) -> StatusResult<()> {
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "LimitRange") => match limit_ranges::contradiction(body) {
            Some(rule) => Err(StatusError::invalid(&kind.kind, name, &rule)),
            None => Ok(()),
        },
        ("", "Pod") => admission::check_requests(kind, body),
        _ => Ok(()),
    }
}

/// Rejects changes of immutable fields.
pub(super) fn check_immutable(kind: &KindInfo, before: &Value, after: &Value) -> StatusResult<()> {
    let name = after["metadata"]["name"].as_str().unwrap_or_default();
    let changed = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    match kind.kind.as_str() {
        "RoleBinding" | "ClusterRoleBinding" if changed("/roleRef") => {
            Err(StatusError::invalid(&kind.kind, name, "roleRef: Invalid value: cannot change roleRef"))
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
            Err(StatusError::invalid(
                &kind.kind,
                name,
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            ))
        }
        "Service" if before["spec"]["clusterIP"].is_string() && changed("/spec/clusterIP") => {
            Err(StatusError::invalid(
                &kind.kind,
                name,
                "spec.clusterIPs[0]: Invalid value: may not change once set",
            ))
        }
        "Secret" | "ConfigMap"
            if before["immutable"] == true && (changed("/data") || changed("/immutable")) =>
        {
            Err(StatusError::invalid(
                &kind.kind,
                name,
                "data: Forbidden: field is immutable when `immutable` is set",
            ))
        }
        "Secret" if changed("/type") => {
            Err(StatusError::invalid(&kind.kind, name, "type: Invalid value: field is immutable"))
        }
        _ => Ok(()),
    }
}

/// Sets defaults of Kubernetes that code here depends on.
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
            default(body, "/spec", serde_json::json!({}));
            default(body, "/spec/finalizers", serde_json::json!(["kubernetes"]));
            default(body, "/status", serde_json::json!({ "phase": "Active" }));
        }
        ("apps", "StatefulSet" | "Deployment") => {
            default(body, "/spec/replicas", 1.into());
            default(body, "/spec/revisionHistoryLimit", 10.into());
        }
        ("", "Secret") => {
            default(body, "/type", "Opaque".into());
            encode_string_data(body);
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
            admission::default_requests_to_limits(body);
            default(body, "/status", serde_json::json!({ "phase": "Pending" }));
        }
        ("", "LimitRange") => limit_ranges::complete(body),
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

/// Moves `stringData` of a Secret to `data`, encoded.
fn encode_string_data(body: &mut Value) {
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
