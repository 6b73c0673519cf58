//! The host cluster that `HEXABASE_TEST_KUBECONFIG` names, as different people see it.

use hexabase_k8s::render::host_setup;
use hexabase_k8s::{HostIdentity, Kind, Object};
use kube::Client;
use serde_json::Value;

async fn config() -> kube::Config {
    let file =
        std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG names a kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
    kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap()
}

/// Its administrator.
pub(crate) async fn admin() -> Client {
    Client::try_from(config().await).unwrap()
}

/// Somebody whom the administrator impersonates.
pub(crate) async fn act_as(user: &str) -> Client {
    let mut config = config().await;
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).unwrap()
}

/// Somebody whom `admin` impersonates, with the groups that their token would name.
pub(crate) fn impersonating(admin: Client, user: &str, groups: &[&str]) -> Client {
    let (user, groups) = (user.to_owned(), groups.iter().map(ToString::to_string).collect::<Vec<_>>());
    let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
        let headers = request.headers_mut();
        headers.insert("impersonate-user", user.parse().unwrap());
        // As the API server itself has it for whoever shows a valid token.
        for group in groups.iter().map(String::as_str).chain(["system:authenticated"]) {
            headers.append("impersonate-group", group.parse().unwrap());
        }
        let admin = admin.clone();
        async move { admin.send(request).await }
    });
    Client::new(service, "default")
}

/// Hexabase, with no more rights than it asks for.
pub(crate) async fn as_hexabase() -> Client {
    let identity = HostIdentity::default();
    for object in host_setup(&identity) {
        apply(&object, "").await;
    }
    act_as(&format!("system:serviceaccount:{}:{}", identity.namespace, identity.name)).await
}

/// Applies an object as the administrator. It must be accepted strictly; what the API server warns of is answered.
pub(crate) async fn apply(object: &Object, more: &str) -> Vec<String> {
    let Kind { group, version, plural, .. } = object.kind;
    let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    let place = match object.namespace.as_str() {
        "" => String::new(),
        namespace => format!("namespaces/{namespace}/"),
    };
    let how = format!("fieldManager=admin&force=true&fieldValidation=Strict{more}");
    let path = format!("{root}/{version}/{place}{plural}/{}?{how}", object.name);
    let answer = ask(&admin().await, "PATCH", &path, &object.body).await;
    let warnings = answer.headers().get_all("warning").iter().map(|text| text.to_str().unwrap().to_owned());
    let warnings = warnings.collect();
    let code = answer.status().as_u16();
    let said = read(answer).await;
    assert!([200, 201].contains(&code), "{plural} {}: {said}", object.name);
    warnings
}

async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> http::Response<kube::client::Body> {
    let media_type = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.send(request.body(kube::client::Body::from(bytes)).unwrap()).await.unwrap()
}

async fn read(answer: http::Response<kube::client::Body>) -> Value {
    let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

/// Sends a request, and answers the status code and the body.
pub(crate) async fn send(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = ask(client, method, path, body).await;
    (answer.status().as_u16(), read(answer).await)
}
