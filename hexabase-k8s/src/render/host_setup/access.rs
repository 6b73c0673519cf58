//! ServiceAccount of Hexabase on a host cluster, with its permissions.
//!
//! Cluster-wide, it creates and deletes namespaces, and binds itself to one role in them. Through that role it has all
//! other permissions in the namespaces of tenants only; it cannot read Secrets elsewhere. RBAC cannot restrict it to
//! namespaces of tenants, so an admission policy does.
//!
//! A separate role allows it to watch all kinds except Secrets. Only efficiency depends on that role: an administrator
//! who does not want Hexabase to see other objects can omit the role and its binding. Another role allows it to assign
//! dedicated nodes to tenants; it is not needed on hosts without such nodes. In the default namespace, it reads the
//! addresses of the API server, which it allows to control planes. In the namespaces of GitOps tools that the operator
//! names, it writes the credentials of tenants.

use std::collections::{BTreeMap, BTreeSet};

use hexabase_core::model::GitOpsTool;
use hexabase_core::name::HostNamespace;
use serde_json::{Value, json};

use crate::config::{HostConfig, HostIdentity};
use crate::labels::TENANT_ROLE;
use crate::object::{Kind, Object};
use crate::render::host::{gitops_label, monitor_kind, possible_kinds, possible_syncer_rules, watched_kinds};

const RBAC: &str = "rbac.authorization.k8s.io";
/// ClusterRole of the cluster-wide permissions.
const CLUSTER_ROLE: &str = "hexabase";
/// ClusterRole of the permissions on nodes.
const NODES_ROLE: &str = "hexabase-nodes";
/// ClusterRole of the host watch.
const WATCH_ROLE: &str = "hexabase-watch";
/// Role in the namespaces of GitOps tools.
const GITOPS_ROLE: &str = "hexabase-gitops";
/// Role in the default namespace for the addresses of the host's API server.
const API_SERVER_ROLE: &str = "hexabase-api-server";
/// Admission policy that restricts Hexabase to the namespaces of tenants.
const SCOPE_POLICY: &str = "hexabase-scope";
/// Label of a namespace with its enforced Pod Security level.
const POD_SECURITY_LABEL: &str = "pod-security.kubernetes.io/enforce";
/// Pod Security levels that do not give pods access to their nodes.
const ALLOWED_LEVELS: [&str; 2] = ["baseline", "restricted"];

pub(super) fn objects(config: &HostConfig) -> Vec<Object> {
    let labels = &config.labels;
    let identity = &config.identity.clone().unwrap_or_default();
    let metadata = |name: &str| json!({ "name": name, "labels": { labels.managed(): "true" } });
    let mut account = metadata(&identity.name);
    account["namespace"] = json!(identity.namespace);
    let role = |name: &str, rules| Object::of(Kind::CLUSTER_ROLE, metadata(name), [("rules", rules)]);
    let bind = |role: &str| {
        let reference = json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": role });
        let whole = [("roleRef", reference), ("subjects", json!([identity.subject()]))];
        Object::of(Kind::CLUSTER_ROLE_BINDING, metadata(role), whole)
    };
    let in_default = |kind: Kind, field: &'static str, content: Value| {
        let mut metadata = metadata(API_SERVER_ROLE);
        metadata["namespace"] = json!("default");
        Object::of(kind, metadata, [(field, content)])
    };
    let mut api_server_binding = in_default(Kind::ROLE_BINDING, "subjects", json!([identity.subject()]));
    api_server_binding.body["roleRef"] = json!({ "apiGroup": RBAC, "kind": "Role", "name": API_SERVER_ROLE });
    let bound = json!({ "policyName": SCOPE_POLICY, "validationActions": ["Deny"] });
    let mut objects = vec![
        Object::of(Kind::NAMESPACE, metadata(&identity.namespace), []),
        Object::of(Kind::SERVICE_ACCOUNT, account, []),
        role(TENANT_ROLE, tenant_rules(config)),
        role(CLUSTER_ROLE, cluster_rules()),
        role(WATCH_ROLE, watch_rules()),
        role(NODES_ROLE, node_rules()),
        bind(CLUSTER_ROLE),
        bind(WATCH_ROLE),
        bind(NODES_ROLE),
        in_default(Kind::ROLE, "rules", api_server_rules()),
        api_server_binding,
        Object::of(
            Kind::ADMISSION_POLICY,
            metadata(SCOPE_POLICY),
            [("spec", scope_policy(identity, config))],
        ),
        Object::of(Kind::ADMISSION_POLICY_BINDING, metadata(SCOPE_POLICY), [("spec", bound)]),
    ];
    objects.extend(gitops_access(identity, config));
    objects
}

