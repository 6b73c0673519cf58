use crate::error::Violation;
use crate::model::Rule;

/// Maximum number of rules of a custom role.
pub const MAX_RULES: usize = 50;
const MAX_RULE_ENTRIES: usize = 50;
const MAX_NAME_LENGTH: usize = 253;

const VERBS: [&str; 9] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"];

/// Cluster-scoped resources, by API group. A Role cannot grant them, so a custom role that names one is a mistake
/// worth reporting.
const CLUSTER_SCOPED: [(&str, &[&str]); 8] = [
    ("", &["namespaces", "nodes", "persistentvolumes", "componentstatuses"]),
    ("admissionregistration.k8s.io", &["*"]),
    ("apiextensions.k8s.io", &["*"]),
    ("apiregistration.k8s.io", &["*"]),
    ("certificates.k8s.io", &["*"]),
    ("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings"]),
    ("scheduling.k8s.io", &["priorityclasses"]),
    ("storage.k8s.io", &["storageclasses", "volumeattachments", "csidrivers", "csinodes"]),
];

/// Resources of a project that only Hexabase may change. A Role also applies to its own namespace as an object.
const MANAGED_RESOURCES: [&str; 3] = ["resourcequotas", "limitranges", "namespaces"];
/// API groups whose resource `serviceaccounts` has verbs for impersonation, which `*` includes.
const IMPERSONATION_GROUPS: [&str; 2] = ["", "authentication.k8s.io"];
const READ_VERBS: [&str; 3] = ["get", "list", "watch"];
const RBAC: &str = "rbac.authorization.k8s.io";

/// Validates the rules of a custom role: well-formed, no cluster-scoped resources, no privilege escalation, and no
/// changes of quotas. Returns all violations.
#[must_use]
pub fn check_rules(rules: &[Rule]) -> Vec<Violation> {
    let mut violations = Vec::new();
    if rules.is_empty() || rules.len() > MAX_RULES {
        violations.push(violation("rules".to_owned(), &format!("must be 1 to {MAX_RULES} rules")));
    }
    for (index, rule) in rules.iter().enumerate().take(MAX_RULES) {
        check_rule(rule, &format!("rules[{index}]"), &mut violations);
    }
    violations
}

fn violation(field: String, message: &str) -> Violation {
    Violation::new(field, message)
}

fn check_rule(rule: &Rule, at: &str, violations: &mut Vec<Violation>) {
    let groups = (
        &rule.api_groups,
        "api_groups",
        is_api_group as fn(&str) -> bool,
        "API groups such as apps, or \"\" for the core group",
    );
    let resources = (
        &rule.resources,
        "resources",
        is_resource as fn(&str) -> bool,
        "resources in the plural such as pods or pods/log",
    );
    let verbs = (
        &rule.verbs,
        "verbs",
        is_verb as fn(&str) -> bool,
        "verbs: get, list, watch, create, update, patch, delete, deletecollection or *",
    );
    let before = violations.len();
    for (entries, field, is_valid, requirement) in [groups, resources, verbs] {
        if entries.is_empty()
            || entries.len() > MAX_RULE_ENTRIES
            || !entries.iter().all(|entry| is_valid(entry))
        {
            let message = format!("must be 1 to {MAX_RULE_ENTRIES} {requirement}");
            violations.push(violation(format!("{at}.{field}"), &message));
        }
    }
    if rule.resource_names.len() > MAX_RULE_ENTRIES
        || !rule.resource_names.iter().all(|name| is_object_name(name))
    {
        let message = format!("must be at most {MAX_RULE_ENTRIES} object names");
        violations.push(violation(format!("{at}.resource_names"), &message));
    }
    if violations.len() == before {
        check_scope(rule, at, violations);
    }
}

/// Checks the resources and verbs of a well-formed rule.
fn check_scope(rule: &Rule, at: &str, violations: &mut Vec<Violation>) {
    let names = |group: &str| rule.api_groups.iter().any(|own| own == group || own == "*");
    let any_resource = rule.resources.iter().any(|resource| resource.starts_with('*'));
    if names(RBAC) && (any_resource || rule.api_groups.iter().any(|group| group == "*")) {
        let message =
            "must not be wildcards if they include roles and bindings; name the API groups and resources";
        violations.push(violation(format!("{at}.resources"), message));
    }
    if names(RBAC) && rule.verbs.iter().any(|verb| verb == "*") {
        let message =
            "must not be * for roles and bindings, since it includes escalate and bind; name the verbs";
        violations.push(violation(format!("{at}.verbs"), message));
    }
    for (group, scoped) in CLUSTER_SCOPED {
        let named = |resource: &&String| {
            let base = resource.split('/').next().unwrap_or_default();
            scoped.contains(&base) || scoped == ["*"]
        };
        if rule.api_groups.iter().any(|own| own == group)
            && let Some(resource) = rule.resources.iter().find(named)
        {
            let message = format!(
                "must not name {resource}, which is cluster-scoped: a role of a project cannot grant it"
            );
            violations.push(violation(format!("{at}.resources"), &message));
        }
    }
    if IMPERSONATION_GROUPS.iter().any(|group| names(group))
        && rule.resources.iter().any(|resource| includes(resource, "serviceaccounts", None))
        && rule.verbs.iter().any(|verb| verb == "*")
    {
        let message =
            "must not be * for serviceaccounts, since it includes impersonate; name the resources and verbs";
        violations.push(violation(format!("{at}.verbs"), message));
    }
    if names("") {
        check_core_resources(rule, at, violations);
    }
}

