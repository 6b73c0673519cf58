//! Services that tenants publish on a real host by load balancers and Ingresses, under their own names only.

use hexabase_core::fixture;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::Resource;
use hexabase_k8s::HostConfig;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, from_value, json};

use crate::HostHarness;
use crate::admission_policies::{assert_rejected, create_tenant_namespace};
use crate::host::{admin, hexabase_client, impersonate, send};
use crate::user_access::{eventually, start_tenant};

fn ingress(name: &str, class: &str, host: &str) -> Ingress {
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    from_value(json!({
        "metadata": { "name": name, "annotations": { "nginx.ingress.kubernetes.io/ssl-redirect": "true" } },
        "spec": {
            "ingressClassName": class,
            "tls": [{ "hosts": [host], "secretName": "web" }],
            "rules": [{ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }],
        },
    }))
    .unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn ingresses_with_foreign_names_or_controller_options_are_rejected() {
    drop(hexabase_client().await);
    let mut config = HostConfig::default();
    config.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    let name = create_tenant_namespace("published", &config).await;
    let control_plane = impersonate(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{name}/ingresses/a");
    let valid_ingress = || {
        let mut body =
            serde_json::to_value(ingress("a", "nginx", &format!("a.{name}.apps.example"))).unwrap();
        body["apiVersion"] = json!("networking.k8s.io/v1");
        body["kind"] = json!("Ingress");
        body
    };
    let with_annotation = |key: &str, value: &str| ("/metadata/annotations", json!({ key: value }));
    let with_nginx_annotation =
        |key: &str, value: &str| with_annotation(&format!("nginx.ingress.kubernetes.io/{key}"), value);
    let path_pointer = "/spec/rules/0/http/paths/0/path";
    let bucket = json!({ "resource": { "apiGroup": "s.example", "kind": "Bucket", "name": "a" } });
    let attempts = [
        ("/spec/ingressClassName", Value::Null, "spec.ingressClassName must be nginx"),
        ("/spec/rules/0/host", Value::Null, "within"),
        ("/spec/rules/0/host", json!("apps.example"), "within"),
        ("/spec/tls/0/hosts", json!(["shop.example.com"]), "within"),
        ("/spec/tls/0/hosts", Value::Null, "within"),
        ("/spec/rules", Value::Null, "spec.defaultBackend must not be set"),
        ("/spec/rules/0/http/paths/0/backend", bucket, "must be Services"),
        (path_pointer, json!("/a {} b;"), "plain characters"),
        (path_pointer, json!("/(a+)+b"), "plain characters"),
        ("/spec/rules/0/http/paths/0/pathType", json!("ImplementationSpecific"), "pathType Exact or Prefix"),
        (path_pointer, json!("/a\"}"), "plain characters"),
    ];
    let foreign_options = [
        with_annotation("kubernetes.io/ingress.class", "nginx"),
        with_nginx_annotation("server-alias", "shop.example.com"),
        with_nginx_annotation("configuration-snippet", "return 200;"),
        with_nginx_annotation("auth-url", "http://a.example"),
        with_nginx_annotation("rewrite-target", "/;}location /{"),
        with_nginx_annotation("rewrite-target", "/$2"),
        with_nginx_annotation("use-regex", "true"),
    ];
    let foreign_options =
        foreign_options.map(|(pointer, value)| (pointer, value, "annotations of an Ingress must"));
    for (pointer, value, message) in attempts.into_iter().chain(foreign_options) {
        let mut body = valid_ingress();
        *body.pointer_mut(pointer).unwrap() = value;
        if pointer == "/spec/rules" {
            body["spec"]["defaultBackend"] = json!({ "service": { "name": "a", "port": { "number": 80 } } });
        }
        assert_rejected(&control_plane, "PATCH", &path, &body, message).await;
    }

    let mut with_rewrite = valid_ingress();
    with_rewrite["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/api");
    with_rewrite["metadata"]["annotations"] = json!({ "nginx.ingress.kubernetes.io/rewrite-target": "/v1/" });
    for body in [valid_ingress(), with_rewrite] {
        let dry_run_path = format!("{path}?fieldManager=test&dryRun=All");
        let (code, response) = send(&control_plane, "PATCH", &dry_run_path, &body).await;
        assert_eq!(code, 201, "{response}");
    }

    // Without the annotations of the host setup, Ingresses are rejected.
    let namespaces: Api<Namespace> = Api::all(admin().await);
    let annotations = json!({ "hexabase.ai/ingress-class": null, "hexabase.ai/ingress-domain": null });
    let unpublished = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
    namespaces.patch(&name, &PatchParams::default(), &unpublished).await.unwrap();
    assert_rejected(&control_plane, "PATCH", &path, &valid_ingress(), "publishes nothing").await;
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn published_services_reach_the_host_only_under_the_names_of_the_tenant() {
    let mut config = HostConfig::default();
    config.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    config.set("pod_cidr", "10.244.0.0/16").unwrap();
    let host = HostHarness::with_config(config).await;
    let mut cluster = fixture::tenant_cluster("one");
    cluster.quota = cluster
        .quota
        .with(Resource::LoadBalancers, Quantity::units(1))
        .with(Resource::Services, Quantity::units(9));
    let tenant = start_tenant(&host, &cluster).await;
    let name = &cluster.target.name;

    let services: Api<Service> = Api::namespaced(tenant.clone(), "default");
    let service = |kind: &str, name: &str| -> Service {
        from_value(
            json!({ "metadata": { "name": name }, "spec": { "type": kind, "ports": [{ "port": 80 }] } }),
        )
        .unwrap()
    };
    for created in [service("ClusterIP", "web"), service("LoadBalancer", "balanced")] {
        services.create(&PostParams::default(), &created).await.unwrap();
    }
    for (kind, message) in [("NodePort", "ports of the nodes"), ("LoadBalancer", "exceeded quota")] {
        let error = services.create(&PostParams::default(), &service(kind, "rejected")).await.unwrap_err();
        assert!(error.to_string().contains(message), "{kind}: {error}");
    }
    let ingresses: Api<Ingress> = Api::namespaced(tenant, "default");
    let own_host = format!("shop.{name}.apps.example");
    for created in [
        ingress("own", "nginx", &own_host),
        ingress("wild", "nginx", &format!("*.{name}.apps.example")),
        ingress("foreign", "nginx", "shop.example.com"),
        ingress("neighbours", "nginx", &format!("not{name}.apps.example")),
        ingress("another-class", "internal", &own_host),
    ] {
        ingresses.create(&PostParams::default(), &created).await.unwrap();
    }

    let on_host: Api<Ingress> = Api::namespaced(admin().await, name);
    let on_host_named = async |name_in_tenant: &str| {
        on_host.get_opt(&format!("{name_in_tenant}-x-default-x-{name}")).await.unwrap()
    };
    eventually("Ingresses with own names are synced", async || {
        on_host_named("own").await.is_some() && on_host_named("wild").await.is_some()
    })
    .await;
    assert_eq!(
        on_host_named("own").await.unwrap().spec.unwrap().rules.unwrap()[0].host.as_ref(),
        Some(&own_host)
    );
    let host_services: Api<Service> = Api::namespaced(admin().await, name);
    let balanced = format!("balanced-x-default-x-{name}");
    eventually("the load balancer is synced", async || {
        host_services.get_opt(&balanced).await.unwrap().is_some()
    })
    .await;

    // A rejected Ingress is synced as soon as it is valid. Afterwards it is certain that the others were rejected.
    let own_class = Patch::Merge(json!({ "spec": { "ingressClassName": "nginx" } }));
    ingresses.patch("another-class", &PatchParams::default(), &own_class).await.unwrap();
    eventually("the corrected Ingress is synced", async || on_host_named("another-class").await.is_some())
        .await;
    for rejected in ["foreign", "neighbours"] {
        assert!(on_host_named(rejected).await.is_none(), "{rejected}");
    }

    // A synced Ingress cannot be changed to a foreign name.
    let foreign_host = json!({ "spec": { "rules": [{ "host": "shop.example.com" }], "tls": Value::Null } });
    ingresses.patch("own", &PatchParams::default(), &Patch::Merge(foreign_host)).await.unwrap();
    let body_size =
        json!({ "metadata": { "annotations": { "nginx.ingress.kubernetes.io/proxy-body-size": "8m" } } });
    ingresses.patch("wild", &PatchParams::default(), &Patch::Merge(body_size)).await.unwrap();
    eventually("a permitted change is synced", async || {
        let annotations = on_host_named("wild").await.unwrap().metadata.annotations.unwrap();
        annotations.contains_key("nginx.ingress.kubernetes.io/proxy-body-size")
    })
    .await;
    assert_eq!(
        on_host_named("own").await.unwrap().spec.unwrap().rules.unwrap()[0].host.as_ref(),
        Some(&own_host)
    );
}