/// Returns a role and its binding in each namespace of GitOps tools. The role does not allow reading Secrets, and the
/// admission policy restricts it to those that Hexabase creates.
fn gitops_access(identity: &HostIdentity, config: &HostConfig) -> Vec<Object> {
    let namespaces: BTreeSet<&HostNamespace> =
        config.gitops_namespaces.iter().map(|(_, namespace)| namespace).collect();
    let in_namespace = |namespace: &HostNamespace| {
        let metadata = json!({
            "name": GITOPS_ROLE,
            "namespace": namespace,
            "labels": { config.labels.managed(): "true" },
        });
        let rules =
            json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "patch"] }]);
        let reference = json!({ "apiGroup": RBAC, "kind": "Role", "name": GITOPS_ROLE });
        let bound = [("roleRef", reference), ("subjects", json!([identity.subject()]))];
        [
            Object::of(Kind::ROLE, metadata.clone(), [("rules", rules)]),
            Object::of(Kind::ROLE_BINDING, metadata, bound),
        ]
    };
    namespaces.into_iter().flat_map(in_namespace).collect()
}

/// Returns the expressions that hold for a write of the credential of a GitOps tool in a namespace that the operator allows:
/// before and after it, the Secret has the name, type and labels of a credential of its workspace, and no label that would
/// make it something else to the tool, such as a repository.
fn gitops_writes(config: &HostConfig) -> Vec<String> {
    let workspace = config.labels.workspace();
    let foreign_label = |tool: GitOpsTool, labels: &str| match tool {
        GitOpsTool::ArgoCd => String::new(),
        GitOpsTool::Flux => format!(" && !('{}' in {labels})", gitops_label(GitOpsTool::ArgoCd).0),
    };
    let is_credential = |tool: GitOpsTool, object: &str| {
        let (labels, (key, value)) = (format!("{object}.metadata.labels"), gitops_label(tool));
        format!(
            "({object} == null || (has({labels}) && '{workspace}' in {labels} && '{key}' in {labels} && \
             {labels}['{key}'] == '{value}' && {object}.type == 'Opaque' && \
             {object}.metadata.name == {labels}['{workspace}'] + '-{tool}'{}))",
            foreign_label(tool, &labels)
        )
    };
    let allowed = |tool: GitOpsTool| {
        let namespaces: Vec<&str> = config.gitops_namespaces.of(tool).map(HostNamespace::as_str).collect();
        (!namespaces.is_empty()).then(|| {
            format!(
                "(request.resource.group == '' && request.resource.resource == 'secrets' && \
                 request.namespace in {namespaces:?} && {} && {})",
                is_credential(tool, "object"),
                is_credential(tool, "oldObject"),
            )
        })
    };
    GitOpsTool::ALL.iter().filter_map(|tool| allowed(*tool)).collect()
}

fn cluster_rules() -> Value {
    json!([
        { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "delete", "get", "patch"] },
        { "apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": ["create", "patch"] },
        { "apiGroups": [RBAC], "resources": ["clusterroles"], "resourceNames": [TENANT_ROLE], "verbs": ["bind"] },
    ])
}

