//! Overrides of the rendered vCluster configuration.

use std::str::FromStr;

use hexabase_core::quantity::Quantity;
use serde_json::{Map, Value};

/// Operator's overrides of the vCluster configuration that Hexabase renders. The text form is YAML in the format of
/// vCluster's own `vcluster.yaml`:
///
/// ```
/// use hexabase_k8s::Overrides;
///
/// let overrides = "
///   controlPlane:
///     coredns: { deployment: { replicas: 2 } }
///     distro: { k8s: { apiServer: { extraArgs: [--event-ttl=30m] } } }
///     statefulSet: { scheduling: { nodeSelector: { node-role.example.com/tenants: '' } } }";
/// overrides.parse::<Overrides>().unwrap();
///
/// let error = "sync: { toHost: { persistentVolumes: { enabled: true } } }".parse::<Overrides>().unwrap_err();
/// assert!(error.starts_with("sync.toHost cannot be overridden"));
/// ```
///
/// Maps are merged into the rendered configuration, lists are appended, and all other values replace the rendered
/// ones. Only keys that keep tenants isolated from each other, and the configuration consistent with Hexabase's own
/// objects, are allowed. Overrides with any other key, or with a value of the wrong type, are rejected as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(Map<String, Value>);

/// Type of the value at an allowed path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Switch,
    /// Number of pods.
    Replicas,
    /// Kubernetes resource quantity.
    Quantity,
    /// Command-line arguments of a program.
    Arguments,
    /// Node labels.
    Labels,
    Tolerations,
    /// Name of an object.
    Name,
}

/// Keys that can be overridden, by path.
const ALLOWED: [(&str, Shape); 11] = [
    ("controlPlane.coredns.deployment.replicas", Shape::Replicas),
    ("controlPlane.coredns.deployment.resources.limits.cpu", Shape::Quantity),
    ("controlPlane.coredns.deployment.resources.limits.memory", Shape::Quantity),
    ("controlPlane.coredns.deployment.resources.requests.cpu", Shape::Quantity),
    ("controlPlane.coredns.deployment.resources.requests.memory", Shape::Quantity),
    ("controlPlane.distro.k8s.apiServer.extraArgs", Shape::Arguments),
    ("controlPlane.distro.k8s.controllerManager.extraArgs", Shape::Arguments),
    ("controlPlane.statefulSet.scheduling.nodeSelector", Shape::Labels),
    ("controlPlane.statefulSet.scheduling.priorityClassName", Shape::Name),
    ("controlPlane.statefulSet.scheduling.tolerations", Shape::Tolerations),
    ("sync.fromHost.events.enabled", Shape::Switch),
];

/// JSON pointer to the resources of the tenant's CoreDNS.
const COREDNS_RESOURCES: &str = "/controlPlane/coredns/deployment/resources";

/// Prefixes of arguments that cannot be added: they determine authentication and authorization, storage and addresses,
/// the version, and disabled features.
const RESERVED_ARGUMENTS: [&str; 27] = [
    "admission-control",
    "advertise-address",
    "anonymous-auth",
    "api-audiences",
    "authentication-",
    "authorization-",
    "bind-address",
    "cert-dir",
    "client-ca-file",
    "cluster-",
    "controllers",
    "disable-admission-plugins",
    "emulated-version",
    "enable-bootstrap-token-auth",
    "encryption-provider-config",
    "etcd-",
    "kubeconfig",
    "oidc-",
    "proxy-client-",
    "requestheader-",
    "root-ca-file",
    "runtime-config",
    "secure-port",
    "service-account-",
    "service-cluster-ip-range",
    "tls-",
    "token-auth-file",
];

impl FromStr for Overrides {
    type Err = String;

    /// # Errors
    /// Path and reason if the text is not YAML, or contains a key that is not allowed or a value of the wrong type.
    fn from_str(text: &str) -> Result<Self, String> {
        let document: Value = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.to_string();
            // The following lines only show the position in the text.
            let reason = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
            format!("must be YAML in the format of vCluster's configuration: {reason}")
        })?;
        let members = document.as_object().ok_or("must be a map")?;
        check_members(members, "")?;
        check_resources(document.pointer(COREDNS_RESOURCES))?;
        Ok(Self(members.clone()))
    }
}

impl Overrides {
    /// Merges the overrides into a rendered configuration.
    pub(crate) fn merge_into(&self, configuration: &mut Value) {
        for (key, override_value) in &self.0 {
            merge(&mut configuration[key], override_value);
        }
    }
}

