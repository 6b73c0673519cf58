mod reach;

use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture::{self, THEN, id};
use hexabase_core::id::TypedId;
use hexabase_core::model::{
    Assignment, ControlPlaneStore, CustomRole, Isolation, Plan, PresetRole, Project, RoleRef, Rule,
    WorkspaceState,
};
use hexabase_core::name::{ImageSource, KubernetesVersion, Slug};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_core::version::Version;
use k8s_openapi::serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::object::{Kind, Object};
use crate::settings::{Exposure, HostSettings};

fn assignment(name: &str, group: &str, project: Option<&str>, role: RoleRef) -> Assignment {
    Assignment {
        id: id(name),
        organization_id: id("acme"),
        workspace_id: id("dev"),
        project_id: project.map(id),
        group_id: id(group),
        role,
        created_by: id("owner"),
        created_at: THEN,
    }
}

fn sorted<T, K: Ord>(mut things: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    things.sort_by_key(|thing| key(thing));
    things
}

/// A workspace as it is right after it was asked for.
fn small() -> TenantCluster {
    let state = WorkspaceState {
        workspace: fixture::workspace("dev"),
        groups: vec![fixture::group("WSAdmins")],
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: vec![assignment("a1", "WSAdmins", None, RoleRef::Preset(PresetRole::WorkspaceAdmin))],
    };
    desired::workspace(
        &state,
        &fixture::plan("small"),
        &Issuer { url: "http://localhost".to_owned(), certificate_authority: None },
    )
}

fn large_plan() -> Plan {
    let mut plan = fixture::plan("large");
    plan.isolation = Isolation::Restricted;
    plan.quota = Quota::new()
        .with(Resource::Cpu, Quantity::units(32))
        .with(Resource::Memory, Quantity::gibibytes(64))
        .with(Resource::Storage, Quantity::gibibytes(500))
        .with(Resource::EphemeralStorage, Quantity::gibibytes(200))
        .with(Resource::Pods, Quantity::units(500))
        .with(Resource::Services, Quantity::units(200))
        .with(Resource::LoadBalancers, Quantity::units(4))
        .with(Resource::PersistentVolumeClaims, Quantity::units(100))
        .with(Resource::Secrets, Quantity::units(400))
        .with(Resource::ConfigMaps, Quantity::units(400));
    plan.control_plane.cpu = Quantity::units(1);
    plan.control_plane.memory = Quantity::gibibytes(2);
    plan.control_plane.memory_limit = Quantity::gibibytes(8);
    plan.control_plane.storage = Quantity::gibibytes(20);
    plan
}

/// A workspace in use: projects with quotas in a tree, a custom role, and assignments of every kind.
fn large() -> TenantCluster {
    let quota = |cpu, memory| {
        Quota::new()
            .with(Resource::Cpu, Quantity::units(cpu))
            .with(Resource::Memory, Quantity::gibibytes(memory))
    };
    let shop = Project { quota: quota(8, 16), ..fixture::project("shop") };
    let web = Project { quota: quota(3, 4), parent_id: Some(shop.id), ..fixture::project("shop-web") };
    let role = CustomRole {
        id: id("deployer"),
        organization_id: id("acme"),
        workspace_id: id("dev"),
        project_id: id("shop"),
        name: Slug::parse("deployer").unwrap(),
        rules: vec![Rule {
            api_groups: vec!["apps".to_owned()],
            resources: vec!["deployments".to_owned()],
            verbs: vec!["get".to_owned(), "patch".to_owned()],
            resource_names: vec!["web".to_owned()],
        }],
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    };
    let given = vec![
        assignment("a1", "WSAdmins", None, RoleRef::Preset(PresetRole::WorkspaceAdmin)),
        assignment("a2", "ops", None, RoleRef::Preset(PresetRole::WorkspaceViewer)),
        assignment("a3", "ops", Some("shop"), RoleRef::Preset(PresetRole::ProjectEditor)),
        assignment("a4", "ops", Some("shop"), RoleRef::Custom(id("deployer"))),
    ];
    let state = WorkspaceState {
        workspace: fixture::workspace("dev"),
        groups: sorted(vec![fixture::group("WSAdmins"), fixture::group("ops")], |group| group.id),
        projects: sorted(vec![shop, web, fixture::project("free")], |project| project.id),
        roles: vec![role],
        assignments: sorted(given, |given| given.id),
    };
    let issuer = Issuer {
        url: "https://id.example.com".to_owned(),
        certificate_authority: Some(
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned(),
        ),
    };
    desired::workspace(&state, &large_plan(), &issuer)
}

