use crate::error::Violation;
use crate::model::Rule;

/// How many rules a custom role may have.
pub const MAX_RULES: usize = 50;
const MAX_ENTRIES: usize = 50;
const MAX_LENGTH: usize = 253;

const VERBS: [&str; 9] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"];

/// Resources of the cluster as a whole, by API group. A role of a project cannot give them, and a custom
/// role that names one is a mistake worth telling.
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

/// What Hexabase sets in a project and nobody else changes.
const OURS: [&str; 2] = ["resourcequotas", "limitranges"];
const READING: [&str; 3] = ["get", "list", "watch"];
const RBAC: &str = "rbac.authorization.k8s.io";

/// Checks the rules of a custom role: well-formed, nothing of the cluster as a whole, no way to more rights
/// than were given, and hands off quotas. Answers everything that is wrong.
#[must_use]
pub fn check_rules(rules: &[Rule]) -> Vec<Violation> {
    let mut wrong = Vec::new();
    if rules.is_empty() || rules.len() > MAX_RULES {
        wrong.push(violation("rules".to_owned(), &format!("must be 1 to {MAX_RULES} rules")));
    }
    for (place, rule) in rules.iter().enumerate().take(MAX_RULES) {
        check_rule(rule, &format!("rules[{place}]"), &mut wrong);
    }
    wrong
}

fn violation(field: String, message: &str) -> Violation {
    Violation { field, message: message.to_owned() }
}

fn check_rule(rule: &Rule, at: &str, wrong: &mut Vec<Violation>) {
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
    let before = wrong.len();
    for (entries, field, fits, what) in [groups, resources, verbs] {
        if entries.is_empty() || entries.len() > MAX_ENTRIES || !entries.iter().all(|entry| fits(entry)) {
            wrong.push(violation(format!("{at}.{field}"), &format!("must be 1 to {MAX_ENTRIES} {what}")));
        }
    }
    if rule.resource_names.len() > MAX_ENTRIES || !rule.resource_names.iter().all(|name| is_object_name(name))
    {
        let message = format!("must be at most {MAX_ENTRIES} names of objects");
        wrong.push(violation(format!("{at}.resource_names"), &message));
    }
    if wrong.len() == before {
        check_reach(rule, at, wrong);
    }
}

/// What a well-formed rule may not reach.
fn check_reach(rule: &Rule, at: &str, wrong: &mut Vec<Violation>) {
    let names = |group: &str| rule.api_groups.iter().any(|own| own == group || own == "*");
    let any_resource = rule.resources.iter().any(|resource| resource.starts_with('*'));
    if names(RBAC) && (any_resource || rule.api_groups.iter().any(|group| group == "*")) {
        let message = "must not be wildcards where roles and bindings are among them; name the API groups and resources";
        wrong.push(violation(format!("{at}.resources"), message));
    }
    if names(RBAC) && rule.verbs.iter().any(|verb| verb == "*") {
        let message =
            "must not be * for roles and bindings: it would include escalate and bind; name the verbs";
        wrong.push(violation(format!("{at}.verbs"), message));
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
                "{resource} belongs to the cluster as a whole, which a role of a project cannot reach"
            );
            wrong.push(violation(format!("{at}.resources"), &message));
        }
    }
    let changes = rule.verbs.iter().any(|verb| !READING.contains(&verb.as_str()));
    let touches_ours =
        rule.resources.iter().any(|resource| OURS.contains(&resource.as_str()) || resource == "*");
    if names("") && touches_ours && changes {
        let message =
            "must not allow changing resourcequotas and limitranges; name the resources, or only read";
        wrong.push(violation(format!("{at}.resources"), message));
    }
    if names("")
        && rule.resources.iter().any(|resource| resource == "serviceaccounts/token" || resource == "*/*")
    {
        let message =
            "must not reach serviceaccounts/token: it would give the rights of every ServiceAccount";
        wrong.push(violation(format!("{at}.resources"), message));
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
    resource.len() <= MAX_LENGTH && parts.by_ref().take(2).all(word) && parts.next().is_none()
}

fn is_object_name(name: &str) -> bool {
    // What Kubernetes calls a path segment name, without the characters that no kind of ours allows.
    (1..=MAX_LENGTH).contains(&name.len())
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
    text.len() <= MAX_LENGTH && text.split('.').all(label)
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
    fn ordinary_rules_are_fine() {
        for (group, resource, verb) in [
            ("", "pods", "get"),
            ("", "pods/log", "get"),
            ("apps", "deployments", "*"),
            ("apps", "*", "*"),
            ("example.com", "*", "*"),
            ("", "resourcequotas", "list"),
            (RBAC, "roles", "create"),
            ("storage.k8s.io", "csistoragecapacities", "get"),
        ] {
            assert_eq!(check_rules(&[rule(group, resource, verb)]), [], "{group} {resource} {verb}");
        }
    }

    #[test]
    fn rules_that_reach_too_far_are_refused() {
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
            ("", "*", "delete"),
            ("", "serviceaccounts/token", "create"),
            ("", "*/*", "create"),
        ] {
            assert!(!check_rules(&[rule(group, resource, verb)]).is_empty(), "{group} {resource} {verb}");
        }
    }

    #[test]
    fn malformed_rules_are_refused_with_their_place() {
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
        fn no_rule_makes_checking_panic(group in ".{0,12}", resource in ".{0,12}", verb in ".{0,12}", name in ".{0,12}") {
            let mut rule = rule(&group, &resource, &verb);
            rule.resource_names = vec![name];
            let _ = check_rules(&[rule]);
        }

        #[test]
        fn whatever_is_accepted_gives_no_way_to_escalate(
            group in proptest::sample::select(vec!["", "apps", RBAC, "*"]),
            resource in proptest::sample::select(vec!["pods", "roles", "*", "*/*", "clusterroles", "rolebindings/x"]),
            verb in proptest::sample::select(vec!["get", "create", "*", "bind", "escalate"]),
        ) {
            if check_rules(&[rule(group, resource, verb)]).is_empty() {
                let reaches_rbac = group == RBAC || group == "*";
                prop_assert!(!(reaches_rbac && verb == "*"));
                prop_assert!(!["bind", "escalate", "impersonate"].contains(&verb));
            }
        }
    }
}