fn merge(rendered: &mut Value, override_value: &Value) {
    match (rendered, override_value) {
        (Value::Object(rendered), Value::Object(override_value)) => {
            for (key, override_value) in override_value {
                merge(rendered.entry(key).or_insert(Value::Null), override_value);
            }
        }
        (Value::Array(rendered), Value::Array(override_value)) => {
            rendered.extend(override_value.iter().cloned())
        }
        (rendered, override_value) => *rendered = override_value.clone(),
    }
}

/// Parses a quantity that YAML represents as string or number.
pub(crate) fn parse_quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Checks that all keys below a path are allowed and have valid values.
fn check_members(members: &Map<String, Value>, path: &str) -> Result<(), String> {
    members.iter().try_for_each(|(key, value)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some((_, shape)) = ALLOWED.iter().find(|(allowed, _)| *allowed == path && !key.contains('.')) {
            return shape.check(value).map_err(|message| format!("{path} {message}"));
        }
        let is_parent_of =
            |allowed: &str| allowed.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'));
        // vCluster treats a key that contains a dot as one key, not as a path.
        if key.contains('.') || !ALLOWED.iter().any(|(allowed, _)| is_parent_of(allowed)) {
            let allowed = ALLOWED.map(|(allowed, _)| allowed).join(", ");
            return Err(format!(
                "{path} cannot be overridden; allowed are {allowed}, each key in its own map"
            ));
        }
        let members = value.as_object().ok_or_else(|| format!("{path} must be a map"))?;
        check_members(members, &path)
    })
}

/// Checks that requests and limits are set together: with a limit below the request, no CoreDNS pod could be created.
fn check_resources(resources: Option<&Value>) -> Result<(), String> {
    let Some(resources) = resources else { return Ok(()) };
    for resource in ["cpu", "memory"] {
        let quantity = |side: &str| parse_quantity(&resources[side][resource]);
        let valid = match (quantity("requests"), quantity("limits")) {
            (Some(requested), Some(limit)) => requested <= limit,
            (None, None) => true,
            _ => false,
        };
        if !valid {
            let path = COREDNS_RESOURCES.trim_start_matches('/').replace('/', ".");
            return Err(format!(
                "{path} must set both limit and request of {resource}, with the limit not below the request"
            ));
        }
    }
    Ok(())
}

impl Shape {
    fn check(self, value: &Value) -> Result<(), String> {
        let (valid, message) = match self {
            Self::Switch => (value.is_boolean(), "must be true or false"),
            Self::Replicas => (
                value.as_u64().is_some_and(|count| (1..=10).contains(&count)),
                "must be a whole number from 1 to 10",
            ),
            Self::Quantity => (
                parse_quantity(value).is_some_and(|quantity| !quantity.is_zero()),
                "must be a Kubernetes quantity such as 100m or 128Mi",
            ),
            Self::Labels => (
                value.as_object().is_some_and(|labels| labels.iter().all(is_label)),
                "must be a map of valid Kubernetes labels with string values",
            ),
            Self::Tolerations => (
                value.as_array().is_some_and(|list| list.iter().all(is_toleration)),
                "must be a list of tolerations, each with a key",
            ),
            Self::Name => (value.as_str().is_some_and(is_subdomain), "must be a valid object name"),
            Self::Arguments => return check_arguments(value),
        };
        if valid { Ok(()) } else { Err(message.to_owned()) }
    }
}

fn check_arguments(value: &Value) -> Result<(), String> {
    let arguments = value.as_array().ok_or("must be a list of arguments")?;
    for argument in arguments {
        let name = argument
            .as_str()
            .and_then(|text| text.strip_prefix("--"))
            .and_then(|text| text.split('=').next());
        let is_name = |name: &&str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let name = name.filter(is_name).ok_or("must be arguments such as --event-ttl=30m, each a string")?;
        if RESERVED_ARGUMENTS.iter().any(|reserved| name.starts_with(reserved)) {
            return Err(format!("must not contain --{name}, which is reserved for Hexabase and vCluster"));
        }
    }
    Ok(())
}

