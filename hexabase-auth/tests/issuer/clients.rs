//! How clients prove who they are.

use std::time::Duration;

use hexabase_auth::issuer::OAuthError;
use serde_json::{Value, json};

use crate::world::{ClientKey, GRAFANA, ISSUER, SECRET, VERIFIER, World, basic, dev};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client that proves itself like this is told when it shows a code that is none: that the code is no good
/// means that the client is.
async fn told(world: &World, header: Option<&str>, more: &[(&str, &str)]) -> &'static str {
    let usual = [
        ("grant_type", "authorization_code"),
        ("code", "made-up"),
        ("code_verifier", VERIFIER),
        ("redirect_uri", GRAFANA),
    ];
    let pairs: Vec<(&str, &str)> = usual.into_iter().chain(more.iter().copied()).collect();
    let error: OAuthError = world.token(header, &pairs).await.unwrap_err();
    assert_eq!(error.status(), if error.error == "invalid_client" { 401 } else { 400 });
    error.error
}

#[tokio::test]
async fn a_secret_goes_into_the_header_or_the_body_and_must_be_right() {
    let world = World::new().await;
    let id = ("client_id", "grafana");
    assert_eq!(told(&world, Some(&basic("grafana", SECRET)), &[]).await, "invalid_grant");
    assert_eq!(told(&world, Some(&basic("grafana", SECRET)), &[id]).await, "invalid_grant");
    assert_eq!(told(&world, None, &[id, ("client_secret", SECRET)]).await, "invalid_grant");
    for header in [
        basic("grafana", "wrong"),
        basic("grafana", ""),
        basic("nobody", SECRET),
        basic("hexabase", SECRET),
        basic(&dev(), ""),
        "Basic junk".to_owned(),
    ] {
        assert_eq!(told(&world, Some(&header), &[]).await, "invalid_client", "{header}");
    }
    assert_eq!(told(&world, None, &[id]).await, "invalid_client", "no secret at all");
    assert_eq!(told(&world, None, &[id, ("client_secret", "wrong")]).await, "invalid_client");
    assert_eq!(told(&world, None, &[]).await, "invalid_client", "no client at all");
    let both = [id, ("client_secret", SECRET)];
    assert_eq!(told(&world, Some(&basic("grafana", SECRET)), &both).await, "invalid_request");
    let another = [("client_id", "console")];
    assert_eq!(told(&world, Some(&basic("grafana", SECRET)), &another).await, "invalid_request");
}

#[tokio::test]
async fn a_client_without_a_secret_must_not_pretend_to_have_one() {
    let world = World::new().await;
    let (id, workspace) = (("client_id", "hexabase"), dev());
    assert_eq!(told(&world, None, &[id]).await, "invalid_grant");
    assert_eq!(told(&world, None, &[("client_id", &workspace)]).await, "invalid_grant");
    assert_eq!(told(&world, None, &[id, ("client_secret", "any")]).await, "invalid_client");
}

fn assertion(world: &World, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let now = world.now();
    let mut header = json!({ "alg": "ES256", "kid": "1" });
    let mut claims =
        json!({ "iss": "signs", "sub": "signs", "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "1" });
    change(&mut header, &mut claims);
    world.key.sign(&header, &claims)
}

async fn told_with(world: &World, assertion: &str) -> &'static str {
    told(world, None, &[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]).await
}

#[tokio::test]
async fn an_assertion_is_good_once_for_us_and_for_a_short_while() {
    let world = World::new().await;
    let now = world.now();
    let good = assertion(&world, |_, _| {});
    assert_eq!(told_with(&world, &good).await, "invalid_grant");
    assert_eq!(told_with(&world, &good).await, "invalid_client", "it was shown before");
    let endpoint = assertion(&world, |_, claims| {
        claims["jti"] = json!("2");
        claims["aud"] = json!([format!("{ISSUER}/oauth2/token")]);
    });
    assert_eq!(told_with(&world, &endpoint).await, "invalid_grant");
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header =
        |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    let bad = [
        ("somebody else's", claim("iss", json!("grafana"))),
        ("about somebody else", claim("sub", json!("grafana"))),
        ("for somebody else", claim("aud", json!("https://other.example"))),
        ("for nobody", claim("aud", Value::Null)),
        ("over", claim("exp", json!(now - 61))),
        ("without an end", claim("exp", Value::Null)),
        ("good for ever", claim("exp", json!(now + 86_400))),
        ("not yet good", claim("nbf", json!(now + 120))),
        ("without a name", claim("jti", Value::Null)),
        ("of no algorithm", header("alg", json!("none"))),
        ("of another algorithm", header("alg", json!("HS256"))),
        ("of another key", header("kid", json!("2"))),
    ];
    for (what, change) in bad {
        let fresh = assertion(&world, |header, claims| {
            claims["jti"] = json!(what);
            change(header, claims);
        });
        assert_eq!(told_with(&world, &fresh).await, "invalid_client", "{what}");
    }
    let forged = ClientKey::new();
    let claims = json!({ "iss": "signs", "sub": "signs", "aud": ISSUER, "exp": now + 60, "jti": "9" });
    let forged = forged.sign(&json!({ "alg": "ES256", "kid": "1" }), &claims);
    assert_eq!(told_with(&world, &forged).await, "invalid_client");
    for junk in ["junk", "a.b.c", "e30.e30.e30"] {
        assert_eq!(told_with(&world, junk).await, "invalid_client", "{junk}");
    }
}

#[tokio::test]
async fn a_client_with_keys_is_not_let_in_with_a_secret() {
    let world = World::new().await;
    assert_eq!(told(&world, Some(&basic("signs", "")), &[]).await, "invalid_client");
    assert_eq!(told(&world, None, &[("client_id", "signs")]).await, "invalid_client");
    world.clock.advance(Duration::from_secs(1));
    let of_another_kind = [("client_assertion_type", "x"), ("client_assertion", "a.b.c")];
    assert_eq!(told(&world, None, &of_another_kind).await, "invalid_request");
}
