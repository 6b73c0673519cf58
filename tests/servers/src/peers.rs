use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::process::{Server, directory, find, free_port};

/// Returns the paths of Node.js and of a script in `tests/peers`.
///
/// # Panics
/// If Node.js or the packages are not installed; the message says how to install them.
#[must_use]
pub fn peer(script: &str) -> (PathBuf, PathBuf) {
    let node = find("node", &[], "nodejs npm");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
    assert!(
        folder.join("node_modules").is_dir(),
        "the packages of tests/peers are not installed; run: npm ci --prefix tests/peers"
    );
    (node, folder.join(script))
}

/// Returns the paths of the Python interpreter and of the folder with the scripts of `tests/peers`.
///
/// # Panics
/// If the packages are not installed; the message says how to install them.
#[must_use]
pub fn python() -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
    let interpreter = folder.join(".venv/bin/python");
    assert!(
        interpreter.is_file(),
        "the Python packages of tests/peers are not installed; run: python3 -m venv tests/peers/.venv && \
         tests/peers/.venv/bin/pip install -r tests/peers/requirements.txt"
    );
    (interpreter, folder)
}

/// Third-party Stripe stand-in (`localstripe` from PyPI), with an old version of the API and webhooks that it signs
/// itself.
#[derive(Debug)]
pub struct LocalStripe(Server);

impl LocalStripe {
    /// Starts a server.
    ///
    /// # Panics
    /// If it is not installed; the message says how to install it.
    #[must_use]
    pub fn start() -> Self {
        let (python, _) = python();
        let port = free_port();
        let serve = format!(
            "from aiohttp import web; from localstripe.server import app; web.run_app(app, host='127.0.0.1', port={port})"
        );
        Self(Server::start(python, vec!["-c".to_owned(), serve], (None, directory(None)), port, "KILL"))
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }
}

/// Returns the path of Chromium, which scripts in `tests/peers` control.
///
/// # Panics
/// If Chromium is not installed; the message says how to install it.
#[must_use]
pub fn browser() -> PathBuf {
    find("chromium", &[], "chromium")
}

/// Returns the command of a script in `tests/peers` that uses the console of a server in Chromium, with scripts `on` or
/// `off`. Arguments of the script itself follow.
///
/// # Panics
/// If Node.js, its packages or Chromium are not installed; the message says how to install them.
#[must_use]
pub fn console_journey(script: &str, url: &str, scripts: &str) -> Command {
    let (node, script) = peer(script);
    let axe = script.with_file_name("node_modules").join("axe-core/axe.min.js");
    assert!(axe.is_file(), "axe-core is not installed; run: npm ci --prefix tests/peers");
    let mut command = Command::new(node);
    command.arg(script).arg(browser()).args([url, scripts]).arg(axe);
    command
}

/// Third-party OpenID Connect provider (`oidc-provider` from npm). It has the client `hexabase` with the secret
/// [`Self::CLIENT_SECRET`], and uses the login name of a user as their e-mail address.
#[derive(Debug)]
pub struct OidcPeer {
    server: Server,
    host: &'static str,
}

impl OidcPeer {
    /// Secret of the client `hexabase`.
    pub const CLIENT_SECRET: &str = "the secret of hexabase";

    /// Starts a provider whose client has these redirect URIs.
    ///
    /// # Panics
    /// If it is not installed; the message says how to install it.
    #[must_use]
    pub fn start(redirect_uris: &[&str]) -> Self {
        Self::start_on("127.0.0.1", redirect_uris)
    }

    /// Starts a provider as [`Self::start`] does, on another loopback address. Browsers keep cookies per host, whatever
    /// the port, so that two providers on one host would overwrite each other's.
    ///
    /// # Panics
    /// If it is not installed; the message says how to install it.
    #[must_use]
    pub fn start_on(host: &'static str, redirect_uris: &[&str]) -> Self {
        let (node, script) = peer("provider.mjs");
        let port = free_port();
        let mut arguments = vec![script.display().to_string(), host.to_owned(), port.to_string()];
        arguments.extend(redirect_uris.iter().map(|uri| (*uri).to_owned()));
        Self { server: Server::start(node, arguments, (None, directory(None)), port, "KILL"), host }
    }