/// Checks the resources of the core API group in a well-formed rule.
fn check_core_resources(rule: &Rule, at: &str, violations: &mut Vec<Violation>) {
    let mut reject = |message: &str| violations.push(violation(format!("{at}.resources"), message));
    let changes = rule.verbs.iter().any(|verb| !READ_VERBS.contains(&verb.as_str()));
    let is_managed = |resource: &String| {
        let base = resource.split('/').next().unwrap_or_default();
        base == "*" || MANAGED_RESOURCES.contains(&base)
    };
    if changes && rule.resources.iter().any(is_managed) {
        reject(
            "must not allow changes of resourcequotas and limitranges or of their subresources, which */x includes; \
             name the resources, or use read verbs only",
        );
    }
    if rule.resources.iter().any(|resource| includes(resource, "serviceaccounts", Some("token"))) {
        reject(
            "must not include serviceaccounts/token, which grants the permissions of every ServiceAccount; name the resources",
        );
    }
    if rule
        .resources
        .iter()
        .any(|resource| ["pods", "services"].iter().any(|proxied| includes(resource, proxied, Some("proxy"))))
    {
        reject(
            "must not include pods/proxy and services/proxy, through which the API server connects to any address; \
             name the resources, and use pods/portforward",
        );
    }
}

/// `true` if an entry of a rule includes a resource, or one of its subresources
/// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources>): `*` includes all of
/// both, and `*/x` includes the subresource `x` of every resource. `x/*` counts as all subresources of `x`.
fn includes(entry: &str, resource: &str, subresource: Option<&str>) -> bool {
    match (entry.split_once('/'), subresource) {
        (None, None) => entry == "*" || entry == resource,
        (None, Some(_)) => entry == "*",
        (Some(_), None) => false,
        (Some((base, inner)), Some(subresource)) => {
            (base == "*" || base == resource) && (inner == "*" || inner == subresource)
        }
    }
}

fn is_verb(verb: &str) -> bool {
    VERBS.contains(&verb)
}

fn is_api_group(group: &str) -> bool {
    group.is_empty() || group == "*" || is_subdomain(group)
}

