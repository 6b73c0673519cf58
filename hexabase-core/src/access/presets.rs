use crate::model::{PresetRole, Rule};

const READ: &[&str] = &["get", "list", "watch"];
const CHANGE: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

fn rule(api_groups: &[&str], resources: &[&str], verbs: &[&str]) -> Rule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Rule {
        api_groups: owned(api_groups),
        resources: owned(resources),
        verbs: owned(verbs),
        resource_names: Vec::new(),
    }
}

/// Workloads and what they are made of, secrets excepted.
fn workloads(verbs: &[&str]) -> Vec<Rule> {
    let core = [
        "configmaps",
        "endpoints",
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
        rule(&["discovery.k8s.io"], &["endpointslices"], verbs),
        rule(&["networking.k8s.io"], &["ingresses", "networkpolicies"], verbs),
        rule(&["policy"], &["poddisruptionbudgets"], verbs),
    ]
}

/// What shows how workloads fare, and the limits they live under.
fn surroundings() -> Vec<Rule> {
    vec![
        rule(&[""], &["events", "limitranges", "pods/log", "pods/status", "resourcequotas"], READ),
        rule(&["events.k8s.io"], &["events"], READ),
        rule(&["metrics.k8s.io"], &["pods"], READ),
    ]
}

/// What goes beyond changing objects: getting into pods, scaling, and secrets.
fn operations() -> Vec<Rule> {
    vec![
        rule(&[""], &["pods/attach", "pods/exec", "pods/portforward"], &["create", "get"]),
        rule(&[""], &["pods/eviction"], &["create"]),
        rule(
            &["apps"],
            &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
            &["get", "patch", "update"],
        ),
        rule(&[""], &["secrets"], CHANGE),
    ]
}

fn project_rbac(verbs: &[&str]) -> Rule {
    rule(&["rbac.authorization.k8s.io"], &["rolebindings", "roles"], verbs)
}

/// What belongs to the cluster as a whole and may be seen by whoever sees the whole workspace.
fn cluster_surroundings() -> Vec<Rule> {
    vec![
        rule(&[""], &["namespaces", "nodes", "persistentvolumes"], READ),
        rule(&["apiextensions.k8s.io"], &["customresourcedefinitions"], READ),
        rule(&["rbac.authorization.k8s.io"], &["clusterrolebindings", "clusterroles"], READ),
        rule(&["scheduling.k8s.io"], &["priorityclasses"], READ),
        rule(&["storage.k8s.io"], &["storageclasses"], READ),
    ]
}

/// What a preset role allows: in every namespace for the workspace roles, in the project's for the others.
///
/// Nobody gets wildcards, and nobody changes quotas, limit ranges or cluster roles: those are Hexabase's.
/// Who administers may make roles and bindings, within what they may do themselves: the API server's own
/// guard against escalation holds, since no preset has `escalate`, `bind` or `impersonate`.
#[must_use]
pub fn preset_rules(role: PresetRole) -> Vec<Rule> {
    let mut rules = Vec::new();
    match role {
        PresetRole::ProjectViewer => {
            rules.extend(workloads(READ));
            rules.extend(surroundings());
        }
        PresetRole::ProjectEditor => {
            rules.extend(workloads(CHANGE));
            rules.extend(surroundings());
            rules.extend(operations());
        }
        PresetRole::ProjectAdmin => {
            rules.extend(preset_rules(PresetRole::ProjectEditor));
            rules.push(project_rbac(CHANGE));
        }
        PresetRole::WorkspaceViewer => {
            rules.extend(preset_rules(PresetRole::ProjectViewer));
            rules.push(project_rbac(READ));
            rules.extend(cluster_surroundings());
        }
        PresetRole::WorkspaceAdmin => {
            rules.extend(preset_rules(PresetRole::ProjectAdmin));
            rules.extend(cluster_surroundings());
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_preset_has_wildcards_or_ways_to_escalate() {
        for role in PresetRole::ALL {
            for rule in preset_rules(*role) {
                let all = rule.api_groups.iter().chain(&rule.resources).chain(&rule.verbs);
                for word in all {
                    assert!(
                        !["*", "escalate", "bind", "impersonate"].contains(&word.as_str()),
                        "{role}: {rule:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn viewers_see_no_secrets_and_change_nothing() {
        for role in [PresetRole::ProjectViewer, PresetRole::WorkspaceViewer] {
            for rule in preset_rules(role) {
                assert!(!rule.resources.contains(&"secrets".to_owned()), "{rule:?}");
                assert!(rule.verbs.iter().all(|verb| READ.contains(&verb.as_str())), "{rule:?}");
            }
        }
    }

    #[test]
    fn nobody_changes_quotas_limits_or_cluster_roles() {
        for role in PresetRole::ALL {
            for rule in preset_rules(*role) {
                let ours =
                    ["resourcequotas", "limitranges", "clusterroles", "clusterrolebindings", "namespaces"];
                if rule.resources.iter().any(|resource| ours.contains(&resource.as_str())) {
                    assert!(rule.verbs.iter().all(|verb| READ.contains(&verb.as_str())), "{role}: {rule:?}");
                }
            }
        }
    }
}
