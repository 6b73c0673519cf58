//! People sign in with another house's provider in a real browser, and clients of other houses let them sign in here.

use std::net::TcpListener;
use std::process::Stdio;

use hexabase_test_servers::{OidcPeer, browser, peer};
use serde_json::{Value, json};

use crate::process::{Process, program};

/// A server as in production, on which people sign in with another house's provider.
struct House {
    server: Process,
    _provider: OidcPeer,
    _folder: tempfile::TempDir,
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl House {
    async fn start(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let provider = OidcPeer::start(&[&format!("http://{address}/auth/callback/house")]);
        let mut command = program(folder.path());
        command
            .args(["serve", "--listen", &address, "--public-url", &format!("http://{address}")])
            .env("HEXABASE_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
            .env("HEXABASE_PROVIDERS__HOUSE__ISSUER", provider.issuer())
            .env("HEXABASE_PROVIDERS__HOUSE__CLIENT_ID", "hexabase")
            .env("HEXABASE_PROVIDERS__HOUSE__CLIENT_SECRET", OidcPeer::CLIENT_SECRET)
            .envs(more.iter().copied());
        let server = Process::spawn("serve", folder.path(), &mut command).await;
        Self { server, _provider: provider, _folder: folder }
    }
}

/// Lets the client of another house go through everything, and answers what it saw, step by step.
async fn client(settings: &Value) -> Vec<Value> {
    let (node, script) = peer("client.mjs");
    let mut command = tokio::process::Command::new(node);
    command.arg(script).arg(settings.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.unwrap();
    let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{errors}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn steps(seen: &[Value]) -> Vec<&str> {
    seen.iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn seen<'a>(all: &'a [Value], step: &str) -> &'a Value {
    all.iter().find(|one| one["step"] == step).unwrap()
}

#[tokio::test]
async fn a_foreign_client_signs_people_in_whom_a_foreign_provider_knows() {
    let port = free_port();
    let callback = format!("http://127.0.0.1:{port}/callback");
    let house = House::start(&[
        ("HEXABASE_CLIENTS__GRAFANA__SECRET", "a secret that nobody guesses: +%&/"),
        ("HEXABASE_CLIENTS__GRAFANA__REDIRECT_URIS", &callback),
        ("HEXABASE_CLIENTS__GRAFANA__POST_LOGOUT_REDIRECT_URIS", &callback),
    ])
    .await;
    let all = client(&json!({
        "issuer": house.server.url,
        "clientId": "grafana",
        "clientSecret": "a secret that nobody guesses: +%&/",
        "scope": "openid email profile groups offline_access",
        "port": port,
        "person": "ann@example.com",
        "chromium": browser(),
    }))
    .await;
    let expected = [
        "discovered",
        "code",
        "prompt none",
        "max_age",
        "userinfo",
        "refresh",
        "tampered token refused",
        "device",
        "introspection",
        "revocation",
        "logout",
    ];
    assert_eq!(steps(&all), expected);
    let claims = &seen(&all, "code")["claims"];
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("ann@example.com"), &json!(true)));
    assert_eq!((&claims["aud"], &claims["name"]), (&json!("grafana"), &json!("ann")));
    let group = claims["groups"][0].as_str().unwrap();
    assert!(group.starts_with("personal-") && group.ends_with(":owner"), "{claims}");
    assert_eq!(seen(&all, "userinfo")["info"]["groups"], claims["groups"]);

    let log = house.server.stop();
    for secret in ["a secret that nobody guesses", OidcPeer::CLIENT_SECRET, "code=", "code_verifier", "hxr_"]
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
