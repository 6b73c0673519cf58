//! Runs the example and uses its API over a socket, as the proxy in front of it does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::process::{Child, Command};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// The running example; its process ends with the value.
struct Example {
    process: Child,
    url: String,
    client: Client,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Example {
    /// Starts the example, which accepts headers from proxies in this network.
    async fn start(proxies: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hexabase-embed-api"));
        let process = command.args([address.as_str(), proxies]).spawn().unwrap();
        let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let mut example = Self { process, url: format!("http://{address}"), client };
        loop {
            match example.client.get(&example.url).send().await {
                Ok(response) => break assert_eq!(response.status(), 200),
                Err(error) if error.is_connect() => {
                    assert!(example.process.try_wait().unwrap().is_none(), "the example exited");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        example
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/tenancy/api/v1/{path}", self.url))
    }

    /// Request as the proxy forwards it for a user.
    fn request_of(&self, user: &str, method: Method, path: &str) -> RequestBuilder {
        let email = format!("{user}@example.com");
        self.request(method, path).header("x-forwarded-user", user).header("x-forwarded-email", email)
    }

    async fn get(&self, user: &str, path: &str) -> Response {
        self.request_of(user, Method::GET, path).send().await.unwrap()
    }

    async fn list(&self, user: &str, path: &str) -> Vec<Value> {
        let response = self.get(user, path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json::<Value>().await.unwrap()["items"].as_array().unwrap().clone()
    }
}

/// Status and code of an error.
async fn rejection(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

fn field(values: &[Value], name: &str) -> Vec<String> {
    values.iter().map(|value| value[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_user_of_the_proxy_has_a_tenant() {
    let example = Example::start("127.0.0.1/32").await;
    let mut paths = Vec::new();
    for (user, name) in [("ann", "shop"), ("bob", "lab")] {
        let organizations = field(&example.list(user, "organizations").await, "id");
        assert_eq!(organizations.len(), 1, "the first request creates a personal organization");
        let path = format!("organizations/{}/workspaces", organizations[0]);
        let body = json!({ "name": name, "plan_id": "standard" });
        let created = example.request_of(user, Method::POST, &path).json(&body).send().await.unwrap();
        assert_eq!(created.status(), 202);
        paths.push(path);
    }
    for (user, name, own, other) in [("ann", "shop", 0, 1), ("bob", "lab", 1, 0)] {
        let workspaces = example.list(user, &paths[own]).await;
        assert_eq!(field(&workspaces, "name"), [name]);
        let projects = format!("{}/{}/projects", paths[own], workspaces[0]["id"].as_str().unwrap());
        let status = example.get(user, &projects).await.status();
        assert_eq!(status, 200, "the area of projects is mounted");
        let (status, code) = rejection(example.get(user, &paths[other]).await).await;
        assert_eq!((status, code.as_str()), (404, "not_found"), "{user}");
    }
}

#[tokio::test]
async fn requests_count_as_those_of_a_user_from_the_proxy_only() {
    let example = Example::start("127.0.0.1/32").await;
    let anonymous = example.request(Method::GET, "organizations").send().await.unwrap();
    assert_eq!(rejection(anonymous).await, (401, "unauthenticated".to_owned()));

    let behind_another_proxy = Example::start("10.0.0.0/8").await;
    let forged = behind_another_proxy.get("ann", "organizations").await;
    assert_eq!(rejection(forged).await, (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn pages_of_other_sites_cannot_use_the_sign_in_at_the_proxy() {
    let example = Example::start("127.0.0.1/32").await;
    let create = |site: &str, origin: &str| {
        let request = example.request_of("ann", Method::POST, "organizations");
        let request = request.header("sec-fetch-site", site).header("origin", origin);
        request.json(&json!({ "name": "acme", "display_name": "Acme" })).send()
    };
    for site in ["cross-site", "same-site"] {
        let forged = create(site, "https://evil.example").await.unwrap();
        assert_eq!(rejection(forged).await, (403, "csrf".to_owned()), "{site}");
    }
    assert_eq!(create("same-origin", &example.url).await.unwrap().status(), 201);
}

#[tokio::test]
async fn areas_that_are_not_mounted_do_not_exist() {
    let example = Example::start("127.0.0.1/32").await;
    for path in ["plans", "admin/clusters", "openapi.json", "info"] {
        assert_eq!(example.get("ann", path).await.status(), 404, "{path}");
    }
    for path in ["/auth/me", "/oauth2/token", "/healthz", "/metrics", "/webhooks/stripe"] {
        for prefix in ["", "/tenancy"] {
            let response = example.client.get(format!("{}{prefix}{path}", example.url)).send().await.unwrap();
            assert_eq!(response.status(), 404, "{prefix}{path}");
        }
    }
}
