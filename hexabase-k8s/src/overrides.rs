//! What operators want otherwise in the vClusters of a host.

use std::str::FromStr;

use hexabase_core::quantity::Quantity;
use serde_json::{Map, Value};

/// What operators want otherwise than Hexabase renders it, as a part of vCluster's configuration. Its text form is YAML, in
/// the shape of vCluster's own `vcluster.yaml`:
///
/// ```
/// use hexabase_k8s::Overrides;
///
/// let wanted = "
///   controlPlane:
///     coredns: { deployment: { replicas: 2 } }
///     distro: { k8s: { apiServer: { extraArgs: [--event-ttl=30m] } } }
///     statefulSet: { scheduling: { nodeSelector: { node-role.example.com/tenants: '' } } }";
/// wanted.parse::<Overrides>().unwrap();
///
/// let refused = "sync: { toHost: { persistentVolumes: { enabled: true } } }".parse::<Overrides>();
/// assert!(refused.unwrap_err().starts_with("sync.toHost is not open to overrides"));
/// ```
///
/// Maps are merged into what is rendered, lists come after it, and everything else takes its place. Only what leaves
/// tenants apart from each other and Hexabase's own objects in agreement with the configuration is open; whatever is not, or
/// is of another type, is refused as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(Map<String, Value>);

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Switch,
    /// How many pods.
    Replicas,
    /// A quantity of Kubernetes.
    Amount,
    /// Arguments of a program.
    Arguments,
    /// Labels of nodes.
    Labels,
    Tolerations,
    /// The name of an object.
    Name,
}

/// What is open, by the path to it.
const OPEN: [(&str, Shape); 11] = [
    ("controlPlane.coredns.deployment.replicas", Shape::Replicas),
    ("controlPlane.coredns.deployment.resources.limits.cpu", Shape::Amount),
    ("controlPlane.coredns.deployment.resources.limits.memory", Shape::Amount),
    ("controlPlane.coredns.deployment.resources.requests.cpu", Shape::Amount),
    ("controlPlane.coredns.deployment.resources.requests.memory", Shape::Amount),
    ("controlPlane.distro.k8s.apiServer.extraArgs", Shape::Arguments),
    ("controlPlane.distro.k8s.controllerManager.extraArgs", Shape::Arguments),
    ("controlPlane.statefulSet.scheduling.nodeSelector", Shape::Labels),
    ("controlPlane.statefulSet.scheduling.priorityClassName", Shape::Name),
    ("controlPlane.statefulSet.scheduling.tolerations", Shape::Tolerations),
    ("sync.fromHost.events.enabled", Shape::Switch),
];

/// Where the resources of a tenant's name servers are.
const RESOURCES: &str = "/controlPlane/coredns/deployment/resources";

/// What arguments begin with that decide who gets in and what they may, where things are kept and reached, which version it
/// is, and what is switched off.
const DECIDED: [&str; 27] = [
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
    /// What is wrong and where, for what is no YAML, not open or of another type.
    fn from_str(text: &str) -> Result<Self, String> {
        let document: Value = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.to_string();
            // What follows shows the place once more, over several lines.
            let place = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
            format!("must be YAML in the shape of vCluster's configuration: {place}")
        })?;
        let members = document.as_object().ok_or("must be a map")?;
        check_members(members, "")?;
        check_resources(document.pointer(RESOURCES))?;
        Ok(Self(members.clone()))
    }
}

impl Overrides {
    /// Brings them into a configuration.
    pub(crate) fn merge_into(&self, configuration: &mut Value) {
        for (key, wanted) in &self.0 {
            merge(&mut configuration[key], wanted);
        }
    }
}

fn merge(rendered: &mut Value, wanted: &Value) {
    match (rendered, wanted) {
        (Value::Object(rendered), Value::Object(wanted)) => {
            for (key, wanted) in wanted {
                merge(rendered.entry(key).or_insert(Value::Null), wanted);
            }
        }
        (Value::Array(rendered), Value::Array(wanted)) => rendered.extend(wanted.iter().cloned()),
        (rendered, wanted) => *rendered = wanted.clone(),
    }
}

/// A quantity as YAML has it: a text, or a number.
pub(crate) fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Whether what stands below a path is open, and as it must be.
fn check_members(members: &Map<String, Value>, path: &str) -> Result<(), String> {
    members.iter().try_for_each(|(key, value)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some((_, shape)) = OPEN.iter().find(|(open, _)| *open == path && !key.contains('.')) {
            return shape.check(value).map_err(|message| format!("{path} {message}"));
        }
        let leads_on = |open: &str| open.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'));
        // A key with a dot in it is one key to vCluster, whatever it looks like here.
        if key.contains('.') || !OPEN.iter().any(|(open, _)| leads_on(open)) {
            let open = OPEN.map(|(open, _)| open).join(", ");
            return Err(format!(
                "{path} is not open to overrides; open are {open}, each key in a map of its own"
            ));
        }
        let members = value.as_object().ok_or_else(|| format!("{path} must be a map"))?;
        check_members(members, &path)
    })
}

/// A limit below what is requested would keep name servers from being made at all, so the two come together.
fn check_resources(resources: Option<&Value>) -> Result<(), String> {
    let Some(resources) = resources else { return Ok(()) };
    for resource in ["cpu", "memory"] {
        let given = |side: &str| amount(&resources[side][resource]);
        let fine = match (given("requests"), given("limits")) {
            (Some(requested), Some(limit)) => requested <= limit,
            (None, None) => true,
            _ => false,
        };
        if !fine {
            let path = RESOURCES.trim_start_matches('/').replace('/', ".");
            return Err(format!(
                "{path} must have both a limit and a request of {resource}, the limit not being less"
            ));
        }
    }
    Ok(())
}

