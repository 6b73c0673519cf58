mod exposure;
mod label_domain;
mod limits;
mod reach;
mod scraping;

use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
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
use crate::config::{Exposure, HostConfig};
use crate::object::{Kind, Object};
use crate::peers::ApiServerAddresses;

fn assignment(name: &str, group: &str, project: Option<&str>, role: RoleRef) -> Assignment {
    Assignment {
        id: id(name),
        organization_id: id("acme"),
        workspace_id: id("dev"),
        project_id: project.map(id),
        group_id: id(group),
        role,
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
    }
}

fn sorted<T, K: Ord>(mut things: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    things.sort_by_key(|thing| key(thing));
    things
}

/// Workspace directly after its creation.
fn small() -> TenantCluster {
    let state = WorkspaceState {
        workspace: fixture::workspace("dev"),
        groups: vec![fixture::group("WSAdmins")],
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: vec![assignment("a1", "WSAdmins", None, RoleRef::Preset(PresetRole::WorkspaceAdmin))],
    };
    desired::tenant_cluster(
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

/// Workspace in use: a tree of projects with quotas, a custom role, and assignments of every kind.
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
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    };
    let assignments = vec![
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
        assignments: sorted(assignments, |assignment| assignment.id),
    };
    let issuer = Issuer {
        url: "https://id.example.com".to_owned(),
        certificate_authority: Some(
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned(),
        ),
    };
    desired::tenant_cluster(&state, &large_plan(), &issuer)
}

/// Workspace whose control plane survives the loss of a node.
fn three_replicas() -> TenantCluster {
    let mut cluster = large();
    cluster.control_plane.store = ControlPlaneStore::Etcd;
    cluster.control_plane.replicas = 3;
    cluster
}

fn host_config() -> HostConfig {
    HostConfig {
        service_cidr: Some("10.0.0.0/16".to_owned()),
        api_server: vec![ApiServerAddresses { ranges: vec!["192.168.7.2/32".to_owned()], ports: vec![6443] }],
        storage_class: Some("fast".to_owned()),
        endpoint: "https://{name}.tenants.example.com:443".to_owned(),
        ..HostConfig::default()
    }
}

fn all(cluster: &TenantCluster, host_config: &HostConfig) -> (Vec<Object>, Vec<Object>) {
    (host_objects(cluster, host_config).unwrap(), tenant_objects(cluster, host_config))
}

/// Returns every object as a YAML document, with the configuration decoded.
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
fn small_workspace_host_objects() {
    insta::assert_snapshot!(golden(&all(&small(), &HostConfig::default()).0));
}

#[test]
fn small_workspace_tenant_objects() {
    insta::assert_snapshot!(golden(&all(&small(), &HostConfig::default()).1));
}

#[test]
fn large_workspace_host_objects() {
    insta::assert_snapshot!(golden(&all(&large(), &host_config()).0));
}

#[test]
fn three_replicas_host_objects() {
    // Only the objects that differ from those with one replica.
    let with_one = host_objects(&large(), &host_config()).unwrap();
    let mut objects = host_objects(&three_replicas(), &host_config()).unwrap();
    objects.retain(|object| !with_one.contains(object));
    insta::assert_snapshot!(golden(&objects));
}

#[test]
fn large_workspace_tenant_objects() {
    insta::assert_snapshot!(golden(&all(&large(), &host_config()).1));
}

/// Deserializes an object into its type and serializes it again, which would lose unknown fields.
fn assert_round_trip<T: DeserializeOwned + Serialize>(object: &Object) {
    let typed: T = serde_json::from_value(object.body.clone()).unwrap();
    let mut again = serde_json::to_value(typed).unwrap();
    // The types serialize an unset timestamp as null.
    if let Some(metadata) = again.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
    }
    assert_eq!(again, object.body, "{}", object.key());
}