fn is_resource(resource: &str) -> bool {
    let word = |part: &str| {
        part == "*" || !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let mut parts = resource.split('/');
    resource.len() <= MAX_NAME_LENGTH && parts.by_ref().take(2).all(word) && parts.next().is_none()
}

fn is_object_name(name: &str) -> bool {
    // A path segment name of Kubernetes, restricted to graphic ASCII characters.
    (1..=MAX_NAME_LENGTH).contains(&name.len())
        && !name.contains(['/', '%'])
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-')
            && alphanumeric(bytes[0])
            && alphanumeric(bytes[bytes.len() - 1])
    };
    text.len() <= MAX_NAME_LENGTH && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(group: &str, resource: &str, verb: &str) -> Rule {
        Rule {
            api_groups: vec![group.to_owned()],
            resources: vec![resource.to_owned()],
            verbs: vec![verb.to_owned()],
            resource_names: Vec::new(),
        }
    }

    #[test]
    fn ordinary_rules_are_accepted() {
        for (group, resource, verb) in [
            ("", "pods", "get"),
            ("", "pods/log", "get"),
            ("apps", "deployments", "*"),
            ("apps", "*", "*"),
            ("example.com", "*", "*"),
            ("", "resourcequotas", "list"),
            ("", "resourcequotas/status", "get"),
            ("", "*/log", "get"),
            ("", "*/status", "get"),
            ("", "serviceaccounts", "create"),
            ("", "services", "*"),
            ("apps", "*/scale", "patch"),
            (RBAC, "roles", "create"),
            ("storage.k8s.io", "csistoragecapacities", "get"),
        ] {
            assert_eq!(check_rules(&[rule(group, resource, verb)]), [], "{group} {resource} {verb}");
        }
    }

    #[test]
    fn rules_with_too_broad_permissions_are_rejected() {
        for (group, resource, verb) in [
            (RBAC, "*", "get"),
            ("*", "roles", "get"),
            ("*", "*", "*"),
            (RBAC, "roles", "*"),
            (RBAC, "roles", "escalate"),
            (RBAC, "roles", "bind"),
            ("", "users", "impersonate"),
            ("", "nodes", "get"),
            ("", "nodes/proxy", "get"),
            ("", "namespaces", "create"),
            (RBAC, "clusterroles", "get"),
            ("apiextensions.k8s.io", "customresourcedefinitions", "get"),
            ("", "resourcequotas", "delete"),
            ("", "resourcequotas/status", "patch"),
            ("", "limitranges/status", "update"),
            ("", "*", "delete"),
            ("", "*", "get"),
            ("", "*/status", "patch"),
            ("", "*/status", "*"),
            ("", "*/finalize", "update"),
            ("", "namespaces/finalize", "update"),
            ("", "serviceaccounts/token", "create"),
            ("", "serviceaccounts/*", "create"),
            ("", "*/token", "create"),
            ("", "*/*", "create"),
            ("", "serviceaccounts", "*"),
            ("authentication.k8s.io", "serviceaccounts", "*"),
            ("authentication.k8s.io", "*", "*"),
            ("", "pods/proxy", "get"),
            ("", "services/proxy", "create"),
            ("", "services/*", "create"),
            ("", "*/proxy", "get"),
        ] {
            assert!(!check_rules(&[rule(group, resource, verb)]).is_empty(), "{group} {resource} {verb}");
        }
    }

    #[test]
    fn malformed_rules_are_rejected_with_their_field_path() {
        let mut broken = rule("Apps", "Pods", "read");
        broken.resource_names = vec!["a/b".to_owned()];
        let fields: Vec<String> =
            check_rules(&[rule("", "pods", "get"), broken]).into_iter().map(|v| v.field).collect();
        assert_eq!(
            fields,
            ["rules[1].api_groups", "rules[1].resources", "rules[1].verbs", "rules[1].resource_names"]
        );
        assert!(!check_rules(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_rule_makes_validation_panic(group in ".{0,12}", resource in ".{0,12}", verb in ".{0,12}", name in ".{0,12}") {
            let mut rule = rule(&group, &resource, &verb);
            rule.resource_names = vec![name];
            let _ = check_rules(&[rule]);
        }

        #[test]
        fn accepted_rules_allow_no_request_beyond_a_project(
            groups in entries(&["", "apps", RBAC, "*", "authentication.k8s.io"]),
            resources in entries(&[
                "pods", "roles", "*", "*/*", "clusterroles", "rolebindings/x", "serviceaccounts", "namespaces",
                "resourcequotas", "resourcequotas/status", "*/status", "*/token", "*/proxy", "*/finalize",
                "services/proxy", "services/*", "*/log", "limitranges", "namespaces/status",
            ]),
            verbs in entries(&["get", "create", "patch", "*", "delete", "bind", "escalate", "impersonate"]),
        ) {
            let rule = Rule { api_groups: groups, resources, verbs, resource_names: Vec::new() };
            if check_rules(std::slice::from_ref(&rule)).is_empty() {
                for (group, resource, verbs) in REJECTED_REQUESTS {
                    for verb in verbs {
                        prop_assert!(!allows(&rule, group, resource, verb), "{verb} {group} {resource}: {rule:?}");
                    }
                }
            }
        }
    }

    const CHANGES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

    /// Requests that no custom role may allow: API group, resource and verbs.
    const REJECTED_REQUESTS: [(&str, &str, &[&str]); 16] = [
        ("", "resourcequotas", CHANGES),
        ("", "resourcequotas/status", CHANGES),
        ("", "limitranges", CHANGES),
        ("", "namespaces", CHANGES),
        ("", "namespaces/status", CHANGES),
        ("", "namespaces/finalize", CHANGES),
        ("", "serviceaccounts", &["impersonate"]),
        ("", "serviceaccounts/token", CHANGES),
        ("authentication.k8s.io", "serviceaccounts", &["impersonate:serviceaccount"]),
        ("", "pods/proxy", &["get", "create", "update", "patch", "delete"]),
        ("", "services/proxy", &["get", "create", "update", "patch", "delete"]),
        ("", "nodes/proxy", &["get", "create"]),
        (RBAC, "roles", &["escalate", "bind"]),
        (RBAC, "clusterroles", &["get", "escalate", "bind"]),
        ("", "users", &["impersonate"]),
        ("", "groups", &["impersonate"]),
    ];

    fn entries(known: &[&'static str]) -> impl Strategy<Value = Vec<String>> {
        let entry = proptest::sample::select(known.to_vec()).prop_map(str::to_owned);
        proptest::collection::vec(entry, 1..3)
    }

    /// Decision of RBAC (`RuleAllows` of <https://github.com/kubernetes/kubernetes>, `pkg/apis/rbac/v1`).
    fn allows(rule: &Rule, group: &str, resource: &str, verb: &str) -> bool {
        let has =
            |entries: &[String], value: &str| entries.iter().any(|entry| entry == "*" || entry == value);
        let by_subresource = resource.split_once('/').is_some_and(|(_, inner)| {
            rule.resources.iter().any(|entry| entry.strip_prefix("*/") == Some(inner))
        });
        has(&rule.verbs, verb)
            && has(&rule.api_groups, group)
            && (has(&rule.resources, resource) || by_subresource)
    }
}