impl Shape {
    fn check(self, value: &Value) -> Result<(), String> {
        let (fine, message) = match self {
            Self::Switch => (value.is_boolean(), "must be true or false"),
            Self::Replicas => (
                value.as_u64().is_some_and(|count| (1..=10).contains(&count)),
                "must be a whole number from 1 to 10",
            ),
            Self::Amount => (
                amount(value).is_some_and(|amount| !amount.is_zero()),
                "must be a quantity of Kubernetes, as in 100m or 128Mi",
            ),
            Self::Labels => (
                value.as_object().is_some_and(|labels| labels.iter().all(is_label)),
                "must be a map of labels as Kubernetes takes them, each a text",
            ),
            Self::Tolerations => (
                value.as_array().is_some_and(|list| list.iter().all(is_toleration)),
                "must be a list of tolerations, each of a key",
            ),
            Self::Name => (value.as_str().is_some_and(is_subdomain), "must be the name of an object"),
            Self::Arguments => return check_arguments(value),
        };
        if fine { Ok(()) } else { Err(message.to_owned()) }
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
        let name = name.filter(is_name).ok_or("must be arguments such as --event-ttl=30m, each a text")?;
        if DECIDED.iter().any(|decided| name.starts_with(decided)) {
            return Err(format!("must not have --{name}, about which Hexabase or vCluster decides"));
        }
    }
    Ok(())
}

/// A toleration (<https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>) of one key: one without
/// would tolerate that a node is another tenant's.
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

/// A label and its value (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>).
fn is_label((key, value): (&String, &Value)) -> bool {
    is_label_key(key) && value.as_str().is_some_and(is_label_value)
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    value.is_empty() || value.len() <= 63 && is_word(value, |byte| byte.is_ascii_alphanumeric(), b"-._")
}

/// What most names of objects are (RFC 1123).
fn is_subdomain(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253 && name.split('.').all(|label| is_word(label, inner, b"-"))
}

/// Whether a text begins and ends with what is plain, and has nothing but that and what may stand between.
fn is_word(text: &str, is_plain: impl Fn(u8) -> bool, between: &[u8]) -> bool {
    let edges = [text.bytes().next(), text.bytes().last()];
    let all = text.bytes().all(|byte| is_plain(byte) || between.contains(&byte));
    all && edges.into_iter().all(|edge| edge.is_some_and(&is_plain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Overrides>().unwrap_err()
    }

    #[test]
    fn maps_are_merged_lists_come_after_and_the_rest_takes_its_place() {
        let wanted: Overrides = r#"
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
        wanted.merge_into(&mut rendered);
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
    fn what_is_not_open_is_refused_by_its_path() {
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
            assert!(refused(text).starts_with(&format!("{path} is not open")), "{}", refused(text));
        }
    }

    #[test]
    fn what_is_of_another_type_is_refused_by_its_path() {
        for (text, message) in [
            ("[]", "must be a map"),
            ("", "must be a map"),
            (
                "a: [",
                "must be YAML in the shape of vCluster's configuration: line 1 column 4: unclosed bracket",
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
            assert!(refused(text).starts_with(message), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn what_kubernetes_would_refuse_on_every_control_plane_is_refused_at_once() {
        let with = |scheduling: &str| {
            format!("controlPlane: {{ statefulSet: {{ scheduling: {{ {scheduling} }} }} }}")
        };
        for fine in [
            "nodeSelector: { a: '', example.com/For_it: a.B-c }",
            "priorityClassName: high.for-tenants",
            "tolerations: [{ key: example.com/for, operator: Equal, value: it, effect: NoExecute, tolerationSeconds: 5 }]",
        ] {
            with(fine).parse::<Overrides>().unwrap();
        }
        for wrong in [
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
            assert!(refused(&with(wrong)).starts_with("controlPlane.statefulSet.scheduling."), "{wrong}");
        }
    }

    #[test]
    fn a_name_server_has_both_a_limit_and_a_request() {
        let with = |resources: &str| {
            format!("controlPlane: {{ coredns: {{ deployment: {{ resources: {resources} }} }} }}")
        };
        with("{ limits: { cpu: 1 }, requests: { cpu: 100m } }").parse::<Overrides>().unwrap();
        for wrong in [
            "{ limits: { cpu: 1 } }",
            "{ limits: { cpu: 1 }, requests: { memory: 1Gi } }",
            "{ limits: { memory: 1Gi }, requests: { memory: 2Gi } }",
            "{ limits: { cpu: -1 }, requests: { cpu: 1 } }",
            "{ limits: { cpu: much }, requests: { cpu: 1 } }",
        ] {
            assert!(
                refused(&with(wrong)).starts_with("controlPlane.coredns.deployment.resources"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn who_gets_in_and_what_is_off_is_not_for_arguments_to_say() {
        let with = |argument: &str| {
            format!("controlPlane: {{ distro: {{ k8s: {{ apiServer: {{ extraArgs: ['{argument}'] }} }} }} }}")
        };
        with("--event-ttl=30m").parse::<Overrides>().unwrap();
        for decided in [
            "--anonymous-auth=true",
            "--authentication-config=/tmp/x",
            "--authorization-mode=AlwaysAllow",
            "--disable-admission-plugins=ValidatingAdmissionPolicy",
            "--oidc-issuer-url=https://elsewhere.example",
            "--service-account-issuer=x",
        ] {
            assert!(refused(&with(decided)).contains("about which"), "{}", refused(&with(decided)));
        }
        for none in [
            "event-ttl=30m",
            "-v=9",
            "--",
            "--=x",
            "--Authorization-Mode=AlwaysAllow",
            "--authorization_mode=x",
        ] {
            assert!(refused(&with(none)).contains("must be arguments"), "{none}");
        }
    }
}