/// A workspace of which the control plane survives the loss of a node.
fn of_three() -> TenantCluster {
    let mut cluster = large();
    cluster.control_plane.store = ControlPlaneStore::Etcd;
    cluster.control_plane.replicas = 3;
    cluster
}

fn settings() -> HostSettings {
    HostSettings {
        service_cidr: Some("10.0.0.0/16".to_owned()),
        storage_class: Some("fast".to_owned()),
        endpoint: "https://{name}.tenants.example.com:443".to_owned(),
        ..HostSettings::default()
    }
}

fn all(cluster: &TenantCluster, settings: &HostSettings) -> (Vec<Object>, Vec<Object>) {
    (host_objects(cluster, settings).unwrap(), tenant_objects(cluster))
}

/// Every object as a YAML document; the configuration is shown in the clear.
fn golden(objects: &[Object]) -> String {
    let document = |object: &Object| {
        let mut body = object.body.clone();
        if let Some(encoded) = body.pointer("/data/config.yaml").and_then(Value::as_str) {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
            body["data"]["config.yaml"] = String::from_utf8(bytes).unwrap().into();
        }
        format!("---\n{}", serde_saphyr::to_string(&body).unwrap())
    };
    objects.iter().map(document).collect()
}

#[test]
fn a_small_workspace_on_its_host() {
    insta::assert_snapshot!(golden(&all(&small(), &HostSettings::default()).0));
}

#[test]
fn a_small_workspace_inside() {
    insta::assert_snapshot!(golden(&all(&small(), &HostSettings::default()).1));
}

#[test]
fn a_large_workspace_on_its_host() {
    insta::assert_snapshot!(golden(&all(&large(), &settings()).0));
}

#[test]
fn a_workspace_of_three_replicas_on_its_host() {
    // All that is otherwise than with one: the rest is what a large workspace is.
    let with_one = host_objects(&large(), &settings()).unwrap();
    let mut objects = host_objects(&of_three(), &settings()).unwrap();
    objects.retain(|object| !with_one.contains(object));
    insta::assert_snapshot!(golden(&objects));
}

#[test]
fn a_large_workspace_inside() {
    insta::assert_snapshot!(golden(&all(&large(), &settings()).1));
}

/// Reads an object as its type and writes it again: a field that the type does not know would be lost.
fn survives<T: DeserializeOwned + Serialize>(object: &Object) {
    let typed: T = serde_json::from_value(object.body.clone()).unwrap();
    let mut again = serde_json::to_value(typed).unwrap();
    // The types write out that a timestamp is not set, which says nothing.
    if let Some(metadata) = again.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
    }
    assert_eq!(again, object.body, "{}", object.key());
}

