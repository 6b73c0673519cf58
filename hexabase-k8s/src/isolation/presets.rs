//! Checks inside a tenant: the presets, users without a role, and the tenant admission policy.

use hexabase_core::model::{IsolationResult, PresetRole, Severity};
use serde_json::Value;

use super::{Access, Attempt, Check, Identity, result_of};
use crate::config::HostConfig;
use crate::render::tenant_admission_policy;

pub(crate) const MANAGED_OBJECTS: Identity = (
    "ManagedObjectsProtected",
    "Change roles, quotas and namespaces of Hexabase in the tenant",
    Severity::High,
);

const REMEDY: &str = "reconcile the workspace, so that the objects of Hexabase in the tenant are restored";

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// API group, resource and verbs of accesses.
type Accesses = (&'static str, &'static str, &'static [&'static str]);

/// Accesses that no preset grants.
const FORBIDDEN: &[Accesses] = &[
    ("", "endpoints", WRITE),
    ("discovery.k8s.io", "endpointslices", WRITE),
    ("", "nodes", WRITE),
    ("", "nodes/proxy", &["get", "create"]),
    ("", "pods/proxy", &["get", "create"]),
    ("", "services/proxy", &["get", "create"]),
    ("", "namespaces", WRITE),
    ("", "namespaces/finalize", &["update"]),
    ("", "persistentvolumes", WRITE),
    ("", "resourcequotas", WRITE),
    ("", "resourcequotas/status", &["update", "patch"]),
    ("", "limitranges", WRITE),
    ("", "serviceaccounts/token", &["create"]),
    ("", "users", &["impersonate"]),
    ("", "groups", &["impersonate"]),
    ("", "serviceaccounts", &["impersonate"]),
    (RBAC, "roles", &["escalate", "bind"]),
    (RBAC, "clusterroles", &["create", "update", "patch", "delete", "escalate", "bind"]),
    (RBAC, "clusterrolebindings", WRITE),
    (ADMISSION, "validatingadmissionpolicies", WRITE),
    (ADMISSION, "validatingadmissionpolicybindings", WRITE),
    (ADMISSION, "mutatingwebhookconfigurations", WRITE),
    (ADMISSION, "validatingwebhookconfigurations", WRITE),
    ("apiextensions.k8s.io", "customresourcedefinitions", WRITE),
    ("certificates.k8s.io", "certificatesigningrequests", &["create"]),
    ("certificates.k8s.io", "certificatesigningrequests/approval", &["update", "patch"]),
    ("authentication.k8s.io", "tokenreviews", &["create"]),
];

/// Further accesses that presets of viewers do not grant.
const FORBIDDEN_TO_VIEWERS: &[Accesses] = &[
    ("", "secrets", READ),
    ("", "secrets", WRITE),
    ("", "pods", WRITE),
    ("", "pods/attach", &["get", "create"]),
    ("", "pods/ephemeralcontainers", &["update", "patch"]),
    ("", "pods/eviction", &["create"]),
    ("", "pods/exec", &["get", "create"]),
    ("", "pods/portforward", &["get", "create"]),
    ("", "configmaps", WRITE),
    ("", "services", WRITE),
    ("", "serviceaccounts", WRITE),
    ("", "persistentvolumeclaims", WRITE),
    ("apps", "deployments", WRITE),
    ("batch", "jobs", WRITE),
    (RBAC, "roles", WRITE),
    (RBAC, "rolebindings", WRITE),
];

/// Returns the type, title and severity of the check of a preset.
pub(crate) fn identity(preset: PresetRole) -> Identity {
    let kind = match preset {
        PresetRole::WorkspaceAdmin => "WorkspaceAdminLimited",
        PresetRole::WorkspaceViewer => "WorkspaceViewerLimited",
        PresetRole::ProjectAdmin => "ProjectAdminLimited",
        PresetRole::ProjectEditor => "ProjectEditorLimited",
        PresetRole::ProjectViewer => "ProjectViewerLimited",
    };
    (kind, "Exceed a preset role in the tenant", Severity::High)
}

fn is_viewer(preset: PresetRole) -> bool {
    matches!(preset, PresetRole::WorkspaceViewer | PresetRole::ProjectViewer)
}

fn accesses(all: &[Accesses]) -> impl Iterator<Item = Access> {
    all.iter().flat_map(|(group, resource, verbs)| {
        verbs.iter().map(|verb| Access { verb, group, resource, namespace: String::new() })
    })
}

