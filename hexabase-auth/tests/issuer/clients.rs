//! Client authentication.

use std::time::Duration;

use hexabase_auth::issuer::OAuthError;
use serde_json::{Value, json};

use crate::test_env::{ClientKey, GRAFANA, ISSUER, SECRET, TestEnv, VERIFIER, basic, dev};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Returns the error code for an invalid authorization code: `invalid_grant` means that the client authentication
/// succeeded.
async fn error_code(env: &TestEnv, header: Option<&str>, overrides: &[(&str, &str)]) -> &'static str {
    let defaults = [
        ("grant_type", "authorization_code"),
        ("code", "made-up"),
        ("code_verifier", VERIFIER),
        ("redirect_uri", GRAFANA),
    ];
    let pairs: Vec<(&str, &str)> = defaults.into_iter().chain(overrides.iter().copied()).collect();
    let error: OAuthError = env.token(header, &pairs).await.unwrap_err();
    assert_eq!(error.status(), if error.error == "invalid_client" { 401 } else { 400 });
    error.error
}

#[tokio::test]
async fn a_secret_is_accepted_in_the_header_or_the_body() {
    let env = TestEnv::new().await;
    let id = ("client_id", "grafana");
    assert_eq!(error_code(&env, Some(&basic("grafana", SECRET)), &[]).await, "invalid_grant");
    assert_eq!(error_code(&env, Some(&basic("grafana", SECRET)), &[id]).await, "invalid_grant");
    assert_eq!(error_code(&env, None, &[id, ("client_secret", SECRET)]).await, "invalid_grant");
    for header in [
        basic("grafana", "wrong"),
        basic("grafana", ""),
        basic("unknown", SECRET),
        basic("hexabase", SECRET),
        basic(&dev(), ""),
        "Basic junk".to_owned(),
    ] {
        assert_eq!(error_code(&env, Some(&header), &[]).await, "invalid_client", "{header}");
    }
    assert_eq!(error_code(&env, None, &[id]).await, "invalid_client", "without a secret");
    assert_eq!(error_code(&env, None, &[id, ("client_secret", "wrong")]).await, "invalid_client");
    assert_eq!(error_code(&env, None, &[]).await, "invalid_client", "without a client");
    let both = [id, ("client_secret", SECRET)];
    assert_eq!(error_code(&env, Some(&basic("grafana", SECRET)), &both).await, "invalid_request");
    let another = [("client_id", "console")];
    assert_eq!(error_code(&env, Some(&basic("grafana", SECRET)), &another).await, "invalid_request");
}

#[tokio::test]
async fn credentials_of_a_public_client_are_rejected() {
    let env = TestEnv::new().await;
    let (id, workspace) = (("client_id", "hexabase"), dev());
    assert_eq!(error_code(&env, None, &[id]).await, "invalid_grant");
    assert_eq!(error_code(&env, None, &[("client_id", &workspace)]).await, "invalid_grant");
    assert_eq!(error_code(&env, None, &[id, ("client_secret", "any")]).await, "invalid_client");
}

fn assertion(env: &TestEnv, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let now = env.now();
    let mut header = json!({ "alg": "ES256", "kid": "1" });
    let mut claims =
        json!({ "iss": "signs", "sub": "signs", "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "1" });
    change(&mut header, &mut claims);
    env.key.sign(&header, &claims)
}

async fn assertion_error(env: &TestEnv, assertion: &str) -> &'static str {
    error_code(env, None, &[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]).await
}

#[tokio::test]
async fn an_assertion_is_valid_once_for_this_server_and_for_a_short_time() {
    let env = TestEnv::new().await;
    let now = env.now();
    let valid = assertion(&env, |_, _| {});
    assert_eq!(assertion_error(&env, &valid).await, "invalid_grant");
    assert_eq!(assertion_error(&env, &valid).await, "invalid_client", "the assertion was used before");
    let endpoint = assertion(&env, |_, claims| {
        claims["jti"] = json!("2");
        claims["aud"] = json!([format!("{ISSUER}/oauth2/token")]);
    });
    assert_eq!(assertion_error(&env, &endpoint).await, "invalid_grant");
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header =
        |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    let bad = [
        ("another issuer", claim("iss", json!("grafana"))),
        ("another subject", claim("sub", json!("grafana"))),
        ("another audience", claim("aud", json!("https://other.example"))),
        ("no audience", claim("aud", Value::Null)),
        ("expired", claim("exp", json!(now - 61))),
        ("no expiry", claim("exp", Value::Null)),
        ("too long a lifetime", claim("exp", json!(now + 86_400))),
        ("not yet valid", claim("nbf", json!(now + 120))),
        ("no id", claim("jti", Value::Null)),
        ("no algorithm", header("alg", json!("none"))),
        ("another algorithm", header("alg", json!("HS256"))),
        ("another key", header("kid", json!("2"))),
    ];
    for (case, change) in bad {
        let token = assertion(&env, |header, claims| {
            claims["jti"] = json!(case);
            change(header, claims);
        });
        assert_eq!(assertion_error(&env, &token).await, "invalid_client", "{case}");
    }
    let forged_key = ClientKey::new();
    let claims = json!({ "iss": "signs", "sub": "signs", "aud": ISSUER, "exp": now + 60, "jti": "9" });
    let forged_key = forged_key.sign(&json!({ "alg": "ES256", "kid": "1" }), &claims);
    assert_eq!(assertion_error(&env, &forged_key).await, "invalid_client");
    for junk in ["junk", "a.b.c", "e30.e30.e30"] {
        assert_eq!(assertion_error(&env, junk).await, "invalid_client", "{junk}");
    }
}

#[tokio::test]
async fn a_client_with_keys_cannot_authenticate_with_a_secret() {
    let env = TestEnv::new().await;
    assert_eq!(error_code(&env, Some(&basic("signs", "")), &[]).await, "invalid_client");
    assert_eq!(error_code(&env, None, &[("client_id", "signs")]).await, "invalid_client");
    env.clock.advance(Duration::from_secs(1));
    let unknown_type = [("client_assertion_type", "x"), ("client_assertion", "a.b.c")];
    assert_eq!(error_code(&env, None, &unknown_type).await, "invalid_request");
}