#[test]
fn every_object_has_only_fields_that_kubernetes_knows() {
    use k8s_openapi::api::{
        admissionregistration::v1 as admission, apps::v1 as apps, core::v1 as core,
        networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
    };
    for cluster in [small(), large(), of_three()] {
        let (host, tenant) = all(&cluster, &settings());
        for object in host.iter().chain(&tenant) {
            match object.kind {
                Kind::NAMESPACE => survives::<core::Namespace>(object),
                Kind::SERVICE_ACCOUNT => survives::<core::ServiceAccount>(object),
                Kind::SECRET => survives::<core::Secret>(object),
                Kind::CONFIG_MAP => survives::<core::ConfigMap>(object),
                Kind::SERVICE => survives::<core::Service>(object),
                Kind::RESOURCE_QUOTA => survives::<core::ResourceQuota>(object),
                Kind::LIMIT_RANGE => survives::<core::LimitRange>(object),
                Kind::STATEFUL_SET => survives::<apps::StatefulSet>(object),
                Kind::NETWORK_POLICY => survives::<networking::NetworkPolicy>(object),
                Kind::POD_DISRUPTION_BUDGET => survives::<policy::PodDisruptionBudget>(object),
                Kind::ROLE => survives::<rbac::Role>(object),
                Kind::ROLE_BINDING => survives::<rbac::RoleBinding>(object),
                Kind::ADMISSION_POLICY => survives::<admission::ValidatingAdmissionPolicy>(object),
                Kind::ADMISSION_POLICY_BINDING => {
                    survives::<admission::ValidatingAdmissionPolicyBinding>(object)
                }
                Kind::CLUSTER_ROLE => survives::<rbac::ClusterRole>(object),
                Kind::CLUSTER_ROLE_BINDING => survives::<rbac::ClusterRoleBinding>(object),
                other => unreachable!("no test for {other:?}"),
            }
        }
    }
}

#[test]
fn the_control_plane_has_no_rights_beyond_its_namespace() {
    let (host, _) = all(&of_three(), &settings());
    for object in &host {
        assert!(object.kind.namespaced || object.kind == Kind::NAMESPACE, "{}", object.key());
        for forbidden in ["\"*\"", "nodes", "tokenreviews", "clusterrole"] {
            let text = object.body.to_string().to_lowercase();
            let is_role = [Kind::ROLE, Kind::ROLE_BINDING].contains(&object.kind);
            assert!(!is_role || !text.contains(forbidden), "{}: {forbidden}", object.key());
        }
    }
}

#[test]
fn nothing_on_the_network_is_selected_by_what_a_tenant_can_write() {
    let (host, _) = all(&of_three(), &settings());
    let policies: Vec<&Object> = host.iter().filter(|object| object.kind == Kind::NETWORK_POLICY).collect();
    assert_eq!(policies.len(), 6 + large().projects.len());
    for policy in policies {
        let selector = &policy.body["spec"]["podSelector"];
        let written_by_the_syncer = ["vcluster.loft.sh/managed-by", "vcluster.loft.sh/namespace"];
        let guarded = written_by_the_syncer.iter().any(|label| selector.to_string().contains(label));
        assert!(guarded || selector == &serde_json::json!({}), "{}", policy.key());
        assert!(!policy.body.to_string().contains("\"namespaceSelector\":{}"), "{}", policy.key());
    }
}

#[test]
fn the_quota_is_the_plans_and_what_the_control_plane_needs() {
    let (host, _) = all(&small(), &HostSettings::default());
    let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
    let hard = &quota.body["spec"]["hard"];
    assert_eq!(hard["requests.cpu"], "4220m", "4 of the plan, 200m of the control plane, 20m of CoreDNS");
    assert_eq!(hard["count/pods"], "52");
    assert_eq!((&hard["services.nodeports"], &hard["services.loadbalancers"]), (&"0".into(), &"0".into()));
    assert!(hard.get("requests.storage").is_none(), "what the plan does not limit is not limited");

    let mut three = small();
    three.control_plane = of_three().control_plane;
    three.control_plane.cpu = Quantity::milli(200);
    let (host, _) = all(&three, &HostSettings::default());
    let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
    let hard = &quota.body["spec"]["hard"];
    assert_eq!(hard["requests.cpu"], "4770m", "4, three times 200m, three members of 50m, and CoreDNS");
    assert_eq!(hard["count/pods"], "57");
}

