//! Sign-in and sessions during failures of replicas and Redis, and rate limits of sign-in. No session is lost, and no
//! ended session becomes valid again.

use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::process::{Process, program};

/// Browser with cookies and without automatic redirects; each request names the replica that receives it.
struct Browser {
    http: reqwest::Client,
    cookies: Vec<String>,
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(10));
        Self { http: http.build().unwrap(), cookies: Vec::new() }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let response = request.header(COOKIE, self.cookies.join("; ")).send().await.unwrap();
        let set = response.headers().get_all(SET_COOKIE).iter();
        self.cookies.extend(set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()));
        response
    }

    /// Opens a path at a replica, and returns the path and query of the redirect.
    async fn follow(&mut self, replica: &Process, path: &str) -> String {
        let response = self.send(self.http.get(format!("{}{path}", replica.url))).await;
        redirect_path(&response)
    }

    /// Submits the form of the development provider, and returns the path and query of the redirect.
    async fn submit_email(&mut self, replica: &Process, path: &str, email: &str) -> String {
        let form = self.http.post(format!("{}{path}", replica.url));
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let response = self.send(form.body(format!("email={email}"))).await;
        redirect_path(&response)
    }

    async fn status(&mut self, replica: &Process, path: &str) -> u16 {
        self.send(self.http.get(format!("{}{path}", replica.url))).await.status().as_u16()
    }
}

fn redirect_path(response: &reqwest::Response) -> String {
    let location =
        response.headers().get(LOCATION).unwrap_or_else(|| panic!("{response:?}")).to_str().unwrap();
    location.strip_prefix("http://127.0.0.1:8080").unwrap_or(location).to_owned()
}

async fn refresh(replica: &Process, token: &str) -> Value {
    replica.client().post("/auth/refresh", &json!({ "refresh_token": token })).await
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

#[tokio::test]
async fn killed_replicas_lose_no_session() {
    let installation = Installation::new().await;
    let (first, second) = (installation.start("a", "api").await, installation.start("b", "api").await);

    // A sign-in that began at a killed replica completes at another one.
    let mut browser = Browser::new();
    let login_page = browser.follow(&first, "/auth/login/dev?return_to=/docs").await;
    let tokens = first.client().post("/auth/dev/login", &json!({ "email": "bob@example.com" })).await;
    first.kill();
    let callback = browser.submit_email(&second, &login_page, "ann@example.com").await;
    assert_eq!(browser.follow(&second, &callback).await, "/docs");
    assert_eq!(browser.status(&second, "/auth/me").await, 200);

    // The response of a killed replica is lost: a repeated refresh returns the same tokens and is not treated as
    // theft.
    let third = installation.start("c", "api").await;
    let lost = refresh(&third, text(&tokens, "refresh_token")).await;
    third.kill();
    let repeated = refresh(&second, text(&tokens, "refresh_token")).await;
    assert_eq!(text(&repeated, "refresh_token"), text(&lost, "refresh_token"));
    for token in [text(&tokens, "access_token"), text(&repeated, "access_token")] {
        assert_eq!(second.client().with_token(token).status("/auth/me").await, 200);
    }

    // After all replicas have died, all sessions are still valid.
    second.kill();
    let fourth = installation.start("d", "api").await;
    assert_eq!(browser.status(&fourth, "/auth/me").await, 200);
    refresh(&fourth, text(&repeated, "refresh_token")).await;
}

#[tokio::test]
async fn redis_that_crashes_and_loses_all_data_loses_no_session_and_revives_none() {
    let mut installation = Installation::new().await;
    let (first, second) = (installation.start("a", "api").await, installation.start("b", "api").await);
    let sign_in =
        async |email: &str| first.client().post("/auth/dev/login", &json!({ "email": email })).await;
    let (active, ended) = (sign_in("ann@example.com").await, sign_in("bob@example.com").await);
    let as_user =
        |replica: &Process, tokens: &Value| replica.client().with_token(text(tokens, "access_token"));
    as_user(&first, &ended).post("/auth/logout", &Value::Null).await;
    let mut browser = Browser::new();
    let login_page = browser.follow(&first, "/auth/login/dev").await;
    let callback = browser.submit_email(&first, &login_page, "cyd@example.com").await;

    // Without Redis, revoked sessions are unknown, so every request with a session fails.
    installation.redis.stop();
    for replica in [&first, &second] {
        for tokens in [&active, &ended] {
            assert_eq!(as_user(replica, tokens).status("/auth/me").await, 503);
        }
    }

    // Redis comes back empty. The ended session is still rejected by all replicas, and the active one accepted.
    installation.redis.resume();
    for replica in [&first, &second] {
        loop {
            match as_user(replica, &active).status("/auth/me").await {
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                status => break assert_eq!(status, 200),
            }
        }
        assert_eq!(as_user(replica, &ended).status("/auth/me").await, 401);
    }
    let refreshed = refresh(&second, text(&active, "refresh_token")).await;
    assert_eq!(as_user(&first, &refreshed).status("/auth/me").await, 200);

    // A sign-in in progress is lost and must be started again.
    assert_eq!(browser.status(&second, &callback).await, 401);
    let login_page = browser.follow(&second, "/auth/login/dev").await;
    let callback = browser.submit_email(&first, &login_page, "cyd@example.com").await;
    assert_eq!(browser.follow(&second, &callback).await, "/");
    assert_eq!(browser.status(&first, "/auth/me").await, 200);
}

#[tokio::test]
async fn sign_in_rate_limit_applies_per_client_address() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--trusted-proxies", "127.0.0.0/8"]);
    command.env("HEXABASE_SIGN_INS_PER_MINUTE", "5");
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let get_from = async |address: &str, path: &str| {
        let request = http.get(format!("{}{path}", server.url)).header("x-forwarded-for", address);
        request.send().await.unwrap()
    };
    for _ in 0..5 {
        assert_eq!(get_from("192.0.2.1", "/auth/login/dev").await.status(), 302);
    }
    let limited = get_from("192.0.2.1", "/auth/callback/dev?code=guess&state=guess").await;
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(
        get_from("192.0.2.1", "/auth/providers").await.status(),
        200,
        "other requests are not limited"
    );
    assert_eq!(get_from("192.0.2.2", "/auth/login/dev").await.status(), 302);
}