/// Checks the role of a preset as the tenant's API server has it: it grants what it is for, and nothing forbidden.
pub(crate) fn preset_role(preset: PresetRole, role: Option<&Value>) -> IsolationResult {
    let Some(role) = role else {
        return result_of(
            identity(preset),
            &[format!("the ClusterRole {preset} does not exist")],
            "",
            REMEDY,
        );
    };
    let rules = role["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let grants = |access: &Access| rules.iter().any(|rule| covers(rule, access));
    let further = if is_viewer(preset) { FORBIDDEN_TO_VIEWERS } else { &[] };
    let mut findings: Vec<String> = accesses(FORBIDDEN)
        .chain(accesses(further))
        .filter(grants)
        .map(|access| format!("{preset} grants {access}"))
        .collect();
    // A role that grants nothing would pass every other check.
    let control = Access::control();
    if !grants(&control) {
        findings.push(format!("{preset} does not grant {control}"));
    }
    result_of(identity(preset), &findings, "the role grants nothing that it must not grant", REMEDY)
}

/// `true` if an RBAC rule grants an access, to one object at least.
fn covers(rule: &Value, access: &Access) -> bool {
    let has = |field: &str, value: &str| {
        rule[field].as_array().into_iter().flatten().any(|entry| entry == "*" || entry == value)
    };
    let any_parent = access.resource.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
    has("apiGroups", access.group)
        && has("verbs", access.verb)
        && (has("resources", access.resource)
            || any_parent.is_some_and(|resource| has("resources", &resource)))
}

/// Returns the check of a signed-in user without any role.
pub(crate) fn unassigned_user() -> Check {
    let more: &[Accesses] = &[
        ("", "pods", &["list", "create"]),
        ("", "secrets", READ),
        ("", "configmaps", READ),
        ("", "namespaces", &["list"]),
    ];
    Check {
        kind: "UnassignedUsersDenied",
        title: "Use the tenant without a role",
        severity: Severity::High,
        attempts: accesses(FORBIDDEN).chain(accesses(more)).map(Attempt::Review).collect(),
        barriers: &[],
        remedy: "remove the bindings of system:authenticated and system:unauthenticated in the tenant",
    }
}

/// Checks that the tenant admission policy is in the tenant as Hexabase renders it, and bound.
pub(crate) fn admission_policy(
    policy: Option<&Value>,
    binding: Option<&Value>,
    config: &HostConfig,
) -> IsolationResult {
    let actual = [policy, binding];
    let findings: Vec<String> = tenant_admission_policy(config)
        .iter()
        .zip(actual)
        .filter(|(desired, actual)| {
            !actual.is_some_and(|actual| includes(&actual["spec"], &desired.body["spec"]))
        })
        .map(|(desired, _)| format!("{} {} is missing or differs", desired.kind.kind, desired.name))
        .collect();
    result_of(MANAGED_OBJECTS, &findings, "the admission policy of Hexabase is bound in the tenant", REMEDY)
}

/// `true` if `actual` has every field of `desired` with the same value.
fn includes(actual: &Value, desired: &Value) -> bool {
    match (actual, desired) {
        (Value::Object(actual), Value::Object(desired)) => {
            desired.iter().all(|(name, value)| actual.get(name).is_some_and(|actual| includes(actual, value)))
        }
        (Value::Array(actual), Value::Array(desired)) => {
            actual.len() == desired.len()
                && actual.iter().zip(desired).all(|(actual, desired)| includes(actual, desired))
        }
        _ => actual == desired,
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::access::preset_rules;
    use hexabase_core::model::ConditionStatus::{False, True};
    use serde_json::json;

    use super::*;

    fn role(preset: PresetRole) -> Value {
        json!({ "rules": preset_rules(preset).iter().map(|rule| json!({
            "apiGroups": rule.api_groups, "resources": rule.resources, "verbs": rule.verbs,
        })).collect::<Vec<_>>() })
    }

    #[test]
    fn the_presets_pass_and_each_forbidden_access_is_found() {
        for preset in PresetRole::ALL {
            let result = preset_role(*preset, Some(&role(*preset)));
            assert_eq!(result.status, True, "{result:?}");
            let further = if is_viewer(*preset) { FORBIDDEN_TO_VIEWERS } else { &[] };
            for access in accesses(FORBIDDEN).chain(accesses(further)) {
                let mut extended = role(*preset);
                let rule = json!({ "apiGroups": [access.group], "resources": [access.resource], "verbs": [access.verb] });
                extended["rules"].as_array_mut().unwrap().push(rule);
                assert_eq!(preset_role(*preset, Some(&extended)).status, False, "{preset} {access}");
            }
        }
    }

    #[test]
    fn wildcards_and_missing_roles_are_found() {
        let preset = PresetRole::ProjectAdmin;
        for rule in [
            json!({ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }),
            json!({ "apiGroups": [""], "resources": ["*/token"], "verbs": ["create"] }),
        ] {
            let mut extended = role(preset);
            extended["rules"].as_array_mut().unwrap().push(rule);
            assert_eq!(preset_role(preset, Some(&extended)).status, False);
        }
        assert_eq!(preset_role(preset, None).status, False);
        assert_eq!(preset_role(preset, Some(&json!({ "rules": null }))).status, False);
    }

    #[test]
    fn the_tenant_admission_policy_must_be_bound_unchanged() {
        let config = HostConfig::default();
        let objects = tenant_admission_policy(&config);
        let [policy, binding] = [&objects[0].body, &objects[1].body];
        let status = |policy: &Value, binding| admission_policy(Some(policy), binding, &config).status;
        assert_eq!(status(policy, Some(binding)), True);
        let (mut weakened, mut audited) = (policy.clone(), binding.clone());
        weakened["spec"]["matchConditions"][0]["expression"] = json!("false");
        audited["spec"]["validationActions"] = json!(["Audit"]);
        assert_eq!(status(&weakened, Some(binding)), False);
        assert_eq!(status(policy, Some(&audited)), False);
        assert_eq!(status(policy, None), False);
    }
}