fn watch_rules() -> Value {
    let rule = |kind: Kind| json!({ "apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["list", "watch"] });
    watched_kinds(possible_kinds()).map(rule).collect()
}

fn api_server_rules() -> Value {
    let rule = |kind: Kind| json!({ "apiGroups": [kind.group], "resources": [kind.plural], "resourceNames": ["kubernetes"], "verbs": ["get"] });
    json!([rule(Kind::SERVICE), rule(Kind::ENDPOINT_SLICE)])
}

fn node_rules() -> Value {
    json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch"] }])
}

/// Permissions on the objects of a tenant, and those that its control plane is granted: RBAC requires the granting
/// identity to hold them as well.
fn tenant_rules(config: &HostConfig) -> Value {
    let mut verbs: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut allow = |group: &str, resource: &str, more: &[&str]| {
        let verbs = verbs.entry((group.to_owned(), resource.to_owned())).or_default();
        verbs.extend(more.iter().map(|verb| (*verb).to_owned()));
    };
    for kind in possible_kinds().chain(monitor_kind(config)) {
        allow(kind.group, kind.plural, &["delete", "list"]);
        // The cluster-wide role allows creating and patching RoleBindings.
        if kind != Kind::ROLE_BINDING {
            allow(kind.group, kind.plural, &["create", "patch"]);
        }
    }
    if config.policy_reports {
        allow(Kind::POLICY_REPORT.group, Kind::POLICY_REPORT.plural, &["list"]);
    }
    // The kubeconfig of a tenant is read by its name.
    allow(Kind::SECRET.group, Kind::SECRET.plural, &["get"]);
    allow("", "persistentvolumeclaims", &["get", "patch"]);
    // The isolation self-check acts as the control plane of the tenant, whose permissions Hexabase has as well.
    allow("", "serviceaccounts", &["impersonate"]);
    // The pods of a suspended tenant are deleted by Hexabase, because their syncer does not run.
    allow("", "pods", &["deletecollection", "list"]);
    allow("", "pods/eviction", &["create"]);
    for (group, resource, verbs) in possible_syncer_rules() {
        allow(group, resource, verbs);
    }
    let rule = |((group, resource), verbs): (&(String, String), &BTreeSet<String>)| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
    verbs.iter().map(rule).collect()
}

/// Restricts the identity to the namespaces of tenants. It also prevents it from turning another namespace into one of
/// a tenant, and from removing the isolation of a tenant's namespace.
fn scope_policy(identity: &HostIdentity, config: &HostConfig) -> Value {
    let labels = &config.labels;
    let has = |object: &str, label: &str| {
        let present = format!("{object}.metadata.labels");
        format!("has({present}) && '{label}' in {present}")
    };
    let is_of_tenant = |object: &str| has(object, labels.workspace());
    let absent_or_of_tenant = |object: &str| format!("({object} == null || ({}))", is_of_tenant(object));
    let user = format!("system:serviceaccount:{}:{}", identity.namespace, identity.name);
    let everything = json!({
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["*"],
    });
    let of_tenants = format!(
        "request.resource.resource in ['namespaces', 'nodes'] || (namespaceObject != null && {})",
        is_of_tenant("namespaceObject")
    );
    let allowed_writes: Vec<String> = [of_tenants].into_iter().chain(gitops_writes(config)).collect();
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [everything] },
        "matchConditions": [{ "name": "hexabase", "expression": format!("request.userInfo.username == '{user}'") }],
        "validations": [
            {
                "expression": format!(
                    "request.resource.resource != 'namespaces' || ({} && {})", absent_or_of_tenant("object"), absent_or_of_tenant("oldObject")
                ),
                "message": "Hexabase creates, changes and deletes only namespaces of workspaces",
                "reason": "Forbidden",
            },
            {
                "expression": allowed_writes.join(" || "),
                "message": "Hexabase changes objects only in the namespaces of workspaces",
                "reason": "Forbidden",
            },
            {
                "expression": format!(
                    "request.resource.resource != 'nodes' || \
                     (object != null && oldObject != null && {} && {} && \
                      oldObject.metadata.labels['{class}'] == object.metadata.labels['{class}'])",
                    has("oldObject", labels.node_class()),
                    has("object", labels.node_class()),
                    class = labels.node_class(),
                ),
                "message": "Hexabase assigns only nodes that are set aside for workspaces",
                "reason": "Forbidden",
            },
            {
                // Even with a stolen identity, pods get no more access than those of tenants.
                "expression": format!(
                    "request.resource.resource != 'namespaces' || object == null || \
                     (has({present}) && '{POD_SECURITY_LABEL}' in {present} && {present}['{POD_SECURITY_LABEL}'] in {ALLOWED_LEVELS:?})",
                    present = "object.metadata.labels",
                ),
                "message": "Hexabase creates no namespaces whose pods may reach their nodes",
                "reason": "Forbidden",
            },
        ],
    })
}
