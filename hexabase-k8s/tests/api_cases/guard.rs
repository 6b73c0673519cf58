use hexabase_core::desired::{self, Issuer};
use hexabase_core::fixture;
use hexabase_core::model::WorkspaceState;
use hexabase_k8s::render::tenant_objects;
use hexabase_k8s::{Kind, Object};
use serde_json::{Value, json};

use crate::{Place, eventually};

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The guard, as every tenant cluster gets it.
fn guard() -> Vec<Object> {
    let state = WorkspaceState {
        workspace: fixture::workspace("dev"),
        groups: Vec::new(),
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: String::new(), certificate_authority: None };
    let objects = tenant_objects(&desired::workspace(&state, &fixture::plan("small"), &issuer));
    let kinds = [Kind::ADMISSION_POLICY, Kind::ADMISSION_POLICY_BINDING];
    objects.into_iter().filter(|object| kinds.contains(&object.kind)).collect()
}

fn role(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "Role",
        "metadata": { "name": name, "labels": labels },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }],
    })
}

fn roles(place: &Place, name: &str) -> String {
    format!("/apis/{RBAC}/v1/namespaces/{}/roles{name}", place.namespace)
}

pub(crate) async fn nobody_else_touches_what_is_ours(place: &Place) {
    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    place.empower_somebody(everything).await;
    for (name, labels) in [("ours", json!({ "hexabase.ai/managed": "true" })), ("theirs", json!({}))] {
        assert_eq!(place.send("POST", &roles(place, ""), JSON, role(name, labels)).await.0, 201);
    }
    let guard = guard();
    let path = |object: &Object| {
        let Kind { group, version, plural, .. } = object.kind;
        format!("/apis/{group}/{version}/{plural}/{}", object.name)
    };
    for object in &guard {
        let applied = format!("{}?fieldManager=hexabase&force=true&fieldValidation=Strict", path(object));
        let (code, answer) = place.send("PATCH", &applied, APPLY, object.body.clone()).await;
        assert!([200, 201].contains(&code), "{answer}");
    }

    let somebody = place.as_somebody();
    let ours = roles(place, "/ours");
    let change = json!({ "rules": [] });
    // An API server takes a moment to hear of a policy.
    eventually("the guard is up", || async {
        somebody.send("PATCH", &ours, MERGE, json!({ "metadata": { "labels": { "a": "b" } } })).await.0 == 403
    })
    .await;
    let off = json!({ "metadata": { "labels": { "hexabase.ai/managed": null } } });
    let (none, made) = (Value::Null, role("made", json!({ "hexabase.ai/managed": "true" })));
    let attempts = [
        ("PATCH", ours.clone(), MERGE, change.clone()),
        ("PATCH", ours.clone(), MERGE, off),
        ("DELETE", ours.clone(), JSON, none.clone()),
        ("DELETE", roles(place, "?labelSelector=hexabase.ai/managed"), JSON, none.clone()),
        ("POST", roles(place, ""), JSON, made),
    ];
    for (method, path, media_type, body) in attempts {
        let (code, answer) = somebody.send(method, &path, media_type, body).await;
        let message = answer["message"].as_str().unwrap();
        assert!(code == 403 && message.contains("change it in Hexabase"), "{method} {path}: {answer}");
    }
    let theirs = roles(place, "/theirs");
    assert_eq!(somebody.send("PATCH", &theirs, MERGE, change.clone()).await.0, 200);
    assert_eq!(somebody.send("DELETE", &theirs, JSON, none.clone()).await.0, 200);

    assert_eq!(place.send("PATCH", &ours, MERGE, change).await.0, 200, "we change what is ours");
    for object in guard.iter().rev() {
        assert_eq!(place.send("DELETE", &path(object), JSON, none.clone()).await.0, 200);
    }
}