    /// Issuer of the provider.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://{}:{}", self.host, self.server.port())
    }

    /// Stops the provider.
    pub fn stop(&mut self) {
        self.server.end("KILL");
    }

    /// Starts the provider again on the same port, without its previous state.
    pub fn resume(&mut self) {
        self.server.resume();
    }

    /// Signs a user in who consents to all scopes of the client `hexabase`. Returns the cookies of the user's browser.
    ///
    /// # Panics
    /// If the provider does not sign the user in.
    pub async fn sign_in(&self, redirect_uri: &str, email: &str) -> String {
        let fields = [
            ("client_id", "hexabase"),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let url =
            reqwest::Url::parse_with_params(&format!("{}/auth", self.issuer()), fields).expect("invalid URL");
        self.follow(url.as_str(), email).await.1
    }

    /// Follows an authorization URL as a browser does, signs a user in, and consents. Returns the URL to which the
    /// provider redirects the browser in the end.
    ///
    /// # Panics
    /// If the provider does not sign the user in.
    pub async fn approve(&self, authorization_url: &str, email: &str) -> String {
        self.follow(authorization_url, email).await.0
    }

    /// Completes all pages of the provider. Returns the final URL and the cookies.
    async fn follow(&self, authorization_url: &str, email: &str) -> (String, String) {
        let client = Client::builder().redirect(Policy::none()).build().expect("no HTTP client");
        let mut cookies = BTreeMap::new();
        let mut url = authorization_url.to_owned();
        loop {
            let page = send(client.get(&url), &mut cookies).await;
            if let Some(next) = redirect_target(&page, &url) {
                url = next;
            } else {
                let text = page.text().await.expect("the page cannot be read");
                let prompt = if text.contains("value=\"login\"") { "login" } else { "consent" };
                assert!(text.contains(&format!("value=\"{prompt}\"")), "{text}");
                let form = format!("prompt={prompt}&login={email}&password=any");
                let form =
                    client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(form);
                url = expect_redirect(&send(form, &mut cookies).await, &url);
            }
            if !url.starts_with(&self.issuer()) {
                return (url, cookie_header(&cookies));
            }
        }
    }
}

/// Third-party CI system whose jobs request tokens as in GitHub Actions (`jose` from npm).
#[derive(Debug)]
pub struct CiPeer(Server);

impl CiPeer {
    /// Bearer token with which a job requests its token.
    pub const REQUEST_TOKEN: &str = "the job's own";

    /// Starts a CI system.
    ///
    /// # Panics
    /// If it is not installed; the message says how to install it.
    #[must_use]
    pub fn start() -> Self {
        let (node, script) = peer("ci.mjs");
        let port = free_port();
        let arguments = vec![script.display().to_string(), port.to_string()];
        Self(Server::start(node, arguments, (None, directory(None)), port, "KILL"))
    }

    /// Issuer of the tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }

    /// URL at which a job of this repository requests its token.
    #[must_use]
    pub fn request_url(&self, repository: &str) -> String {
        format!("{}/token?repository={repository}", self.issuer())
    }

    /// Requests the token of a job of this repository, for this audience.
    ///
    /// # Panics
    /// If the CI system does not respond.
    pub async fn token(&self, repository: &str, audience: &str) -> String {
        let url = format!("{}&audience={audience}", self.request_url(repository));
        let client = Client::builder().redirect(Policy::none()).build().expect("no HTTP client");
        let response = client.get(url).bearer_auth(Self::REQUEST_TOKEN).send().await.expect("no response");
        let text = response.text().await.expect("the response cannot be read");
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("the response is not JSON");
        parsed["value"].as_str().expect("the response has no token").to_owned()
    }
}

fn cookie_header(cookies: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

async fn send(request: reqwest::RequestBuilder, cookies: &mut BTreeMap<String, String>) -> Response {
    let response =
        request.header(COOKIE, cookie_header(cookies)).send().await.expect("no response of the provider");
    for cookie in response.headers().get_all(SET_COOKIE) {
        let pair = cookie.to_str().expect("invalid cookie").split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("invalid cookie");
        cookies.insert(name.to_owned(), value.to_owned());
    }
    response
}

fn redirect_target(response: &Response, from: &str) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().expect("invalid location");
    let from = reqwest::Url::parse(from).expect("invalid URL");
    Some(from.join(location).expect("invalid location").into())
}

fn expect_redirect(response: &Response, from: &str) -> String {
    redirect_target(response, from)
        .unwrap_or_else(|| panic!("{from} responded without a redirect: {}", response.status()))
}
