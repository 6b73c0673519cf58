use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::process::{Server, directory, find, free_port};

/// A program of others that Hexabase speaks with, under `tests/peers`.
///
/// # Panics
/// When what it needs is not installed, saying how to install it.
#[must_use]
pub fn peer(script: &str) -> (PathBuf, PathBuf) {
    let node = find("node", &[], "nodejs npm");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
    assert!(
        folder.join("node_modules").is_dir(),
        "the peers are not installed, and this test needs them: npm ci --prefix tests/peers"
    );
    (node, folder.join(script))
}

/// As [`peer`], for those that are written in Python: its interpreter, and the folder that scripts are in.
///
/// # Panics
/// When what it needs is not installed, saying how to install it.
#[must_use]
pub fn python() -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
    let interpreter = folder.join(".venv/bin/python");
    assert!(
        interpreter.is_file(),
        "the peers in Python are not installed, and this test needs them: python3 -m venv tests/peers/.venv && \
         tests/peers/.venv/bin/pip install -r tests/peers/requirements.txt"
    );
    (interpreter, folder)
}

/// A Stripe that is not ours (`localstripe` from PyPI): an old version of the API, and webhooks that it signs itself.
#[derive(Debug)]
pub struct LocalStripe(Server);

impl LocalStripe {
    /// One of its own.
    ///
    /// # Panics
    /// When what it needs is not installed, saying how to install it.
    #[must_use]
    pub fn start() -> Self {
        let (python, _) = python();
        let port = free_port();
        let serve = format!(
            "from aiohttp import web; from localstripe.server import app; web.run_app(app, host='127.0.0.1', port={port})"
        );
        Self(Server::start(python, vec!["-c".to_owned(), serve], (None, directory(None)), port, "KILL"))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }
}

/// A real browser, which peers drive.
///
/// # Panics
/// When there is none, saying how to install it.
#[must_use]
pub fn browser() -> PathBuf {
    find("chromium", &[], "chromium")
}

/// An OpenID Connect provider that is not ours (`oidc-provider` from npm). It knows the client `hexabase`, whose secret
/// is [`Self::CLIENT_SECRET`]. Whoever signs in is taken to own the address that they give.
#[derive(Debug)]
pub struct OidcPeer(Server);

impl OidcPeer {
    /// What the client `hexabase` proves itself with.
    pub const CLIENT_SECRET: &str = "the secret of hexabase";

    /// A provider of its own that sends browsers back to these addresses.
    ///
    /// # Panics
    /// When what it needs is not installed, saying how to install it.
    #[must_use]
    pub fn start(redirect_uris: &[&str]) -> Self {
        let (node, script) = peer("provider.mjs");
        let port = free_port();
        let mut arguments = vec![script.display().to_string(), port.to_string()];
        arguments.extend(redirect_uris.iter().map(|uri| (*uri).to_owned()));
        Self(Server::start(node, arguments, (None, directory(None)), port, "KILL"))
    }

    /// Its issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.0.end("KILL");
    }

    /// Starts it again where it was, knowing nothing of before.
    pub fn resume(&mut self) {
        self.0.resume();
    }

    /// Signs somebody in who agrees to all that the client `hexabase` asks for. Answers the cookies of their browser.
    ///
    /// # Panics
    /// When the provider does not sign anybody in.
    pub async fn signed_in(&self, redirect_uri: &str, address: &str) -> String {
        let fields = [
            ("client_id", "hexabase"),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let place =
            reqwest::Url::parse_with_params(&format!("{}/auth", self.issuer()), fields).expect("a URL");
        self.follow(place.as_str(), address).await.1
    }

    /// Follows an authorization URL as a browser would, signs in there as somebody and agrees to all that is asked.
    /// Answers where the browser is sent in the end.
    ///
    /// # Panics
    /// When the provider does not sign anybody in.
    pub async fn approve(&self, authorization_url: &str, address: &str) -> String {
        self.follow(authorization_url, address).await.0
    }

    /// Where a browser ends, and the cookies that it has then.
    async fn follow(&self, authorization_url: &str, address: &str) -> (String, String) {
        let client = Client::builder().redirect(Policy::none()).build().expect("a client");
        let mut cookies = BTreeMap::new();
        let mut place = authorization_url.to_owned();
        loop {
            let page = send(client.get(&place), &mut cookies).await;
            if let Some(next) = next(&page, &place) {
                place = next;
            } else {
                let text = page.text().await.expect("a page");
                let prompt = if text.contains("value=\"login\"") { "login" } else { "consent" };
                assert!(text.contains(&format!("value=\"{prompt}\"")), "{text}");
                let form = format!("prompt={prompt}&login={address}&password=any");
                let form = client
                    .post(&place)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(form);
                place = next_of(&send(form, &mut cookies).await, &place);
            }
            if !place.starts_with(&self.issuer()) {
                return (place, written(&cookies));
            }
        }
    }
}

/// A CI system that is not ours, whose jobs get tokens as those of GitHub Actions do (`jose` from npm).
#[derive(Debug)]
pub struct CiPeer(Server);

impl CiPeer {
    /// What a job asks for its token with.
    pub const REQUEST_TOKEN: &str = "the job's own";

    /// One of its own.
    ///
    /// # Panics
    /// When what it needs is not installed, saying how to install it.
    #[must_use]
    pub fn start() -> Self {
        let (node, script) = peer("ci.mjs");
        let port = free_port();
        let arguments = vec![script.display().to_string(), port.to_string()];
        Self(Server::start(node, arguments, (None, directory(None)), port, "KILL"))
    }

    /// Its issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }

    /// Where a job of a repository asks for its token.
    #[must_use]
    pub fn request_url(&self, repository: &str) -> String {
        format!("{}/token?repository={repository}", self.issuer())
    }

    /// The token of a job of a repository, made for somebody.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn token(&self, repository: &str, audience: &str) -> String {
        let url = format!("{}&audience={audience}", self.request_url(repository));
        let client = Client::builder().redirect(Policy::none()).build().expect("a client");
        let answer = client.get(url).bearer_auth(Self::REQUEST_TOKEN).send().await.expect("it answers");
        let text = answer.text().await.expect("an answer");
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("a token");
        parsed["value"].as_str().expect("a token").to_owned()
    }
}

fn written(cookies: &BTreeMap<String, String>) -> String {
    let sent: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    sent.join("; ")
}

async fn send(request: reqwest::RequestBuilder, cookies: &mut BTreeMap<String, String>) -> Response {
    let answer = request.header(COOKIE, written(cookies)).send().await.expect("the provider answers");
    for cookie in answer.headers().get_all(SET_COOKIE) {
        let pair = cookie.to_str().expect("a cookie").split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a cookie");
        cookies.insert(name.to_owned(), value.to_owned());
    }
    answer
}

fn next(answer: &Response, from: &str) -> Option<String> {
    let location = answer.headers().get(LOCATION)?.to_str().expect("a location");
    let from = reqwest::Url::parse(from).expect("a URL");
    Some(from.join(location).expect("a URL").into())
}

fn next_of(answer: &Response, from: &str) -> String {
    next(answer, from).unwrap_or_else(|| panic!("{from} sends the browser nowhere: {}", answer.status()))
}