#[test]
fn load_balancers_come_with_the_ports_that_they_take_of_nodes() {
    let hard = |cluster: &TenantCluster, exposure: &str| {
        let mut settings = settings();
        settings.set("tenant_exposure", exposure).unwrap();
        let (host, _) = all(cluster, &settings);
        let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
        let count = |key: &str| quota.body["spec"]["hard"][key].as_str().unwrap().to_owned();
        (count("services.loadbalancers"), count("services.nodeports"))
    };
    let pair = |balancers: &str, ports: &str| (balancers.to_owned(), ports.to_owned());
    assert_eq!(hard(&small(), "internal"), pair("0", "0"));
    assert_eq!(hard(&large(), "internal"), pair("4", "32"));
    assert_eq!(hard(&small(), "load-balancer"), pair("1", "1"), "the API server's own");
}

#[test]
fn tenants_publish_by_the_class_and_under_the_domain_of_their_host() {
    let mut settings = settings();
    settings.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    let cluster = large();
    let (host, _) = all(&cluster, &settings);
    let annotations = &host[0].body["metadata"]["annotations"];
    assert_eq!(annotations["hexabase.ai/ingress-class"], "nginx");
    assert_eq!(annotations["hexabase.ai/ingress-domain"], format!("{}.apps.example", cluster.target.name));
    let role = host.iter().find(|object| object.kind == Kind::ROLE).unwrap();
    assert!(role.body["rules"].to_string().contains("ingresses"));
    let config = vcluster_config::render(&cluster, &settings).unwrap().values;
    assert_eq!(config["sync"]["toHost"]["ingresses"]["enabled"], true);

    for wrong in [
        "nginx/{name}.apps.example",
        "nginx/ingress-nginx/apps.example",
        "nginx/ingress-nginx/*.{name}.example",
        "/ingress-nginx/{name}.apps.example",
        "nginx/ingress-nginx/{name}..example",
    ] {
        let refused = settings.set("tenant_ingress", wrong).unwrap_err();
        assert!(refused.starts_with("must be CLASS/NAMESPACE/DOMAIN"), "{wrong}: {refused}");
    }
    assert!(settings.set("pod_cidr", "0.0.0.0/0").is_err() && settings.set("pod_cidr", "::/0").is_err());
}

#[test]
fn nobody_publishes_under_the_name_of_an_api_server() {
    let check = |endpoint: &str, domain: &str| {
        let mut settings = settings();
        settings.set("tenant_endpoint", endpoint).unwrap();
        settings.set("tenant_ingress", &format!("nginx/ingress-nginx/{domain}")).unwrap();
        settings.check().map_err(|(name, _)| name)
    };
    for endpoint in
        ["https://{name}.apps.example", "https://{name}.apps.example:6443", "https://api.{name}.apps.example"]
    {
        assert_eq!(check(endpoint, "{name}.apps.example"), Err("tenant_ingress"), "{endpoint}");
    }
    for endpoint in
        ["https://{name}.tenants.example", "https://api-{name}.apps.example", "https://{name}.{name}.svc:443"]
    {
        assert_eq!(check(endpoint, "{name}.apps.example"), Ok(()), "{endpoint}");
    }
}

#[test]
fn kyverno_is_given_the_guards_that_the_api_server_has() {
    let host_setup = host_setup(&Default::default());
    let enforced: Vec<&Object> = host_setup
        .iter()
        .filter(|object| object.kind == Kind::ADMISSION_POLICY && object.name.starts_with("hexabase-tenants"))
        .collect();
    let policies = kyverno_policies();
    assert_eq!(policies.len(), enforced.len());
    for (policy, enforced) in policies.iter().zip(enforced) {
        let (spec, of_the_api_server) = (&policy.body["spec"], &enforced.body["spec"]);
        assert_eq!(policy.name, enforced.name);
        for same in ["matchConditions", "variables", "validations", "failurePolicy"] {
            assert_eq!(spec[same], of_the_api_server[same], "{}: {same}", policy.name);
        }
        assert_eq!(spec["validationActions"], json!(["Deny"]));
        assert!(spec["matchConstraints"]["namespaceSelector"].to_string().contains("workspace-id"));
    }
}