#[test]
fn objects_have_only_fields_that_kubernetes_knows() {
    use k8s_openapi::api::{
        admissionregistration::v1 as admission, apps::v1 as apps, core::v1 as core,
        networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
    };
    for cluster in [small(), large(), three_replicas()] {
        let (host, tenant) = all(&cluster, &host_config());
        for object in host.iter().chain(&tenant) {
            match object.kind {
                Kind::NAMESPACE => assert_round_trip::<core::Namespace>(object),
                Kind::SERVICE_ACCOUNT => assert_round_trip::<core::ServiceAccount>(object),
                Kind::SECRET => assert_round_trip::<core::Secret>(object),
                Kind::CONFIG_MAP => assert_round_trip::<core::ConfigMap>(object),
                Kind::SERVICE => assert_round_trip::<core::Service>(object),
                Kind::RESOURCE_QUOTA => assert_round_trip::<core::ResourceQuota>(object),
                Kind::LIMIT_RANGE => assert_round_trip::<core::LimitRange>(object),
                Kind::STATEFUL_SET => assert_round_trip::<apps::StatefulSet>(object),
                Kind::NETWORK_POLICY => assert_round_trip::<networking::NetworkPolicy>(object),
                Kind::POD_DISRUPTION_BUDGET => assert_round_trip::<policy::PodDisruptionBudget>(object),
                Kind::ROLE => assert_round_trip::<rbac::Role>(object),
                Kind::ROLE_BINDING => assert_round_trip::<rbac::RoleBinding>(object),
                Kind::ADMISSION_POLICY => assert_round_trip::<admission::ValidatingAdmissionPolicy>(object),
                Kind::ADMISSION_POLICY_BINDING => {
                    assert_round_trip::<admission::ValidatingAdmissionPolicyBinding>(object)
                }
                Kind::CLUSTER_ROLE => assert_round_trip::<rbac::ClusterRole>(object),
                Kind::CLUSTER_ROLE_BINDING => assert_round_trip::<rbac::ClusterRoleBinding>(object),
                other => unreachable!("no test for {other:?}"),
            }
        }
    }
}

