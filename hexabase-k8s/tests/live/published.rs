//! What tenants publish of what they run, on a real host: by load balancers and by Ingresses, under their own names alone.

use hexabase_core::fixture;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::Resource;
use hexabase_k8s::HostSettings;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, from_value, json};

use crate::OnHost;
use crate::guards::{furnished, refused};
use crate::host::{act_as, admin, as_hexabase, send};
use crate::people::{bring_up, until};

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
async fn an_ingress_takes_in_nothing_of_others_and_tells_their_controller_nothing() {
    drop(as_hexabase().await);
    let mut settings = HostSettings::default();
    settings.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    let name = furnished("published", &settings).await;
    let control_plane = act_as(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{name}/ingresses/a");
    let fine = || {
        let mut body =
            serde_json::to_value(ingress("a", "nginx", &format!("a.{name}.apps.example"))).unwrap();
        body["apiVersion"] = json!("networking.k8s.io/v1");
        body["kind"] = json!("Ingress");
        body
    };
    let annotated = |key: &str, value: &str| ("/metadata/annotations", json!({ key: value }));
    let nginx = |key: &str, value: &str| annotated(&format!("nginx.ingress.kubernetes.io/{key}"), value);
    let path_of = "/spec/rules/0/http/paths/0/path";
    let bucket = json!({ "resource": { "apiGroup": "s.example", "kind": "Bucket", "name": "a" } });
    let attempts = [
        ("/spec/ingressClassName", Value::Null, "has to name the class nginx"),
        ("/spec/rules/0/host", Value::Null, "within"),
        ("/spec/rules/0/host", json!("apps.example"), "within"),
        ("/spec/tls/0/hosts", json!(["shop.example.com"]), "within"),
        ("/spec/tls/0/hosts", Value::Null, "within"),
        ("/spec/rules", Value::Null, "name of its own"),
        ("/spec/rules/0/http/paths/0/backend", bucket, "leads to Services"),
        (path_of, json!("/a {} b;"), "plain words"),
        (path_of, json!("/a\"}"), "plain words"),
    ];
    let said = [
        annotated("kubernetes.io/ingress.class", "nginx"),
        nginx("server-alias", "shop.example.com"),
        nginx("configuration-snippet", "return 200;"),
        nginx("auth-url", "http://a.example"),
        nginx("rewrite-target", "/;}location /{"),
    ];
    let said = said.map(|(place, value)| (place, value, "says nothing besides"));
    for (place, value, words) in attempts.into_iter().chain(said) {
        let mut body = fine();
        *body.pointer_mut(place).unwrap() = value;
        if place == "/spec/rules" {
            body["spec"]["defaultBackend"] = json!({ "service": { "name": "a", "port": { "number": 80 } } });
        }
        refused(&control_plane, "PATCH", &path, &body, words).await;
    }

    let mut with_a_path = fine();
    with_a_path["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/api(/|$)(.*)");
    with_a_path["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = json!("ImplementationSpecific");
    with_a_path["metadata"]["annotations"] = json!({ "nginx.ingress.kubernetes.io/rewrite-target": "/$2" });
    for body in [fine(), with_a_path] {
        let tried = format!("{path}?fieldManager=test&dryRun=All");
        let (code, answer) = send(&control_plane, "PATCH", &tried, &body).await;
        assert_eq!(code, 201, "{answer}");
    }

    // Where the host says nothing about it there are none.
    let namespaces: Api<Namespace> = Api::all(admin().await);
    let annotations = json!({ "hexabase.ai/ingress-class": null, "hexabase.ai/ingress-domain": null });
    let silent = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
    namespaces.patch(&name, &PatchParams::default(), &silent).await.unwrap();
    refused(&control_plane, "PATCH", &path, &fine(), "publishes nothing").await;
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn what_a_tenant_publishes_comes_to_the_host_under_its_own_names() {
    let mut settings = HostSettings::default();
    settings.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    settings.set("pod_cidr", "10.244.0.0/16").unwrap();
    let host = OnHost::with(settings).await;
    let mut cluster = fixture::tenant_cluster("one");
    cluster.quota = cluster
        .quota
        .with(Resource::LoadBalancers, Quantity::units(1))
        .with(Resource::Services, Quantity::units(9));
    let tenant = bring_up(&host, &cluster).await;
    let name = &cluster.target.name;

    let services: Api<Service> = Api::namespaced(tenant.clone(), "default");
    let service = |kind: &str, name: &str| -> Service {
        from_value(
            json!({ "metadata": { "name": name }, "spec": { "type": kind, "ports": [{ "port": 80 }] } }),
        )
        .unwrap()
    };
    for made in [service("ClusterIP", "web"), service("LoadBalancer", "balanced")] {
        services.create(&PostParams::default(), &made).await.unwrap();
    }
    for (kind, words) in [("NodePort", "ports of the nodes"), ("LoadBalancer", "exceeded quota")] {
        let refused = services.create(&PostParams::default(), &service(kind, "refused")).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{kind}: {refused}");
    }
    let ingresses: Api<Ingress> = Api::namespaced(tenant, "default");
    let own = format!("shop.{name}.apps.example");
    for made in [
        ingress("own", "nginx", &own),
        ingress("wild", "nginx", &format!("*.{name}.apps.example")),
        ingress("foreign", "nginx", "shop.example.com"),
        ingress("neighbours", "nginx", &format!("not{name}.apps.example")),
        ingress("another-class", "internal", &own),
    ] {
        ingresses.create(&PostParams::default(), &made).await.unwrap();
    }

    let on_host: Api<Ingress> = Api::namespaced(admin().await, name);
    let here = async |what: &str| on_host.get_opt(&format!("{what}-x-default-x-{name}")).await.unwrap();
    until("its own names are published", async || {
        here("own").await.is_some() && here("wild").await.is_some()
    })
    .await;
    assert_eq!(here("own").await.unwrap().spec.unwrap().rules.unwrap()[0].host.as_ref(), Some(&own));
    let host_services: Api<Service> = Api::namespaced(admin().await, name);
    let balanced = format!("balanced-x-default-x-{name}");
    until("it is balanced", async || host_services.get_opt(&balanced).await.unwrap().is_some()).await;

    // What may not be there is not, and comes as soon as it may: it was looked at.
    let allowed = Patch::Merge(json!({ "spec": { "ingressClassName": "nginx" } }));
    ingresses.patch("another-class", &PatchParams::default(), &allowed).await.unwrap();
    until("the class is put right", async || here("another-class").await.is_some()).await;
    for refused in ["foreign", "neighbours"] {
        assert!(here(refused).await.is_none(), "{refused}");
    }

    // Nor does it get elsewhere by a change.
    let elsewhere = json!({ "spec": { "rules": [{ "host": "shop.example.com" }], "tls": Value::Null } });
    ingresses.patch("own", &PatchParams::default(), &Patch::Merge(elsewhere)).await.unwrap();
    let marked =
        json!({ "metadata": { "annotations": { "nginx.ingress.kubernetes.io/proxy-body-size": "8m" } } });
    ingresses.patch("wild", &PatchParams::default(), &Patch::Merge(marked)).await.unwrap();
    until("a harmless change comes through", async || {
        let annotations = here("wild").await.unwrap().metadata.annotations.unwrap();
        annotations.contains_key("nginx.ingress.kubernetes.io/proxy-body-size")
    })
    .await;
    assert_eq!(here("own").await.unwrap().spec.unwrap().rules.unwrap()[0].host.as_ref(), Some(&own));
}