#[test]
fn a_project_keeps_what_its_children_have_not() {
    let objects = tenant_objects(&large());
    let quota = |namespace: &str| {
        let found = objects.iter().find(|o| o.kind == Kind::RESOURCE_QUOTA && o.namespace == namespace);
        found.unwrap().body["spec"]["hard"]["requests.cpu"].clone()
    };
    assert_eq!((quota("shop"), quota("shop-web")), ("5".into(), "3".into()));
}

#[test]
fn a_role_in_a_project_holds_in_its_children_and_a_custom_one_does_not() {
    let objects = tenant_objects(&large());
    let count = |namespace: &str| {
        objects.iter().filter(|o| o.kind == Kind::ROLE_BINDING && o.namespace == namespace).count()
    };
    assert_eq!((count("shop"), count("shop-web"), count("free")), (2, 1, 0));
}

#[test]
fn tokens_are_trusted_only_from_an_issuer_that_can_be_checked() {
    let (without, _) = all(&small(), &settings());
    assert!(!without.iter().any(|object| object.kind == Kind::CONFIG_MAP), "an http issuer is never trusted");
    let (with, _) = all(&large(), &settings());
    let trust = with.iter().find(|object| object.kind == Kind::CONFIG_MAP).unwrap();
    let text = trust.body["data"]["authentication.yaml"].as_str().unwrap();
    assert!(text.contains(&fixture::workspace("dev").id.to_string()), "the audience is the workspace");
    assert!(!text.contains("prefix: ''"));
}