/// `true` if the value is a toleration
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>) with a key. A toleration without
/// a key would tolerate the nodes of other tenants.
fn is_toleration(value: &Value) -> bool {
    let one_of = |value: &Value, texts: &[&str]| value.as_str().is_some_and(|text| texts.contains(&text));
    let fits = |(name, value): (&String, &Value)| match name.as_str() {
        "key" => value.as_str().is_some_and(is_label_key),
        "operator" => one_of(value, &["Exists", "Equal"]),
        "value" => value.as_str().is_some_and(is_label_value),
        "effect" => one_of(value, &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
        "tolerationSeconds" => value.is_i64(),
        _ => false,
    };
    value.as_object().is_some_and(|members| members.contains_key("key") && members.iter().all(fits))
}

/// `true` if key and value form a valid label
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>).
fn is_label((key, value): (&String, &Value)) -> bool {
    is_label_key(key) && value.as_str().is_some_and(is_label_value)
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    value.is_empty()
        || value.len() <= 63 && has_plain_edges(value, |byte| byte.is_ascii_alphanumeric(), b"-._")
}

/// `true` if the name is a DNS subdomain (RFC 1123), as most object names are.
fn is_subdomain(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253 && name.split('.').all(|label| has_plain_edges(label, inner, b"-"))
}

