use crate::model::{PresetRole, Rule};

const READ_VERBS: &[&str] = &["get", "list", "watch"];
const WRITE_VERBS: &[&str] =
    &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

fn rule(api_groups: &[&str], resources: &[&str], verbs: &[&str]) -> Rule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Rule {
        api_groups: owned(api_groups),
        resources: owned(resources),
        verbs: owned(verbs),
        resource_names: Vec::new(),
    }
}

/// Workloads and their configuration, except Secrets.
fn workloads(verbs: &[&str]) -> Vec<Rule> {
    let core = [
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "serviceaccounts",
        "services",
    ];
    vec![
        rule(&[""], &core, verbs),
        rule(&["apps"], &["daemonsets", "deployments", "replicasets", "statefulsets"], verbs),
        rule(&["autoscaling"], &["horizontalpodautoscalers"], verbs),
        rule(&["batch"], &["cronjobs", "jobs"], verbs),
        rule(&["networking.k8s.io"], &["ingresses", "networkpolicies"], verbs),
        rule(&["policy"], &["poddisruptionbudgets"], verbs),
    ]
}

/// Status of workloads, and the limits that apply to them. Endpoints can only be read: through their addresses, other
/// components forward traffic to any server (CVE-2021-25740).
fn diagnostics() -> Vec<Rule> {
    vec![
        rule(
            &[""],
            &["endpoints", "events", "limitranges", "pods/log", "pods/status", "resourcequotas"],
            READ_VERBS,
        ),
        rule(&["discovery.k8s.io"], &["endpointslices"], READ_VERBS),
        rule(&["events.k8s.io"], &["events"], READ_VERBS),
        rule(&["metrics.k8s.io"], &["pods"], READ_VERBS),
    ]
}

/// Operations beyond changes of objects: access to pods, scaling, and Secrets.
fn operations() -> Vec<Rule> {
    vec![
        rule(&[""], &["pods/attach", "pods/exec", "pods/portforward"], &["create", "get"]),
        rule(&[""], &["pods/eviction"], &["create"]),
        rule(
            &["apps"],
            &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
            &["get", "patch", "update"],
        ),
        rule(&[""], &["secrets"], WRITE_VERBS),
    ]
}

fn project_rbac(verbs: &[&str]) -> Rule {
    rule(&["rbac.authorization.k8s.io"], &["rolebindings", "roles"], verbs)
}

/// Cluster-scoped objects that users with read access to the whole workspace may read.
fn cluster_resources() -> Vec<Rule> {
    vec![
        rule(&[""], &["namespaces", "nodes", "persistentvolumes"], READ_VERBS),
        rule(&["apiextensions.k8s.io"], &["customresourcedefinitions"], READ_VERBS),
        rule(&["rbac.authorization.k8s.io"], &["clusterrolebindings", "clusterroles"], READ_VERBS),
        rule(&["scheduling.k8s.io"], &["priorityclasses"], READ_VERBS),
        rule(&["storage.k8s.io"], &["storageclasses"], READ_VERBS),
    ]
}

/// Returns the rules of a preset role, which apply in every namespace for workspace roles, and in the namespace of the
/// project for project roles.
///
/// No preset has wildcards, and none may change quotas, limit ranges or cluster roles, which Hexabase manages.
/// Administrators may create roles and bindings within their own permissions: the privilege escalation prevention of
/// the API server applies, since no preset has `escalate`, `bind` or `impersonate`.
#[must_use]
pub fn preset_rules(role: PresetRole) -> Vec<Rule> {
    let mut rules = Vec::new();
    match role {
        PresetRole::ProjectViewer => {
            rules.extend(workloads(READ_VERBS));
            rules.extend(diagnostics());
        }
        PresetRole::ProjectEditor => {
            rules.extend(workloads(WRITE_VERBS));
            rules.extend(diagnostics());
            rules.extend(operations());
        }
        PresetRole::ProjectAdmin => {
            rules.extend(preset_rules(PresetRole::ProjectEditor));
            rules.push(project_rbac(WRITE_VERBS));
        }
        PresetRole::WorkspaceViewer => {
            rules.extend(preset_rules(PresetRole::ProjectViewer));
            rules.push(project_rbac(READ_VERBS));
            rules.extend(cluster_resources());
        }
        PresetRole::WorkspaceAdmin => {
            rules.extend(preset_rules(PresetRole::ProjectAdmin));
            rules.extend(cluster_resources());
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_preset_has_wildcards_or_escalation_verbs() {
        for role in PresetRole::ALL {
            for rule in preset_rules(*role) {
                let entries = rule.api_groups.iter().chain(&rule.resources).chain(&rule.verbs);
                for entry in entries {
                    assert!(
                        !["*", "escalate", "bind", "impersonate"].contains(&entry.as_str()),
                        "{role}: {rule:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn viewers_cannot_read_secrets_or_change_objects() {
        for role in [PresetRole::ProjectViewer, PresetRole::WorkspaceViewer] {
            for rule in preset_rules(role) {
                assert!(!rule.resources.contains(&"secrets".to_owned()), "{rule:?}");
                assert!(rule.verbs.iter().all(|verb| READ_VERBS.contains(&verb.as_str())), "{rule:?}");
            }
        }
    }

    #[test]
    fn no_preset_changes_quotas_limits_cluster_roles_or_endpoints() {
        for role in PresetRole::ALL {
            for rule in preset_rules(*role) {
                let read_only = [
                    "resourcequotas",
                    "limitranges",
                    "clusterroles",
                    "clusterrolebindings",
                    "namespaces",
                    "endpoints",
                    "endpointslices",
                ];
                if rule.resources.iter().any(|resource| read_only.contains(&resource.as_str())) {
                    assert!(
                        rule.verbs.iter().all(|verb| READ_VERBS.contains(&verb.as_str())),
                        "{role}: {rule:?}"
                    );
                }
            }
        }
    }
}