#[test]
fn an_api_server_that_knows_no_file_is_told_by_arguments_whose_tokens_to_accept() {
    let (mut cluster, mut old) = (large(), settings());
    cluster.kubernetes_version = KubernetesVersion::parse("1.29").unwrap();
    old.kubernetes_images.insert("1.29".to_owned(), "ghcr.io/loft-sh/kubernetes:v1.29.0".to_owned());
    let config = vcluster_config::render(&cluster, &old).unwrap().values;
    let arguments = &config["controlPlane"]["distro"]["k8s"]["apiServer"]["extraArgs"];
    let workspace = fixture::workspace("dev").id;
    let expected = [
        "--oidc-issuer-url=https://id.example.com".to_owned(),
        format!("--oidc-client-id={workspace}"),
        "--oidc-username-claim=sub".to_owned(),
        "--oidc-username-prefix=hexabase:".to_owned(),
        "--oidc-groups-claim=groups".to_owned(),
        "--oidc-groups-prefix=hexabase:".to_owned(),
        "--oidc-signing-algs=ES256,RS256".to_owned(),
        "--oidc-ca-file=/etc/hexabase/authentication/ca.crt".to_owned(),
    ];
    assert_eq!(*arguments, json!(expected));
    let (host, _) = all(&cluster, &old);
    let files = host.iter().find(|object| object.kind == Kind::CONFIG_MAP).unwrap();
    assert!(files.body["data"]["ca.crt"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn what_cannot_be_rendered_is_refused_before_anything_is_applied() {
    let mut cluster = small();
    cluster.control_plane.replicas = 3;
    assert!(host_objects(&cluster, &settings()).unwrap_err().message().contains("sqlite"));
    let unknown = HostSettings { kubernetes_images: Default::default(), ..settings() };
    assert!(host_objects(&small(), &unknown).unwrap_err().message().contains("1.36"));
    let newer = HostSettings { vcluster_version: "0.99.0".to_owned(), ..settings() };
    assert!(host_objects(&small(), &newer).unwrap_err().message().contains("0.36"));
    for (version, fine) in [
        ("0.36.1", true),
        ("0.37.0", true),
        ("0.37.0-rc.1", true),
        ("v0.36.1", false),
        ("0.36", false),
        ("0.36.", false),
        ("0.361.0", false),
        ("0.38.0", false),
        ("0.36.1:latest", false),
    ] {
        assert_eq!(settings().set("vcluster_version", version).is_ok(), fine, "{version}");
    }
}

#[test]
fn names_fit_into_kubernetes() {
    let name = hexabase_core::id::WorkspaceId::greatest().kubernetes_name();
    assert!(format!("vc-workload-{name}").len() <= 63 && format!("{name}-authentication").len() <= 63);
    assert!(format!("{name}-etcd-headless").len() <= 63);
}

#[test]
fn a_registry_of_ones_own_holds_every_image() {
    let own = HostSettings { image_registry: Some("registry.example:5000/mirror".to_owned()), ..settings() };
    let objects = host_objects(&of_three(), &own).unwrap();
    let mut sets = objects.iter().filter(|object| object.kind == Kind::STATEFUL_SET);
    let (etcd, control_plane) = (sets.next().unwrap(), sets.next().unwrap());
    let member = &etcd.body["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(member["image"], "registry.example:5000/mirror/etcd:3.6.8-0");
    let pod = &control_plane.body["spec"]["template"]["spec"];
    let version = HostSettings::VCLUSTER_VERSION;
    assert_eq!(
        pod["initContainers"][0]["image"], "registry.example:5000/mirror/loft-sh/kubernetes:v1.36.0",
        "{pod}"
    );
    let vcluster = format!("registry.example:5000/mirror/loft-sh/vcluster-oss:{version}");
    assert_eq!(pod["containers"][0]["image"], vcluster);
    let config = vcluster_config::render(&small(), &own).unwrap().yaml;
    assert!(config.contains("defaultImageRegistry: registry.example:5000/mirror"), "{config}");
    for elsewhere in ["ghcr.io", "docker.io", "quay.io"] {
        assert!(!config.contains(elsewhere) && !pod.to_string().contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn what_operators_want_otherwise_is_in_the_configuration_and_in_all_that_has_to_agree_with_it() {
    let mut changed = settings();
    let wanted = "
      controlPlane:
        coredns:
          deployment:
            replicas: 3
            resources: { limits: { cpu: 1, memory: 1Gi }, requests: { cpu: 100m, memory: 128Mi } }
        distro: { k8s: { apiServer: { extraArgs: [--event-ttl=30m] } } }
        statefulSet:
          scheduling:
            nodeSelector: { example.com/for: control-planes }
            tolerations: [{ key: example.com/for, operator: Exists, effect: NoSchedule }]
            priorityClassName: control-planes";
    changed.set("vcluster_overrides", wanted).unwrap();
    let config = vcluster_config::render(&large(), &changed).unwrap().yaml;
    let config: Value = serde_saphyr::from_str(&config).unwrap();
    let arguments = &config["controlPlane"]["distro"]["k8s"]["apiServer"]["extraArgs"];
    let trust = "--authentication-config=/etc/hexabase/authentication/authentication.yaml";
    assert_eq!(*arguments, json!([trust, "--event-ttl=30m"]), "people still get in");
    assert_eq!(config["controlPlane"]["coredns"]["deployment"]["replicas"], 3);

    let (before, after) = (all(&large(), &settings()).0, all(&large(), &changed).0);
    let of =
        |objects: &[Object], kind| objects.iter().find(|object| object.kind == kind).unwrap().body.clone();
    let pod = &of(&after, Kind::STATEFUL_SET)["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({ "example.com/for": "control-planes" }));
    assert_eq!(pod["tolerations"][0]["key"], "example.com/for");
    assert_eq!(pod["priorityClassName"], "control-planes");
    let hard = |objects: &[Object], name: &str| {
        let amount = of(objects, Kind::RESOURCE_QUOTA)["spec"]["hard"][name].as_str().unwrap().to_owned();
        amount.parse::<Quantity>().unwrap()
    };
    // Three of 100m and 128Mi instead of one of 20m and 64Mi.
    for (name, more) in [
        ("requests.cpu", Quantity::milli(280)),
        ("requests.memory", Quantity::mebibytes(320)),
        ("count/pods", Quantity::units(2)),
    ] {
        assert_eq!(hard(&after, name), hard(&before, name).plus(more), "{name}");
    }
}

/// What leads to a tenant on a host that exposes them so.
fn leads_there(exposure: &str) -> Vec<Object> {
    let settings = HostSettings {
        endpoint: "https://{name}.tenants.example:8443".to_owned(),
        exposure: exposure.parse().unwrap(),
        ..settings()
    };
    settings.check().unwrap();
    let mut objects = host_objects(&small(), &settings).unwrap();
    objects.retain(|object| [Kind::INGRESS, Kind::TLS_ROUTE].contains(&object.kind));
    objects
}

#[test]
fn what_leads_to_a_tenant_hands_tls_through_and_knows_it_by_its_name() {
    let name = small().target.name;
    assert_eq!(leads_there("internal"), []);
    let ingress = &leads_there("ingress/passthrough")[0].body;
    assert_eq!(ingress["spec"]["ingressClassName"], "passthrough");
    assert_eq!(ingress["spec"]["rules"][0]["host"], format!("{name}.tenants.example"));
    assert_eq!(ingress["metadata"]["annotations"]["haproxy.org/ssl-passthrough"], "true");
    let route = &leads_there("gateway/edge/tenants")[0].body;
    assert_eq!(route["spec"]["hostnames"], json!([format!("{name}.tenants.example")]));
    let gateway = &route["spec"]["parentRefs"][0];
    assert_eq!((&gateway["namespace"], &gateway["name"]), (&json!("edge"), &json!("tenants")));
    assert_eq!(route["spec"]["rules"][0]["backendRefs"][0]["name"], name);
}

#[test]
fn a_host_that_exposes_tenants_has_a_name_for_each() {
    for wrong in ["", "external", "ingress", "ingress/", "ingress/A", "gateway/edge", "gateway/edge/a/b"] {
        assert!(wrong.parse::<Exposure>().is_err(), "{wrong}");
    }
    for endpoint in [
        "https://{name}.{namespace}.svc:443",
        "https://tenants.example/{name}",
        "http://{name}.tenants.example",
        "https://10.0.0.1/{name}",
    ] {
        let endpoint = endpoint.to_owned();
        let exposure = Exposure::Ingress { class: "passthrough".to_owned() };
        let exposed = HostSettings { endpoint, exposure, ..HostSettings::default() };
        assert_eq!(exposed.check().unwrap_err().0, "tenant_endpoint", "{exposed:?}");
        assert!(HostSettings { exposure: Exposure::Internal, ..exposed }.check().is_ok());
    }
}

#[test]
fn sources_of_images_are_named_where_the_host_looks_for_them() {
    let mut cluster = small();
    let sources = |cluster: &TenantCluster, settings: &HostSettings| {
        let objects = host_objects(cluster, settings).unwrap();
        let namespace = objects.into_iter().find(|object| object.kind == Kind::NAMESPACE).unwrap();
        namespace.body["metadata"]["annotations"]["hexabase.ai/image-sources"].clone()
    };
    assert_eq!(sources(&cluster, &settings()), json!(null));
    cluster.image_sources = vec![ImageSource::parse("ghcr.io/acme").unwrap()];
    assert_eq!(sources(&cluster, &settings()), "ghcr.io/acme,docker.io/coredns/coredns");
    let own = HostSettings { image_registry: Some("registry.example/mirror".to_owned()), ..settings() };
    assert_eq!(sources(&cluster, &own), "ghcr.io/acme,registry.example/mirror/coredns/coredns");
}

#[test]
fn an_image_without_a_registry_is_refused() {
    let wrong = HostSettings { vcluster_image: "vcluster-oss".to_owned(), ..settings() };
    let refused = host_objects(&small(), &wrong).unwrap_err();
    assert!(refused.to_string().contains("registry/repository:tag"), "{refused}");
}