#[test]
fn the_control_plane_has_no_permissions_outside_its_namespace() {
    let mut host_config = host_config();
    host_config.set("tenant_metrics", "kube-system/metrics-server").unwrap();
    let (host, _) = all(&three_replicas(), &host_config);
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
fn the_control_plane_can_write_no_object_from_which_the_host_creates_pods() {
    let (host, _) = all(&three_replicas(), &host_config());
    let roles = host.iter().filter(|object| object.kind == Kind::ROLE);
    let rules = roles.flat_map(|role| role.body["rules"].as_array().unwrap());
    for rule in rules.filter(|rule| rule["apiGroups"][0] == "apps" || rule["apiGroups"][0] == "batch") {
        // An admission policy restricts the patch to the annotation that restarts the control plane.
        let may_patch = rule["resources"][0] == "statefulsets";
        let allowed =
            |verb: &Value| verb == "get" || verb == "list" || verb == "watch" || may_patch && verb == "patch";
        assert!(rule["verbs"].as_array().unwrap().iter().all(allowed), "{rule}");
    }
}

#[test]
fn network_policies_select_no_labels_that_a_tenant_can_write() {
    let (host, _) = all(&three_replicas(), &host_config());
    let policies: Vec<&Object> = host.iter().filter(|object| object.kind == Kind::NETWORK_POLICY).collect();
    assert_eq!(policies.len(), 6 + large().projects.len());
    for policy in policies {
        let selector = &policy.body["spec"]["podSelector"];
        let written_by_the_syncer = ["vcluster.loft.sh/managed-by", "vcluster.loft.sh/namespace"];
        let is_trusted = written_by_the_syncer.iter().any(|label| selector.to_string().contains(label));
        assert!(is_trusted || selector == &serde_json::json!({}), "{}", policy.key());
        assert!(!policy.body.to_string().contains("\"namespaceSelector\":{}"), "{}", policy.key());
    }
}

#[test]
fn the_quota_is_that_of_the_plan_plus_the_control_plane() {
    let (host, _) = all(&small(), &HostConfig::default());
    let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
    let hard = &quota.body["spec"]["hard"];
    assert_eq!(hard["requests.cpu"], "4220m", "4 of the plan, 200m of the control plane and 20m of CoreDNS");
    assert_eq!(hard["count/pods"], "52");
    assert_eq!((&hard["services.nodeports"], &hard["services.loadbalancers"]), (&"0".into(), &"0".into()));
    assert!(hard.get("requests.storage").is_none(), "resources without a limit in the plan are unlimited");

    let mut three = small();
    three.control_plane = three_replicas().control_plane;
    three.control_plane.cpu = Quantity::milli(200);
    let (host, _) = all(&three, &HostConfig::default());
    let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
    let hard = &quota.body["spec"]["hard"];
    assert_eq!(hard["requests.cpu"], "4770m", "4 of the plan, three times 200m and 50m, and 20m of CoreDNS");
    assert_eq!(hard["count/pods"], "57");
}

#[test]
fn load_balancers_also_count_as_node_ports() {
    let hard = |cluster: &TenantCluster, exposure: &str| {
        let mut host_config = host_config();
        host_config.set("tenant_exposure", exposure).unwrap();
        let (host, _) = all(cluster, &host_config);
        let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
        let count = |key: &str| quota.body["spec"]["hard"][key].as_str().unwrap().to_owned();
        (count("services.loadbalancers"), count("services.nodeports"))
    };
    let pair = |balancers: &str, ports: &str| (balancers.to_owned(), ports.to_owned());
    assert_eq!(hard(&small(), "internal"), pair("0", "0"));
    assert_eq!(hard(&large(), "internal"), pair("4", "32"));
    assert_eq!(hard(&small(), "load-balancer"), pair("1", "1"), "the load balancer of the API server");
}

#[test]
fn tenants_publish_with_the_class_and_domain_of_their_host() {
    let mut host_config = host_config();
    host_config.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    let cluster = large();
    let (host, _) = all(&cluster, &host_config);
    let annotations = &host[0].body["metadata"]["annotations"];
    assert_eq!(annotations["hexabase.ai/ingress-class"], "nginx");
    assert_eq!(annotations["hexabase.ai/ingress-domain"], format!("{}.apps.example", cluster.target.name));
    let role = host.iter().find(|object| object.kind == Kind::ROLE).unwrap();
    assert!(role.body["rules"].to_string().contains("ingresses"));
    let config = vcluster_config::render(&cluster, &host_config).unwrap().values;
    assert_eq!(config["sync"]["toHost"]["ingresses"]["enabled"], true);

    for invalid in [
        "nginx/{name}.apps.example",
        "nginx/ingress-nginx/apps.example",
        "nginx/ingress-nginx/*.{name}.example",
        "/ingress-nginx/{name}.apps.example",
        "nginx/ingress-nginx/{name}..example",
    ] {
        let error = host_config.set("tenant_ingress", invalid).unwrap_err();
        assert!(error.starts_with("must be CLASS/NAMESPACE/DOMAIN"), "{invalid}: {error}");
    }
    assert!(
        host_config.set("pod_cidr", "0.0.0.0/0").is_err() && host_config.set("pod_cidr", "::/0").is_err()
    );
}

#[test]
fn tenants_get_the_metrics_of_their_pods_and_of_no_node() {
    let rules = |host_config: &HostConfig| {
        let (host, _) = all(&large(), host_config);
        let role = host.iter().find(|object| object.kind == Kind::ROLE).unwrap();
        let rules = role.body["rules"].as_array().unwrap().clone();
        rules.into_iter().filter(|rule| rule["apiGroups"][0] == "metrics.k8s.io").collect::<Vec<_>>()
    };
    let mut host_config = host_config();
    assert!(rules(&host_config).is_empty(), "a host has no metrics server by default");
    let config = vcluster_config::render(&large(), &host_config).unwrap().values;
    assert!(config.get("integrations").is_none());

    host_config.set("tenant_metrics", "monitoring/metrics-server").unwrap();
    let pods = json!({ "apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["get", "list"] });
    assert_eq!(rules(&host_config), [pods]);
    let config = vcluster_config::render(&large(), &host_config).unwrap().values;
    let service = json!({ "name": "metrics-server", "namespace": "monitoring", "port": 443 });
    let expected =
        json!({ "enabled": true, "pods": true, "nodes": false, "apiService": { "service": service } });
    assert_eq!(config["integrations"], json!({ "metricsServer": expected }));
    for invalid in ["", "metrics-server", "kube-system/", "a/b/c", "kube-system/Metrics"] {
        assert!(host_config.set("tenant_metrics", invalid).is_err(), "{invalid}");
    }
}

#[test]
fn tenants_cannot_publish_under_the_name_of_an_api_server() {
    let check = |endpoint: &str, domain: &str| {
        let mut host_config = host_config();
        host_config.set("tenant_endpoint", endpoint).unwrap();
        host_config.set("tenant_ingress", &format!("nginx/ingress-nginx/{domain}")).unwrap();
        host_config.check().map_err(|(name, _)| name)
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
fn kyverno_policies_equal_those_of_the_api_server() {
    let host_setup = host_setup(&HostConfig::default());
    let enforced: Vec<&Object> = host_setup
        .iter()
        .filter(|object| object.kind == Kind::ADMISSION_POLICY && object.name.starts_with("hexabase-tenants"))
        .collect();
    let policies = kyverno_policies(&HostConfig::default().labels);
    assert_eq!(policies.len(), enforced.len());
    for (policy, enforced) in policies.iter().zip(enforced) {
        let (spec, api_server_spec) = (&policy.body["spec"], &enforced.body["spec"]);
        assert_eq!(policy.name, enforced.name);
        for field in ["matchConditions", "variables", "validations", "failurePolicy"] {
            assert_eq!(spec[field], api_server_spec[field], "{}: {field}", policy.name);
        }
        assert_eq!(spec["validationActions"], json!(["Deny"]));
        assert!(spec["matchConstraints"]["namespaceSelector"].to_string().contains("workspace-id"));
    }
}

#[test]
fn the_quota_of_a_project_excludes_that_of_its_children() {
    let objects = tenant_objects(&large(), &HostConfig::default());
    let quota = |namespace: &str| {
        let found = objects.iter().find(|o| o.kind == Kind::RESOURCE_QUOTA && o.namespace == namespace);
        found.unwrap().body["spec"]["hard"]["requests.cpu"].clone()
    };
    assert_eq!((quota("shop"), quota("shop-web")), ("5".into(), "3".into()));
}

#[test]
fn preset_project_roles_apply_to_children_and_custom_roles_do_not() {
    let objects = tenant_objects(&large(), &HostConfig::default());
    let count = |namespace: &str| {
        objects.iter().filter(|o| o.kind == Kind::ROLE_BINDING && o.namespace == namespace).count()
    };
    assert_eq!((count("shop"), count("shop-web"), count("free")), (2, 1, 0));
}

#[test]
fn tokens_are_trusted_only_from_an_https_issuer() {
    let (without, _) = all(&small(), &host_config());
    assert!(!without.iter().any(|object| object.kind == Kind::CONFIG_MAP), "an http issuer is not trusted");
    let (with, _) = all(&large(), &host_config());
    let trust = with.iter().find(|object| object.kind == Kind::CONFIG_MAP).unwrap();
    let text = trust.body["data"]["authentication.yaml"].as_str().unwrap();
    assert!(text.contains(&fixture::workspace("dev").id.to_string()), "the audience is the workspace");
    assert!(!text.contains("prefix: ''"));
}

#[test]
fn older_api_servers_get_the_trust_as_arguments() {
    let (mut cluster, mut old) = (large(), host_config());
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
fn unsupported_clusters_are_rejected_by_the_renderer() {
    let mut cluster = small();
    cluster.control_plane.replicas = 3;
    assert!(host_objects(&cluster, &host_config()).unwrap_err().message().contains("sqlite"));
    let unknown = HostConfig { kubernetes_images: Default::default(), ..host_config() };
    assert!(host_objects(&small(), &unknown).unwrap_err().message().contains("1.36"));
    let newer = HostConfig { vcluster_version: "0.99.0".to_owned(), ..host_config() };
    assert!(host_objects(&small(), &newer).unwrap_err().message().contains("0.36"));
    for (version, valid) in [
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
        assert_eq!(host_config().set("vcluster_version", version).is_ok(), valid, "{version}");
    }
}

#[test]
fn names_fit_the_limit_of_kubernetes() {
    let name = hexabase_core::id::WorkspaceId::greatest().kubernetes_name();
    assert!(format!("vc-workload-{name}").len() <= 63 && format!("{name}-authentication").len() <= 63);
    assert!(format!("{name}-etcd-headless").len() <= 63);
}

#[test]
fn an_image_registry_replaces_the_registry_of_every_image() {
    let own = HostConfig { image_registry: Some("registry.example:5000/mirror".to_owned()), ..host_config() };
    let objects = host_objects(&three_replicas(), &own).unwrap();
    let mut sets = objects.iter().filter(|object| object.kind == Kind::STATEFUL_SET);
    let (etcd, control_plane) = (sets.next().unwrap(), sets.next().unwrap());
    let member = &etcd.body["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(member["image"], "registry.example:5000/mirror/etcd:3.6.8-0");
    let pod = &control_plane.body["spec"]["template"]["spec"];
    let version = HostConfig::VCLUSTER_VERSION;
    assert_eq!(
        pod["initContainers"][0]["image"], "registry.example:5000/mirror/loft-sh/kubernetes:v1.36.0",
        "{pod}"
    );
    let vcluster = format!("registry.example:5000/mirror/loft-sh/vcluster-oss:{version}");
    assert_eq!(pod["containers"][0]["image"], vcluster);
    let config = vcluster_config::render(&small(), &own).unwrap().yaml;
    assert!(config.contains("defaultImageRegistry: registry.example:5000/mirror"), "{config}");
    for registry in ["ghcr.io", "docker.io", "quay.io"] {
        assert!(!config.contains(registry) && !pod.to_string().contains(registry), "{registry}");
    }
}

#[test]
fn overrides_change_the_configuration_and_all_objects_that_depend_on_it() {
    let mut changed = host_config();
    let overrides = "
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
    changed.set("vcluster_overrides", overrides).unwrap();
    let config = vcluster_config::render(&large(), &changed).unwrap().yaml;
    let config: Value = serde_saphyr::from_str(&config).unwrap();
    let arguments = &config["controlPlane"]["distro"]["k8s"]["apiServer"]["extraArgs"];
    let trust = "--authentication-config=/etc/hexabase/authentication/authentication.yaml";
    assert_eq!(*arguments, json!([trust, "--event-ttl=30m"]), "the OIDC trust is kept");
    assert_eq!(config["controlPlane"]["coredns"]["deployment"]["replicas"], 3);

    let (before, after) = (all(&large(), &host_config()).0, all(&large(), &changed).0);
    let body =
        |objects: &[Object], kind| objects.iter().find(|object| object.kind == kind).unwrap().body.clone();
    let pod = &body(&after, Kind::STATEFUL_SET)["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({ "example.com/for": "control-planes" }));
    assert_eq!(pod["tolerations"][0]["key"], "example.com/for");
    assert_eq!(pod["priorityClassName"], "control-planes");
    let hard = |objects: &[Object], name: &str| {
        let amount = body(objects, Kind::RESOURCE_QUOTA)["spec"]["hard"][name].as_str().unwrap().to_owned();
        amount.parse::<Quantity>().unwrap()
    };
    // Three replicas with 100m and 128Mi instead of one with 20m and 64Mi.
    for (name, more) in [
        ("requests.cpu", Quantity::milli(280)),
        ("requests.memory", Quantity::mebibytes(320)),
        ("count/pods", Quantity::units(2)),
    ] {
        assert_eq!(hard(&after, name), hard(&before, name).plus(more), "{name}");
    }
}

#[test]
fn image_sources_are_annotations_of_the_namespace() {
    let mut cluster = small();
    let sources = |cluster: &TenantCluster, host_config: &HostConfig| {
        let objects = host_objects(cluster, host_config).unwrap();
        let namespace = objects.into_iter().find(|object| object.kind == Kind::NAMESPACE).unwrap();
        namespace.body["metadata"]["annotations"]["hexabase.ai/image-sources"].clone()
    };
    assert_eq!(sources(&cluster, &host_config()), json!(null));
    cluster.image_sources = vec![ImageSource::parse("ghcr.io/acme").unwrap()];
    assert_eq!(sources(&cluster, &host_config()), "ghcr.io/acme,docker.io/coredns/coredns");
    let own = HostConfig { image_registry: Some("registry.example/mirror".to_owned()), ..host_config() };
    assert_eq!(sources(&cluster, &own), "ghcr.io/acme,registry.example/mirror/coredns/coredns");
}

#[test]
fn an_image_without_a_registry_is_rejected() {
    let invalid = HostConfig { vcluster_image: "vcluster-oss".to_owned(), ..host_config() };
    let error = host_objects(&small(), &invalid).unwrap_err();
    assert!(error.to_string().contains("registry/repository:tag"), "{error}");
}