/// `true` if the text begins and ends with a plain byte and contains only plain bytes and bytes of `between`.
fn has_plain_edges(text: &str, is_plain: impl Fn(u8) -> bool, between: &[u8]) -> bool {
    let edges = [text.bytes().next(), text.bytes().last()];
    let all = text.bytes().all(|byte| is_plain(byte) || between.contains(&byte));
    all && edges.into_iter().all(|edge| edge.is_some_and(&is_plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse_error(text: &str) -> String {
        text.parse::<Overrides>().unwrap_err()
    }

    #[test]
    fn maps_are_merged_lists_are_appended_and_other_values_replaced() {
        let overrides: Overrides = r#"
            controlPlane:
              coredns: { deployment: { replicas: 3 } }
              distro: { k8s: { apiServer: { extraArgs: ["--event-ttl=30m"] } } }
              statefulSet: { scheduling: { nodeSelector: { a.example/b: c } } }"#
            .parse()
            .unwrap();
        let mut rendered = json!({
            "controlPlane": {
                "coredns": { "enabled": true, "deployment": { "replicas": 1, "resources": {} } },
                "distro": { "k8s": { "apiServer": { "extraArgs": ["--first"] } } },
                "statefulSet": { "scheduling": { "podManagementPolicy": "Parallel" } },
            },
            "telemetry": { "enabled": false },
        });
        overrides.merge_into(&mut rendered);
        let expected = json!({
            "controlPlane": {
                "coredns": { "enabled": true, "deployment": { "replicas": 3, "resources": {} } },
                "distro": { "k8s": { "apiServer": { "extraArgs": ["--first", "--event-ttl=30m"] } } },
                "statefulSet": {
                    "scheduling": { "podManagementPolicy": "Parallel", "nodeSelector": { "a.example/b": "c" } },
                },
            },
            "telemetry": { "enabled": false },
        });
        assert_eq!(rendered, expected);
    }

    #[test]
    fn keys_that_are_not_allowed_are_rejected_with_their_path() {
        for (text, path) in [
            ("telemetry: { enabled: true }", "telemetry"),
            ("controlPlane.coredns.deployment.replicas: 3", "controlPlane.coredns.deployment.replicas"),
            ("controlPlane: { coredns.deployment: { replicas: 3 } }", "controlPlane.coredns.deployment"),
            ("controlPlane: { backingStore: { etcd: {} } }", "controlPlane.backingStore"),
            ("controlPlane: { coredns: { enabled: false } }", "controlPlane.coredns.enabled"),
            ("sync: { toHost: { namespaces: { enabled: true } } }", "sync.toHost"),
            (
                "sync: { fromHost: { events: { enabled: true, mappings: {} } } }",
                "sync.fromHost.events.mappings",
            ),
        ] {
            assert!(
                parse_error(text).starts_with(&format!("{path} cannot be overridden")),
                "{}",
                parse_error(text)
            );
        }
    }

    #[test]
    fn values_of_the_wrong_type_are_rejected_with_their_path() {
        for (text, message) in [
            ("[]", "must be a map"),
            ("", "must be a map"),
            (
                "a: [",
                "must be YAML in the format of vCluster's configuration: line 1 column 4: unclosed bracket",
            ),
            ("sync: 1", "sync must be a map"),
            (
                "sync: { fromHost: { events: { enabled: 'yes' } } }",
                "sync.fromHost.events.enabled must be true or false",
            ),
            (
                "controlPlane: { coredns: { deployment: { replicas: 0 } } }",
                "controlPlane.coredns.deployment.replicas must",
            ),
            (
                "controlPlane: { coredns: { deployment: { replicas: 1.5 } } }",
                "controlPlane.coredns.deployment.replicas must",
            ),
            (
                "controlPlane: { statefulSet: { scheduling: { nodeSelector: { a: 1 } } } }",
                "controlPlane.statefulSet.scheduling.nodeSelector must",
            ),
            (
                "controlPlane: { statefulSet: { scheduling: { tolerations: [{ operator: Exists }] } } }",
                "controlPlane.statefulSet.scheduling.tolerations must",
            ),
            (
                "controlPlane: { statefulSet: { scheduling: { tolerations: [{ key: a, efect: NoSchedule }] } } }",
                "controlPlane.statefulSet.scheduling.tolerations must",
            ),
        ] {
            assert!(parse_error(text).starts_with(message), "{text}: {}", parse_error(text));
        }
    }

    #[test]
    fn values_that_kubernetes_would_reject_are_rejected_when_parsed() {
        let with = |scheduling: &str| {
            format!("controlPlane: {{ statefulSet: {{ scheduling: {{ {scheduling} }} }} }}")
        };
        for valid in [
            "nodeSelector: { a: '', example.com/For_it: a.B-c }",
            "priorityClassName: high.for-tenants",
            "tolerations: [{ key: example.com/for, operator: Equal, value: it, effect: NoExecute, tolerationSeconds: 5 }]",
        ] {
            with(valid).parse::<Overrides>().unwrap();
        }
        for invalid in [
            "nodeSelector: { '': a }",
            "nodeSelector: { example.com/: a }",
            "nodeSelector: { Example.com/a: a }",
            "nodeSelector: { a: -b }",
            "nodeSelector: { a: b c }",
            "priorityClassName: High",
            "priorityClassName: a..b",
            "priorityClassName: ''",
            "tolerations: [{ key: 'a b' }]",
            "tolerations: [{ key: a, value: 'b c' }]",
        ] {
            assert!(
                parse_error(&with(invalid)).starts_with("controlPlane.statefulSet.scheduling."),
                "{invalid}"
            );
        }
    }

    #[test]
    fn coredns_resources_need_both_limit_and_request() {
        let with = |resources: &str| {
            format!("controlPlane: {{ coredns: {{ deployment: {{ resources: {resources} }} }} }}")
        };
        with("{ limits: { cpu: 1 }, requests: { cpu: 100m } }").parse::<Overrides>().unwrap();
        for invalid in [
            "{ limits: { cpu: 1 } }",
            "{ limits: { cpu: 1 }, requests: { memory: 1Gi } }",
            "{ limits: { memory: 1Gi }, requests: { memory: 2Gi } }",
            "{ limits: { cpu: -1 }, requests: { cpu: 1 } }",
            "{ limits: { cpu: much }, requests: { cpu: 1 } }",
        ] {
            assert!(
                parse_error(&with(invalid)).starts_with("controlPlane.coredns.deployment.resources"),
                "{invalid}"
            );
        }
    }

    #[test]
    fn arguments_cannot_change_authentication_authorization_or_admission() {
        let with = |argument: &str| {
            format!("controlPlane: {{ distro: {{ k8s: {{ apiServer: {{ extraArgs: ['{argument}'] }} }} }} }}")
        };
        with("--event-ttl=30m").parse::<Overrides>().unwrap();
        for reserved in [
            "--anonymous-auth=true",
            "--authentication-config=/tmp/x",
            "--authorization-mode=AlwaysAllow",
            "--disable-admission-plugins=ValidatingAdmissionPolicy",
            "--oidc-issuer-url=https://elsewhere.example",
            "--service-account-issuer=x",
        ] {
            assert!(parse_error(&with(reserved)).contains("is reserved"), "{}", parse_error(&with(reserved)));
        }
        for invalid in [
            "event-ttl=30m",
            "-v=9",
            "--",
            "--=x",
            "--Authorization-Mode=AlwaysAllow",
            "--authorization_mode=x",
        ] {
            assert!(parse_error(&with(invalid)).contains("must be arguments"), "{invalid}");
        }
    }
}
