//! Signing in and out when something is wrong: replicas and Redis die, or somebody tries too often. No session is lost, and
//! none that was ended comes back.

use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::process::{Process, program};

/// A browser that goes where it is told to, at whichever replica there is.
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
        let answer = request.header(COOKIE, self.cookies.join("; ")).send().await.unwrap();
        let set = answer.headers().get_all(SET_COOKIE).iter();
        self.cookies.extend(set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()));
        answer
    }

    /// Follows a link at a replica, and answers where that sends it: path and query.
    async fn sent_on(&mut self, replica: &Process, place: &str) -> String {
        let answer = self.send(self.http.get(format!("{}{place}", replica.url))).await;
        place_of(&answer)
    }

    /// Tells the development provider who it is.
    async fn is(&mut self, replica: &Process, place: &str, email: &str) -> String {
        let form = self.http.post(format!("{}{place}", replica.url));
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let answer = self.send(form.body(format!("email={email}"))).await;
        place_of(&answer)
    }

    async fn status(&mut self, replica: &Process, place: &str) -> u16 {
        self.send(self.http.get(format!("{}{place}", replica.url))).await.status().as_u16()
    }
}

fn place_of(answer: &reqwest::Response) -> String {
    let location = answer.headers().get(LOCATION).unwrap_or_else(|| panic!("{answer:?}")).to_str().unwrap();
    location.strip_prefix("http://127.0.0.1:8080").unwrap_or(location).to_owned()
}

async fn refreshed(replica: &Process, token: &str) -> Value {
    replica.client().post("/auth/refresh", &json!({ "refresh_token": token })).await
}

fn text<'a>(pair: &'a Value, name: &str) -> &'a str {
    pair[name].as_str().unwrap()
}

#[tokio::test]
async fn a_replica_that_dies_in_the_middle_loses_no_session() {
    let installation = Installation::new().await;
    let (first, second) = (installation.start("a", "api").await, installation.start("b", "api").await);

    // A browser begins to sign in at one, which dies: it ends at the other.
    let mut browser = Browser::new();
    let asked = browser.sent_on(&first, "/auth/login/dev?return_to=/docs").await;
    let pair = first.client().post("/auth/dev/login", &json!({ "email": "bob@example.com" })).await;
    first.kill();
    let back = browser.is(&second, &asked, "ann@example.com").await;
    assert_eq!(browser.sent_on(&second, &back).await, "/docs");
    assert_eq!(browser.status(&second, "/auth/me").await, 200);

    // An answer gets lost with the replica that gave it: whoever asks again is given the same, and nobody is a thief.
    let third = installation.start("c", "api").await;
    let lost = refreshed(&third, text(&pair, "refresh_token")).await;
    third.kill();
    let again = refreshed(&second, text(&pair, "refresh_token")).await;
    assert_eq!(text(&again, "refresh_token"), text(&lost, "refresh_token"));
    for token in [text(&pair, "access_token"), text(&again, "access_token")] {
        assert_eq!(second.client().with_token(token).status("/auth/me").await, 200);
    }

    // All of them die, and everybody is signed in where they were.
    second.kill();
    let fourth = installation.start("d", "api").await;
    assert_eq!(browser.status(&fourth, "/auth/me").await, 200);
    refreshed(&fourth, text(&again, "refresh_token")).await;
}

#[tokio::test]
async fn redis_that_dies_and_forgets_everything_loses_no_session_and_revives_none() {
    let mut installation = Installation::new().await;
    let (first, second) = (installation.start("a", "api").await, installation.start("b", "api").await);
    let pair = async |email: &str| first.client().post("/auth/dev/login", &json!({ "email": email })).await;
    let (alive, ended) = (pair("ann@example.com").await, pair("bob@example.com").await);
    let as_ = |replica: &Process, pair: &Value| replica.client().with_token(text(pair, "access_token"));
    as_(&first, &ended).post("/auth/logout", &Value::Null).await;
    let mut browser = Browser::new();
    let asked = browser.sent_on(&first, "/auth/login/dev").await;
    let back = browser.is(&first, &asked, "cyd@example.com").await;

    // While it is away nobody is let in of whom it cannot be known.
    installation.redis.stop();
    for replica in [&first, &second] {
        for pair in [&alive, &ended] {
            assert_eq!(as_(replica, pair).status("/auth/me").await, 503);
        }
    }

    // It comes back and knows nothing; whoever was signed out stays so, everywhere, and whoever was not does too.
    installation.redis.resume();
    for replica in [&first, &second] {
        loop {
            match as_(replica, &alive).status("/auth/me").await {
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                status => break assert_eq!(status, 200),
            }
        }
        assert_eq!(as_(replica, &ended).status("/auth/me").await, 401);
    }
    let renewed = refreshed(&second, text(&alive, "refresh_token")).await;
    assert_eq!(as_(&first, &renewed).status("/auth/me").await, 200);

    // A sign-in that was under way has to begin again, which does it.
    assert_eq!(browser.status(&second, &back).await, 401);
    let asked = browser.sent_on(&second, "/auth/login/dev").await;
    let back = browser.is(&first, &asked, "cyd@example.com").await;
    assert_eq!(browser.sent_on(&second, &back).await, "/");
    assert_eq!(browser.status(&first, "/auth/me").await, 200);
}

#[tokio::test]
async fn whoever_tries_to_sign_in_too_often_has_to_wait_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--trusted-proxies", "127.0.0.0/8"]);
    command.env("HEXABASE_SIGN_INS_PER_MINUTE", "5");
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let from = async |address: &str, place: &str| {
        let request = http.get(format!("{}{place}", server.url)).header("x-forwarded-for", address);
        request.send().await.unwrap()
    };
    for _ in 0..5 {
        assert_eq!(from("192.0.2.1", "/auth/login/dev").await.status(), 302);
    }
    let refused = from("192.0.2.1", "/auth/callback/dev?code=guess&state=guess").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(from("192.0.2.1", "/auth/providers").await.status(), 200, "everything else goes on");
    assert_eq!(from("192.0.2.2", "/auth/login/dev").await.status(), 302);
}
