//! Signing in and out at a server: with the browser on this machine (RFC 8252), or with one elsewhere (RFC 8628).

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

use super::logins::{Logins, Tokens};
use super::{CLIENT_ID, Server, Which, encoded};
use crate::command::say;

/// How long somebody may take to sign in.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// What is asked for: to act as oneself, until one signs out.
const SCOPE: &str = "openid profile email offline_access";

/// Sign in at a server. What comes of it is kept in a file of yours, and used by the other commands.
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    which: Which,

    /// Sign in with a browser on another machine.
    #[arg(long)]
    device: bool,

    /// Open no browser; only say where to go.
    #[arg(long)]
    no_browser: bool,
}

/// Sign out at a server.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    which: Which,
}

/// Where a server does what (OpenID Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    revocation_endpoint: String,
}

#[derive(Deserialize)]
struct Device {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    interval: u64,
}

#[derive(Deserialize)]
struct Me {
    name: String,
    email: Option<String>,
}

async fn endpoints(server: &Server) -> Result<Endpoints> {
    let request = server.http.get(format!("{}/.well-known/openid-configuration", server.url));
    let answer =
        server.ask(request).await?.map_err(|failed| failed.into_error("does not say how to sign in"))?;
    server.read(&answer)
}

impl Login {
    /// Signs in, and says as whom.
    pub(crate) async fn carry_out(&self) -> Result<()> {
        let server = self.which.server(&Logins::read()?)?;
        let endpoints = endpoints(&server).await?;
        let signed_in = async {
            match self.device {
                true => with_device(&server, &endpoints).await,
                false => self.with_browser(&server, &endpoints).await,
            }
        };
        let late = |_| Error::unauthenticated("nobody signed in within fifteen minutes; begin again");
        let held = tokio::time::timeout(PATIENCE, signed_in).await.map_err(late)??.held(&server);
        let me: Me = server.get("/auth/me", &held.access_token).await?;
        Logins::note(&server.url, Some(held))?;
        say(&format!("signed in at {} as {}", server.url, me.email.unwrap_or(me.name)))
    }

    async fn with_browser(&self, server: &Server, endpoints: &Endpoints) -> Result<Tokens> {
        let unusable = |error: std::io::Error| {
            Error::unavailable("no port is free for the browser to come back to").caused_by(error)
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(unusable)?;
        let redirect_uri = format!("http://{}/callback", listener.local_addr().map_err(unusable)?);
        let (verifier, state) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let query = encoded(&[
            ("client_id", CLIENT_ID),
            ("redirect_uri", &redirect_uri),
            ("response_type", "code"),
            ("scope", SCOPE),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])?;
        let page = format!("{}?{query}", endpoints.authorization_endpoint);
        say(&format!("Sign in with your browser:\n{page}"))?;
        if !self.no_browser
            && let Err(error) = open::that_detached(&page)
        {
            tracing::debug!(%error, "no browser was opened");
        }
        let code = code_of(listener, &state, &endpoints.issuer).await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &verifier),
        ];
        let answer = server.post_form(&endpoints.token_endpoint, &form).await?;
        server.read(&answer.map_err(|failed| failed.into_error("gives no tokens"))?)
    }
}

/// Waits for the browser to come back with a code. What is not for this sign-in is not listened to.
async fn code_of(listener: TcpListener, state: &str, issuer: &str) -> Result<String> {
    let (came, mut comes) = mpsc::channel(1);
    let page = async |State(came): State<mpsc::Sender<String>>, RawQuery(query): RawQuery| {
        // Nobody waits any more for those who come late.
        let _ = came.send(query.unwrap_or_default()).await;
        Html(
            "<!doctype html><title>Hexabase</title><p>You can close this page and go back to your terminal.</p>",
        )
    };
    let router = Router::new().route("/callback", get(page)).with_state(came);
    let serving = tokio::spawn(axum::serve(listener, router).into_future());
    let code = loop {
        let query = comes.recv().await.ok_or_else(|| Error::unexpected("nobody listens for the browser"))?;
        let found = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        if found("state").as_deref() != Some(state) || found("iss").as_deref() != Some(issuer) {
            continue;
        }
        break found("code").ok_or_else(|| {
            let why = found("error_description").or_else(|| found("error")).unwrap_or_default();
            Error::unauthenticated(format!("the server did not sign you in: {why}"))
        });
    };
    // The last answer gets to the browser before the port is closed.
    tokio::time::sleep(Duration::from_millis(100)).await;
    serving.abort();
    code
}

async fn with_device(server: &Server, endpoints: &Endpoints) -> Result<Tokens> {
    let form = [("client_id", CLIENT_ID), ("scope", SCOPE)];
    let answer = server.post_form(&endpoints.device_authorization_endpoint, &form).await?;
    let device: Device = server.read(&answer.map_err(|failed| failed.into_error("lets no device in"))?)?;
    let Device { device_code, user_code, verification_uri, verification_uri_complete, mut interval } = device;
    say(&format!(
        "Go to {verification_uri} with any browser and type {user_code}, or go straight to\n{verification_uri_complete}"
    ))?;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT_ID),
        ("device_code", &device_code),
    ];
    loop {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        match server.post_form(&endpoints.token_endpoint, &form).await? {
            Ok(text) => return server.read(&text),
            Err(failed) => match failed.wrong.error.as_deref() {
                Some("authorization_pending") => {}
                // RFC 8628 section 3.5.
                Some("slow_down") => interval += 5,
                _ => return Err(failed.into_error("gives no tokens")),
            },
        }
    }
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(SystemIds::default().bytes::<32>())
}

impl Logout {
    /// Signs out there, and forgets what was kept.
    pub(crate) async fn carry_out(&self) -> Result<()> {
        let server = self.which.server(&Logins::read()?)?;
        let Some(held) = Logins::note(&server.url, None)? else {
            return say(&format!("not signed in at {}", server.url));
        };
        let form = [("token", held.refresh_token.as_str()), ("client_id", CLIENT_ID)];
        let endpoint = endpoints(&server).await?.revocation_endpoint;
        let answer = server.post_form(&endpoint, &form).await?;
        answer.map_err(|failed| failed.into_error("did not end the session; it may live on there"))?;
        say(&format!("signed out at {}", server.url))
    }
}
