//! Commands `login` and `logout`: sign-in with a browser on this machine (RFC 8252) or on another one (RFC 8628).

use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Html;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::{IdSourceExt as _, SystemIds};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::saved_logins::{SavedLogins, TokenResponse};
use super::{CLIENT_ID, Server, ServerArgs, encode_form};
use crate::command::print_line;

/// Maximum time for the user to complete the sign-in.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Requested scopes: to act as the user until logout.
const SCOPE: &str = "openid profile email offline_access";

/// Sign in to a server. The tokens are stored in a file that only you can read, for the other commands.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase login --server https://hexabase.example")]
pub(crate) struct Login {
    #[command(flatten)]
    server: ServerArgs,

    /// Sign in with a browser on another machine.
    #[arg(long)]
    device: bool,

    /// Print the URL of the sign-in page without opening a browser.
    #[arg(long)]
    no_browser: bool,
}

/// Sign out of a server.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase logout --server https://hexabase.example")]
pub(crate) struct Logout {
    #[command(flatten)]
    server: ServerArgs,
}

/// Endpoints of a server (OpenID Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    revocation_endpoint: String,
}

/// Response of the device authorization endpoint (RFC 8628, section 3.2).
#[derive(Deserialize)]
struct DeviceAuthorization {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    interval: u64,
}

#[derive(Deserialize)]
struct CurrentUser {
    name: String,
    email: Option<String>,
}

async fn discover(server: &Server) -> Result<Endpoints> {
    let request = server.http.get(format!("{}/.well-known/openid-configuration", server.url));
    let response = server.send(request).await?;
    server.parse(&response.map_err(|error| error.into_error("returned no discovery document"))?)
}

impl Login {
    /// Signs in, saves the tokens and prints the user.
    pub(crate) async fn execute(&self) -> Result<()> {
        let server = self.server.connect(&SavedLogins::read()?)?;
        let endpoints = discover(&server).await?;
        let sign_in = async {
            match self.device {
                true => sign_in_with_device_code(&server, &endpoints).await,
                false => self.sign_in_with_browser(&server, &endpoints).await,
            }
        };
        let timed_out = |_| {
            Error::unauthenticated("the sign-in was not completed within 15 minutes; run the command again")
        };
        let tokens = tokio::time::timeout(SIGN_IN_TIMEOUT, sign_in).await.map_err(timed_out)??;
        let login = tokens.into_login(&server);
        let user: CurrentUser = server.get("/auth/me", &login.access_token).await?;
        SavedLogins::update(&server.url, Some(login))?;
        print_line(&format!("signed in to {} as {}", server.url, user.email.unwrap_or(user.name)))
    }

    async fn sign_in_with_browser(&self, server: &Server, endpoints: &Endpoints) -> Result<TokenResponse> {
        let unusable = |error: std::io::Error| {
            Error::unavailable("no port is available for the redirect of the browser").caused_by(error)
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(unusable)?;
        let redirect_uri = format!("http://{}/callback", listener.local_addr().map_err(unusable)?);
        let (verifier, state) = (random_text(), random_text());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let query = encode_form(&[
            ("client_id", CLIENT_ID),
            ("redirect_uri", &redirect_uri),
            ("response_type", "code"),
            ("scope", SCOPE),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])?;
        let page = format!("{}?{query}", endpoints.authorization_endpoint);
        print_line(&format!("Sign in with your browser:\n{page}"))?;
        if !self.no_browser
            && let Err(error) = open::that_detached(&page)
        {
            tracing::debug!(%error, "browser could not be opened");
        }
        let code = receive_code(listener, &state, &endpoints.issuer).await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &verifier),
        ];
        let response = server.post_form(&endpoints.token_endpoint, &form).await?;
        server.parse(&response.map_err(|error| error.into_error("issued no tokens"))?)
    }
}

/// Waits until the browser is redirected here with an authorization code. Requests with another `state` or `iss` are
/// ignored.
async fn receive_code(listener: TcpListener, state: &str, issuer: &str) -> Result<String> {
    let (sender, mut queries) = mpsc::channel(1);
    let page = async |State(sender): State<mpsc::Sender<String>>, RawQuery(query): RawQuery| {
        // Sending fails if a code was received already.
        let _ = sender.send(query.unwrap_or_default()).await;
        Html(
            "<!doctype html><title>Hexabase</title><p>You can close this page and go back to your terminal.</p>",
        )
    };
    let router = Router::new().route("/callback", get(page)).with_state(sender);
    let serving = tokio::spawn(axum::serve(listener, router).into_future());
    let code = loop {
        let closed = || Error::unexpected("the listener for the browser's redirect stopped");
        let query = queries.recv().await.ok_or_else(closed)?;
        let parameter = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        if parameter("state").as_deref() != Some(state) || parameter("iss").as_deref() != Some(issuer) {
            continue;
        }
        break parameter("code").ok_or_else(|| {
            let reason = parameter("error_description").or_else(|| parameter("error")).unwrap_or_default();
            Error::unauthenticated(format!("the server rejected the sign-in: {reason}"))
        });
    };
    // Time for the last response to reach the browser before the port is closed.
    tokio::time::sleep(Duration::from_millis(100)).await;
    serving.abort();
    code
}

async fn sign_in_with_device_code(server: &Server, endpoints: &Endpoints) -> Result<TokenResponse> {
    let form = [("client_id", CLIENT_ID), ("scope", SCOPE)];
    let response = server.post_form(&endpoints.device_authorization_endpoint, &form).await?;
    let authorization = response.map_err(|error| error.into_error("issued no device code"))?;
    let DeviceAuthorization {
        device_code,
        user_code,
        verification_uri,
        verification_uri_complete,
        mut interval,
    } = server.parse(&authorization)?;
    print_line(&format!(
        "Open {verification_uri} in any browser and enter {user_code}, or open\n{verification_uri_complete}"
    ))?;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT_ID),
        ("device_code", &device_code),
    ];
    loop {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        match server.post_form(&endpoints.token_endpoint, &form).await? {
            Ok(text) => return server.parse(&text),
            Err(error) => match error.body.error.as_deref() {
                Some("authorization_pending") => {}
                // RFC 8628, section 3.5.
                Some("slow_down") => interval += 5,
                _ => return Err(error.into_error("issued no tokens")),
            },
        }
    }
}

fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(SystemIds::default().bytes::<32>())
}

impl Logout {
    /// Revokes the session and removes the saved tokens.
    pub(crate) async fn execute(&self) -> Result<()> {
        let server = self.server.connect(&SavedLogins::read()?)?;
        let Some(login) = SavedLogins::update(&server.url, None)? else {
            return print_line(&format!("not signed in to {}", server.url));
        };
        let form = [("token", login.refresh_token.as_str()), ("client_id", CLIENT_ID)];
        let endpoint = discover(&server).await?.revocation_endpoint;
        let response = server.post_form(&endpoint, &form).await?;
        response.map_err(|error| error.into_error("did not end the session, which may still be valid"))?;
        print_line(&format!("signed out of {}", server.url))
    }
}
