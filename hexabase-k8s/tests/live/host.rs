//! Clients of the host cluster in `HEXABASE_TEST_KUBECONFIG`, for several users.

use hexabase_k8s::render::host_setup;
use hexabase_k8s::{HostConfig, HostIdentity, Kind, Object};
use kube::Client;
use kube::config::AuthInfo;
use serde_json::{Value, json};

async fn config() -> kube::Config {
    let file =
        std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG is set to a kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
    kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap()
}

/// Client of the host's administrator.
pub(crate) async fn admin() -> Client {
    Client::try_from(config().await).unwrap()
}

/// Client of a user whom the administrator impersonates.
pub(crate) async fn impersonate(user: &str) -> Client {
    let mut config = config().await;
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).unwrap()
}

/// Client of a user whom `admin` impersonates, with the groups from the user's token.
pub(crate) fn impersonate_with_groups(admin: Client, user: &str, groups: &[&str]) -> Client {
    let (user, groups) = (user.to_owned(), groups.iter().map(ToString::to_string).collect::<Vec<_>>());
    let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
        let headers = request.headers_mut();
        headers.insert("impersonate-user", user.parse().unwrap());
        // An API server adds this group to every authenticated user.
        for group in groups.iter().map(String::as_str).chain(["system:authenticated"]) {
            headers.append("impersonate-group", group.parse().unwrap());
        }
        let admin = admin.clone();
        async move { admin.send(request).await }
    });
    Client::new(service, "default")
}

/// Client of Hexabase, with only the permissions that it requires. Applies the host setup first.
pub(crate) async fn hexabase_client() -> Client {
    let identity = HostIdentity::default();
    for object in host_setup(&HostConfig::default()) {
        apply(&object, "").await;
    }
    // Hexabase impersonates ServiceAccounts of tenants, so it cannot be impersonated itself.
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", identity.namespace, identity.name);
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let (code, response) = send(&admin().await, "POST", &path, &request).await;
    assert_eq!(code, 201, "{response}");
    let token = response["status"]["token"].as_str().unwrap().to_owned();
    let mut config = config().await;
    config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    Client::try_from(config).unwrap()
}

/// Applies an object as the administrator, with strict field validation. Returns the warnings of the API server.
pub(crate) async fn apply(object: &Object, extra_params: &str) -> Vec<String> {
    let Kind { group, version, plural, .. } = object.kind;
    let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    let namespace_path = match object.namespace.as_str() {
        "" => String::new(),
        namespace => format!("namespaces/{namespace}/"),
    };
    let params = format!("fieldManager=admin&force=true&fieldValidation=Strict{extra_params}");
    let path = format!("{root}/{version}/{namespace_path}{plural}/{}?{params}", object.name);
    let response = send_request(&admin().await, "PATCH", &path, &object.body).await;
    let warnings = response.headers().get_all("warning").iter().map(|text| text.to_str().unwrap().to_owned());
    let warnings = warnings.collect();
    let code = response.status().as_u16();
    let body = read_json(response).await;
    assert!([200, 201].contains(&code), "{plural} {}: {body}", object.name);
    warnings
}

async fn send_request(
    client: &Client,
    method: &str,
    path: &str,
    body: &Value,
) -> http::Response<kube::client::Body> {
    let media_type = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.send(request.body(kube::client::Body::from(bytes)).unwrap()).await.unwrap()
}

async fn read_json(response: http::Response<kube::client::Body>) -> Value {
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

/// Sends a request, and returns the status code and the body of the response.
pub(crate) async fn send(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let response = send_request(client, method, path, body).await;
    (response.status().as_u16(), read_json(response).await)
}
