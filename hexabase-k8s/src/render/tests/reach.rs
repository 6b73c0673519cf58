//! Connections that the rendered NetworkPolicies allow
//! (<https://kubernetes.io/docs/concepts/services-networking/network-policies/>): a connection is allowed if a policy
//! of each end allows it. An end that no policy selects would allow all connections, but there is none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::{HostConfig, Kind, Object, TenantCluster, host_config, host_objects, large};

type Labels = BTreeMap<String, String>;

/// End of a connection.
enum End {
    Pod(Labels),
    /// Pod in this namespace, which belongs to no tenant.
    ForeignPod(&'static str),
    /// Pod of the host in this namespace, with a label.
    HostPod(&'static str, (&'static str, &'static str)),
    /// Pod of another tenant with this address.
    StrangersPod(IpAddr),
    Address(IpAddr),
}

fn labels<const COUNT: usize>(pairs: [(&str, &str); COUNT]) -> Labels {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Pod of the tenant as the syncer writes it, with labels that the tenant chose.
fn synced_pod<const COUNT: usize>(namespace: &str, own: [(&str, &str); COUNT]) -> End {
    let mut all = labels(own);
    let release = large().target.name;
    all.extend(labels([
        ("vcluster.loft.sh/managed-by", &release),
        ("vcluster.loft.sh/namespace", namespace),
    ]));
    // The syncer translates this label, because it names the cluster of a pod.
    if let Some(spoofed) = all.remove("release") {
        all.insert("vcluster.loft.sh/label-release".to_owned(), spoofed);
    }
    End::Pod(all)
}

fn control_plane() -> End {
    let release = large().target.name;
    End::Pod(labels([("app", "vcluster"), ("release", &release)]))
}

fn selects(selector: &Value, labels: &Labels) -> bool {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal.into_iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        && expressions.all(|expression| {
            let value = labels.get(expression["key"].as_str().unwrap());
            match expression["operator"].as_str().unwrap() {
                "NotIn" => value.is_none_or(|value| !texts(&expression["values"]).contains(value)),
                "DoesNotExist" => value.is_none(),
                other => unreachable!("{other} is not used"),
            }
        })
}

fn contains(range: &str, address: IpAddr) -> bool {
    let (network, length) = range.split_once('/').unwrap();
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (4, u128::from(u32::from(address)) << 96),
        IpAddr::V6(address) => (6, u128::from(address)),
    };
    let ((family, network), (other, address)) = (bits(network.parse().unwrap()), bits(address));
    let length: u32 = length.parse().unwrap();
    family == other && (length == 0 || (network ^ address) >> (128 - length) == 0)
}

/// `true` if an entry of `to` or `from` matches the other end.
fn peer_matches(peer: &Value, end: &End) -> bool {
    match end {
        End::Pod(labels) => {
            peer.get("namespaceSelector").is_none()
                && peer.get("podSelector").is_some_and(|selector| selects(selector, labels))
        }
        End::ForeignPod(namespace) => {
            let namespace = labels([("kubernetes.io/metadata.name", namespace)]);
            let selector = peer.get("namespaceSelector");
            peer.get("podSelector").is_none()
                && selector.is_some_and(|selector| selects(selector, &namespace))
        }
        End::HostPod(namespace, label) => {
            let namespace = labels([("kubernetes.io/metadata.name", namespace)]);
            peer.get("namespaceSelector").is_some_and(|selector| selects(selector, &namespace))
                && peer.get("podSelector").is_none_or(|selector| selects(selector, &labels([*label])))
        }
        End::StrangersPod(address) => {
            let namespace = labels([("hexabase.ai/workspace-id", "ws-theirs")]);
            peer.get("namespaceSelector").is_some_and(|selector| selects(selector, &namespace))
                || peer_matches(peer, &End::Address(*address))
        }
        End::Address(address) => peer.get("ipBlock").is_some_and(|block| {
            let within = |range: &Value| contains(range.as_str().unwrap(), *address);
            within(&block["cidr"]) && !block["except"].as_array().into_iter().flatten().any(within)
        }),
    }
}

/// `true` if the policies of `end` allow the connection to or from `other`.
fn allows(policies: &[Object], end: &End, direction: &str, peers: &str, other: &End, port: u16) -> bool {
    let End::Pod(labels) = end else { return true };
    policies
        .iter()
        .map(|policy| &policy.body["spec"])
        .filter(|spec| selects(&spec["podSelector"], labels))
        .flat_map(|spec| spec[direction].as_array().into_iter().flatten())
        .any(|rule| {
            let ports = rule["ports"].as_array();
            ports.is_none_or(|ports| ports.iter().any(|open| open["port"] == port))
                && rule[peers].as_array().is_none_or(|all| all.iter().any(|peer| peer_matches(peer, other)))
        })
}

fn reaches(from: &End, to: &End, port: u16) -> bool {
    reaches_on(&host_config(), from, to, port)
}

fn reaches_on(host_config: &HostConfig, from: &End, to: &End, port: u16) -> bool {
    cluster_reaches(&large(), host_config, from, to, port)
}

fn cluster_reaches(
    cluster: &TenantCluster,
    host_config: &HostConfig,
    from: &End,
    to: &End,
    port: u16,
) -> bool {
    let objects = host_objects(cluster, host_config).unwrap();
    let policies: Vec<Object> =
        objects.into_iter().filter(|object| object.kind == Kind::NETWORK_POLICY).collect();
    allows(&policies, from, "egress", "to", to, port) && allows(&policies, to, "ingress", "from", from, port)
}

#[test]
fn pods_of_a_project_reach_each_other_and_no_other_project() {
    let (shop, web) = (|| synced_pod("shop", []), || synced_pod("shop-web", []));
    assert!(reaches(&shop(), &shop(), 5432));
    assert!(!reaches(&shop(), &web(), 5432) && !reaches(&web(), &shop(), 5432));
}

#[test]
fn pods_outside_projects_reach_all_pods_and_are_reached_only_by_each_other() {
    let (ingress, shop) = (|| synced_pod("ingress-nginx", []), || synced_pod("shop", []));
    assert!(reaches(&ingress(), &shop(), 8080) && reaches(&ingress(), &synced_pod("monitoring", []), 8080));
    assert!(!reaches(&shop(), &ingress(), 8080));
}

#[test]
fn pods_reach_their_api_server_dns_server_and_the_internet() {
    let dns = || synced_pod("kube-system", [("k8s-app", "vcluster-kube-dns")]);
    for pod in [synced_pod("shop", []), synced_pod("ingress-nginx", [])] {
        assert!(reaches(&pod, &control_plane(), 8443) && reaches(&pod, &dns(), 1053));
        for address in ["9.9.9.9", "2620:fe::fe"] {
            assert!(reaches(&pod, &End::Address(address.parse().unwrap()), 443), "{address}");
        }
        assert!(reaches(&control_plane(), &pod, 443), "the API server reaches webhooks");
    }
    assert!(!reaches(&synced_pod("shop", []), &control_plane(), 6443));
}

#[test]
fn pods_do_not_reach_private_addresses_or_cloud_metadata_services() {
    let private = [
        "0.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.251",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2001::1",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "ff02::1",
    ];
    for address in private {
        for pod in [synced_pod("shop", []), synced_pod("ingress-nginx", []), synced_pod("kube-system", [])] {
            assert!(!reaches(&pod, &End::Address(address.parse().unwrap()), 80), "{address}");
        }
    }
    for address in ["168.63.129.15", "192.0.1.1", "198.20.0.1", "2001:db8::1", "2620:fe::fe", "2a00::1"] {
        assert!(reaches(&synced_pod("shop", []), &End::Address(address.parse().unwrap()), 80), "{address}");
    }
}

#[test]
fn pods_do_not_reach_the_pods_and_services_of_a_host_with_public_addresses() {
    let mut public = host_config();
    public.set("pod_cidr", "203.0.113.0/25, 2001:db8:1::/48").unwrap();
    public.set("service_cidr", "203.0.113.128/25,2001:db8:2::/112").unwrap();
    for (address, is_open) in [
        ("203.0.113.7", false),
        ("203.0.113.200", false),
        ("2001:db8:1::7", false),
        ("2001:db8:2::7", false),
        ("203.0.114.7", true),
        ("2001:db8:3::7", true),
    ] {
        let address = End::Address(address.parse().unwrap());
        assert_eq!(reaches_on(&public, &synced_pod("shop", []), &address, 443), is_open);
    }
    for invalid in ["", "10.0.0.0", "10.0.0.0/33", "0.0.0.0/0", "10.0.0.0/8,", "a/8"] {
        assert!(public.set("service_cidr", invalid).is_err() && public.set("pod_cidr", invalid).is_err());
    }
}

#[test]
fn labels_that_a_tenant_can_write_allow_no_connection() {
    let release = large().target.name;
    let disguises = [
        synced_pod("shop", [("app", "vcluster"), ("release", &release)]),
        synced_pod("shop", [("app", "vcluster-snapshot")]),
        synced_pod("shop", [("k8s-app", "vcluster-kube-dns")]),
        synced_pod("shop", [("k8s-app", "kube-dns")]),
    ];
    for disguise in disguises {
        assert!(!reaches(&disguise, &synced_pod("shop-web", []), 1053));
        assert!(!reaches(&disguise, &End::Address("10.96.0.1".parse().unwrap()), 443));
        assert!(!reaches(&synced_pod("shop-web", []), &disguise, 1053));
    }
}

#[test]
fn published_pods_are_reached_from_outside_and_by_no_pod_but_the_controllers() {
    let (shop, controller) = (|| synced_pod("shop", []), End::ForeignPod("ingress-nginx"));
    let outside = |address: &str| End::Address(address.parse().unwrap());
    assert!(!reaches(&controller, &shop(), 8080) && !reaches(&outside("203.0.113.7"), &shop(), 8080));

    let mut published = host_config();
    published.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    assert!(reaches_on(&published, &controller, &shop(), 8080));
    assert!(!reaches_on(&published, &End::ForeignPod("default"), &shop(), 8080));
    assert!(!reaches_on(&published, &outside("203.0.113.7"), &shop(), 8080), "the pod ranges are unknown");

    let mut balanced = host_config();
    balanced.set("pod_cidr", "10.244.0.0/16").unwrap();
    for address in ["203.0.113.7", "10.0.0.5"] {
        assert!(reaches_on(&balanced, &outside(address), &shop(), 8080), "{address}");
    }
    for stranger in ["10.244.3.4", "2001:db8::7"] {
        assert!(!reaches_on(&balanced, &outside(stranger), &shop(), 8080), "{stranger}");
    }
    assert!(!reaches_on(&balanced, &controller, &shop(), 8080));
    assert!(
        !reaches_on(&balanced, &shop(), &outside("10.0.0.5"), 443),
        "the opposite direction stays closed"
    );
}

#[test]
fn plans_without_load_balancers_allow_no_external_traffic() {
    let mut balanced = host_config();
    balanced.set("pod_cidr", "10.244.0.0/16,fd00::/48").unwrap();
    let published = |cluster| {
        let objects = host_objects(&cluster, &balanced).unwrap();
        objects.iter().any(|object| object.name.starts_with("vc-published-"))
    };
    assert!(published(large()) && !published(super::small()));
}

#[test]
fn pods_of_another_tenant_do_not_reach_the_tenants_pods() {
    let stranger = || End::Pod(labels([("vcluster.loft.sh/managed-by", "other")]));
    for pod in [synced_pod("shop", []), synced_pod("ingress-nginx", [])] {
        assert!(!reaches(&stranger(), &pod, 80) && !reaches(&pod, &stranger(), 80));
    }
}

/// Pod of another tenant, such as its control plane.
fn strangers_pod(address: &str) -> End {
    End::StrangersPod(address.parse().unwrap())
}

#[test]
fn control_planes_reach_the_api_server_of_the_host_and_no_other_private_address() {
    let address = |text: &str| End::Address(text.parse().unwrap());
    let reaches = |to: &End, port| reaches(&control_plane(), to, port);
    assert!(reaches(&address("192.168.7.2"), 6443) && !reaches(&address("192.168.7.2"), 443));
    for port in [443, 6443, 8443, 10_250] {
        for private in ["192.168.7.3", "10.0.0.1", "169.254.169.254", "168.63.129.16", "fd00::1"] {
            assert!(!reaches(&address(private), port), "{private}:{port}");
        }
        assert!(!reaches(&strangers_pod("10.244.3.4"), port), "{port}");
    }
    // Webhooks and the issuer outside the host.
    assert!(reaches(&address("203.0.113.7"), 443) && reaches(&address("2001:db8::7"), 443));
    assert!(!reaches(&address("203.0.113.7"), 25));
    assert!(reaches(&control_plane(), 8443), "replicas reach each other");
    let mut public = host_config();
    public.set("pod_cidr", "203.0.113.0/24,2001:db8::/48").unwrap();
    for stranger in ["203.0.113.7", "2001:db8::7"] {
        assert!(!reaches_on(&public, &control_plane(), &strangers_pod(stranger), 8443), "{stranger}");
    }
}

#[test]
fn control_planes_never_reach_the_api_servers_of_others_while_that_of_the_host_is_unknown() {
    let mut unknown = HostConfig { api_server: Vec::new(), ..host_config() };
    let reaches = |config: &HostConfig, to: &End, port| reaches_on(config, &control_plane(), to, port);
    assert!(reaches(&unknown, &End::Address("192.168.7.2".parse().unwrap()), 6443));
    assert!(!reaches(&unknown, &strangers_pod("10.244.3.4"), 8443));
    assert!(!reaches(&unknown, &End::Address("169.254.169.254".parse().unwrap()), 443));
    unknown.set("pod_cidr", "10.244.0.0/16").unwrap();
    assert!(!reaches(&unknown, &strangers_pod("10.244.3.4"), 443));
    unknown.set("api_server_cidr", "10.1.0.0/28").unwrap();
    assert!(reaches(&unknown, &End::Address("10.1.0.5".parse().unwrap()), 443));
    assert!(!reaches(&unknown, &End::Address("192.168.7.2".parse().unwrap()), 6443));
}

#[test]
fn control_planes_reach_an_issuer_without_a_public_address() {
    let address = |text: &str| End::Address(text.parse().unwrap());
    let mut config = host_config();
    assert!(!reaches_on(&config, &control_plane(), &address("10.9.0.5"), 443));
    config.set("issuer_network", "10.9.0.5/32, namespace/edge").unwrap();
    assert!(reaches_on(&config, &control_plane(), &address("10.9.0.5"), 443));
    assert!(reaches_on(&config, &control_plane(), &End::ForeignPod("edge"), 8443));
    assert!(!reaches_on(&config, &control_plane(), &End::ForeignPod("default"), 8443));
    let reaches_issuer = |url: &str, to: &str, port| {
        let mut cluster = large();
        cluster.oidc.as_mut().unwrap().issuer_url = url.to_owned();
        cluster_reaches(&cluster, &host_config(), &control_plane(), &address(to), port)
    };
    assert!(reaches_issuer("https://10.9.0.6:9443", "10.9.0.6", 9443));
    assert!(reaches_issuer("https://[fd00::6]", "fd00::6", 443));
    assert!(!reaches_issuer("https://10.9.0.6:9443", "10.9.0.7", 9443));
    assert!(reaches_issuer("https://id.example.com:9443", "203.0.113.7", 9443));
}

#[test]
fn control_planes_reach_the_metrics_server_of_the_host_only_if_it_is_configured() {
    let metrics_server = || End::HostPod("kube-system", ("k8s-app", "metrics-server"));
    assert!(!reaches(&control_plane(), &metrics_server(), 10_250));
    let mut config = host_config();
    config.set("tenant_metrics", "kube-system/metrics-server").unwrap();
    let reaches = |from: &End, to: &End, port| reaches_on(&config, from, to, port);
    let of_chart = || End::HostPod("kube-system", ("app.kubernetes.io/name", "metrics-server"));
    for port in [443, 4443, 10_250] {
        assert!(reaches(&control_plane(), &metrics_server(), port), "{port}");
        assert!(reaches(&control_plane(), &of_chart(), port), "{port}");
        assert!(!reaches(&synced_pod("shop", []), &metrics_server(), port), "{port}");
        for other in [
            End::HostPod("kube-system", ("k8s-app", "kubernetes-dashboard")),
            End::HostPod("monitoring", ("k8s-app", "metrics-server")),
            End::Address("192.168.7.3".parse().unwrap()),
            strangers_pod("10.244.3.4"),
        ] {
            assert!(!reaches(&control_plane(), &other, 10_250));
        }
    }
    assert!(!reaches(&control_plane(), &metrics_server(), 22));
}

#[test]
fn api_servers_are_reached_by_their_clients_and_by_no_pod_of_another_tenant() {
    let control_plane = || control_plane();
    let mut config = host_config();
    config.set("pod_cidr", "10.244.0.0/16,2001:db8::/48").unwrap();
    for stranger in ["10.244.3.4", "2001:db8::7"] {
        assert!(!reaches_on(&config, &strangers_pod(stranger), &control_plane(), 8443), "{stranger}");
    }
    for client in [
        synced_pod("shop", []),
        End::ForeignPod("hexabase-system"),
        End::ForeignPod("ingress-nginx"),
        End::Address("10.0.0.5".parse().unwrap()),
        End::Address("203.0.113.7".parse().unwrap()),
    ] {
        assert!(reaches_on(&config, &client, &control_plane(), 8443));
        assert!(!reaches_on(&config, &client, &control_plane(), 6443));
    }
    let unknown = host_config();
    assert!(reaches_on(&unknown, &End::Address("203.0.113.7".parse().unwrap()), &control_plane(), 8443));
}
