//! Codes, refresh tokens and what clients get for them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use crate::world::{
    GRAFANA, ISSUER, LOOPBACK, SECRET, VERIFIER, World, basic, claims, dev, origin, parameters,
};

#[tokio::test]
async fn a_code_becomes_tokens_with_what_was_asked_for() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    world.clock.advance(Duration::from_secs(5));
    let tokens = world.tokens("grafana", &ann).await;
    let said = claims(tokens.id_token.as_ref().unwrap());
    let now = world.now();
    assert_eq!(
        (&said["iss"], &said["aud"], &said["nonce"]),
        (&json!(ISSUER), &json!("grafana"), &json!("the-nonce"))
    );
    assert_eq!((&said["email"], &said["email_verified"]), (&json!("ann@example.com"), &json!(true)));
    assert_eq!(
        (&said["iat"], &said["exp"], &said["auth_time"]),
        (&json!(now), &json!(now + 600), &json!(now - 5))
    );
    assert_eq!(said["sub"], ann.session.user_id.to_string());
    assert!(said["jti"].is_string() && said["at_hash"].is_string() && said["groups"].is_array(), "{said}");
    assert_eq!(
        (tokens.token_type, tokens.scope.as_deref()),
        ("Bearer", Some("openid profile email groups offline_access"))
    );
    let userinfo = world.auth.userinfo(&tokens.access_token).await.unwrap();
    assert_eq!((&userinfo["sub"], &userinfo["email"]), (&said["sub"], &said["email"]));
}

#[tokio::test]
async fn a_client_is_told_no_more_than_it_asked_for() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let back = world.authorized(&World::request("grafana", &[("scope", "openid phone")]), &ann).await;
    let code = crate::world::query(&back)("code").unwrap();
    let tokens = world.redeem("grafana", &code).await.unwrap();
    assert!(tokens.refresh_token.is_none(), "nobody asked for one");
    let said = claims(tokens.id_token.as_ref().unwrap());
    for unasked in ["email", "email_verified", "name", "groups", "org"] {
        assert!(said.get(unasked).is_none(), "{unasked} in {said}");
    }
    let userinfo = world.auth.userinfo(&tokens.access_token).await.unwrap();
    assert_eq!(userinfo, json!({ "sub": ann.session.user_id.to_string() }));
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_its_address_and_its_verifier() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let exchange = async |client: &str, code: &str, verifier: &str, redirect_uri: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri),
        ];
        let done = world.token(Some(&basic(client, SECRET)), &pairs).await;
        done.map_or_else(|error| error.error, |_| "tokens")
    };
    let fresh = async || world.code("grafana", &ann).await;
    let long = "x".repeat(129);
    assert_eq!(exchange("console", &fresh().await, VERIFIER, GRAFANA).await, "invalid_grant");
    assert_eq!(exchange("grafana", &fresh().await, VERIFIER, LOOPBACK).await, "invalid_grant");
    for verifier in [VERIFIER.to_lowercase().as_str(), "short", &long, &VERIFIER[1..]] {
        assert_eq!(exchange("grafana", &fresh().await, verifier, GRAFANA).await, "invalid_grant");
    }
    let used_up = fresh().await;
    assert_eq!(exchange("grafana", &used_up, "x".repeat(43).as_str(), GRAFANA).await, "invalid_grant");
    assert_eq!(
        exchange("grafana", &used_up, VERIFIER, GRAFANA).await,
        "invalid_grant",
        "a wrong try uses it up"
    );
    let late = fresh().await;
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(exchange("grafana", &late, VERIFIER, GRAFANA).await, "invalid_grant");
    assert_eq!(exchange("grafana", &fresh().await, VERIFIER, GRAFANA).await, "tokens");
}

#[tokio::test]
async fn a_code_that_is_shown_again_ends_what_came_of_it() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let code = world.code("grafana", &ann).await;
    let tokens = world.redeem("grafana", &code).await.unwrap();
    assert_eq!(world.redeem("grafana", &code).await.unwrap_err().error, "invalid_grant");
    assert_eq!(world.auth.userinfo(&tokens.access_token).await.unwrap_err().error, "invalid_token");
    let refresh = tokens.refresh_token.unwrap();
    assert_eq!(world.refresh("grafana", &refresh).await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_an_old_one_ends_the_family() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let first = world.tokens("grafana", &ann).await;
    world.clock.advance(Duration::from_secs(900));
    let second = world.refresh("grafana", first.refresh_token.as_ref().unwrap()).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    let said = claims(second.id_token.as_ref().unwrap());
    assert_eq!(said["auth_time"], claims(first.id_token.as_ref().unwrap())["auth_time"]);
    assert!(said.get("nonce").is_none(), "a nonce is of one sign-in");
    world.clock.advance(Duration::from_secs(31));
    assert!(world.refresh("grafana", first.refresh_token.as_ref().unwrap()).await.is_err());
    assert!(world.refresh("grafana", second.refresh_token.as_ref().unwrap()).await.is_err());
    assert!(world.auth.userinfo(&second.access_token).await.is_err());
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_alone() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let refresh = world.tokens("grafana", &ann).await.refresh_token.unwrap();
    assert_eq!(world.refresh("console", &refresh).await.unwrap_err().error, "invalid_grant");
    assert!(world.auth.refresh(&refresh, &origin()).await.is_err(), "it is not for the API");
    assert!(world.refresh("grafana", &refresh).await.is_ok(), "and trying has harmed nobody");

    let own = world.auth.tokens_for_browser(ann.session.id, &origin()).await.unwrap();
    assert_eq!(world.refresh("grafana", &own.refresh_token).await.unwrap_err().error, "invalid_grant");
    assert!(world.auth.refresh(&own.refresh_token, &origin()).await.is_ok());
}

#[tokio::test]
async fn less_than_was_granted_may_be_asked_for_and_more_may_not() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let refresh = world.tokens("grafana", &ann).await.refresh_token.unwrap();
    let with = async |token: &str, scope: &str| {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        world.token(Some(&basic("grafana", SECRET)), &pairs).await
    };
    let less = with(&refresh, "openid email").await.unwrap();
    let said = claims(less.id_token.as_ref().unwrap());
    assert!(said.get("email").is_some() && said.get("name").is_none(), "{said}");
    let next = less.refresh_token.unwrap();
    let error = with(&next, "openid admin").await.unwrap_err();
    assert_eq!(error.error, "invalid_scope");
    world.clock.advance(Duration::from_secs(3_600));
    assert!(with(&next, "openid email").await.is_ok(), "what was refused has spent nothing");
}

#[tokio::test]
async fn a_clients_access_token_is_good_for_nothing_but_asking_who_somebody_is() {
    let world = World::new().await;
    let ann = world.admin("ann@example.com").await;
    for client in ["grafana", "argo", dev().as_str()] {
        let tokens = world.tokens(client, &ann).await;
        assert!(world.auth.authenticate(&tokens.access_token).await.is_err(), "{client}: not for the API");
        assert!(world.auth.authenticate(tokens.id_token.as_ref().unwrap()).await.is_err(), "{client}");
        assert!(world.auth.userinfo(tokens.id_token.as_ref().unwrap()).await.is_err(), "{client}");
        assert!(world.auth.userinfo(&tokens.access_token).await.is_ok(), "{client}");
    }
    let own = world.auth.tokens_for_browser(ann.session.id, &origin()).await.unwrap();
    assert!(world.auth.userinfo(&own.access_token).await.is_err(), "it was given to no client");
    let command_line = world.tokens("hexabase", &ann).await;
    assert_eq!(
        world.auth.authenticate(&command_line.access_token).await.unwrap().user_id,
        ann.session.user_id
    );
}

#[tokio::test]
async fn a_workspaces_tokens_carry_its_groups_as_they_are_at_that_moment() {
    let world = World::new().await;
    let ann = world.admin("ann@example.com").await;
    let tokens = world.tokens(&dev(), &ann).await;
    let said = claims(tokens.id_token.as_ref().unwrap());
    assert_eq!((&said["aud"], &said["groups"]), (&json!(dev()), &json!(["admins", "people"])));
    let org: hexabase_core::id::OrganizationId = hexabase_core::fixture::id("acme");
    assert_eq!(said["org"], org.to_string());
    let workspace = hexabase_core::fixture::id("dev");
    let verified =
        world.auth.verify_cluster_token(tokens.id_token.as_ref().unwrap(), workspace).await.unwrap();
    assert_eq!(verified.1, ["admins", "people"]);
    // Argo CD of that workspace is told the same, but its tokens are not for the cluster.
    let argo = world.tokens("argo", &ann).await;
    assert_eq!(claims(argo.id_token.as_ref().unwrap())["groups"], said["groups"]);
    assert!(world.auth.verify_cluster_token(argo.id_token.as_ref().unwrap(), workspace).await.is_err());

    world.put_out(&ann).await;
    let refresh = tokens.refresh_token.unwrap();
    assert_eq!(world.refresh(&dev(), &refresh).await.unwrap_err().error, "invalid_grant");
    assert_eq!(world.auth.userinfo(&tokens.access_token).await.unwrap_err().error, "invalid_token");
    // Whoever comes back into the group goes on where they were: to be refused is not to have spent anything.
    world.clock.advance(Duration::from_secs(3_600));
    world.put_in(&ann).await;
    assert!(world.refresh(&dev(), &refresh).await.is_ok());
}

#[tokio::test]
async fn a_client_finds_out_about_its_own_tokens_and_gives_them_back() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let tokens = world.tokens("grafana", &ann).await;
    let active = async |client: &str, token: &str| -> Value {
        world.auth.introspect(Some(&basic(client, SECRET)), &parameters(&[("token", token)])).await.unwrap()
    };
    let refresh = tokens.refresh_token.clone().unwrap();
    for token in [&tokens.access_token, &refresh] {
        let said = active("grafana", token).await;
        assert_eq!((&said["active"], &said["client_id"]), (&json!(true), &json!("grafana")), "{said}");
        assert_eq!(said["sub"], ann.session.user_id.to_string());
        assert_eq!(active("console", token).await, json!({ "active": false }), "it is another client's");
    }
    for unknown in ["junk", tokens.id_token.as_ref().unwrap(), "hxr_01h455vb4pex5vsknk084sn02qAAAA"] {
        assert_eq!(active("grafana", unknown).await, json!({ "active": false }));
    }
    let public = parameters(&[("token", "junk"), ("client_id", "hexabase")]);
    assert_eq!(world.auth.introspect(None, &public).await.unwrap_err().error, "invalid_client");

    let revoke = async |client: &str, token: &str| {
        let form = parameters(&[("token", token)]);
        world.auth.revoke_token(Some(&basic(client, SECRET)), &form, &origin()).await
    };
    revoke("console", &refresh).await.unwrap();
    assert_eq!(active("grafana", &refresh).await["active"], true, "nobody gives back what is another's");
    revoke("grafana", &tokens.access_token).await.unwrap();
    for token in [&tokens.access_token, &refresh] {
        assert_eq!(active("grafana", token).await, json!({ "active": false }), "the whole session is over");
    }
    revoke("grafana", "junk").await.unwrap();
}

#[tokio::test]
async fn tokens_that_were_tampered_with_are_nobodys() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let token = world.tokens("grafana", &ann).await.access_token;
    let parts: Vec<&str> = token.split('.').collect();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    let with_header = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1], parts[2])
    };
    let mut other = claims(&token);
    other["aud"] = json!(ISSUER);
    let other = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(other.to_string()), parts[2]);
    let hostile = [
        with_header("alg", json!("none")),
        with_header("alg", json!("HS256")),
        with_header("kid", json!("unknown")),
        with_header("typ", json!("JWT")),
        with_header("jku", json!("https://evil.example")),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        other,
        format!("{token}x"),
        "x".repeat(100_000),
    ];
    for token in &hostile {
        assert!(world.auth.userinfo(token).await.is_err(), "{token}");
        assert!(world.auth.authenticate(token).await.is_err(), "{token}");
    }
    world.clock.advance(Duration::from_secs(900));
    assert!(world.auth.userinfo(&token).await.is_err(), "it is over");
}

#[tokio::test]
async fn made_up_keys_keep_nobody_waiting() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let token = world.tokens("grafana", &ann).await.access_token;
    let (_, rest) = token.split_once('.').unwrap();
    for number in 0..10_000 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("made-up-{number}") });
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        assert!(world.auth.userinfo(&forged).await.is_err());
    }
    assert!(world.auth.userinfo(&token).await.is_ok());
}

#[tokio::test]
async fn grants_that_are_none_are_refused() {
    let world = World::new().await;
    let header = basic("grafana", SECRET);
    for (grant, error) in
        [("password", "unsupported_grant_type"), ("client_credentials", "unsupported_grant_type")]
    {
        assert_eq!(world.token(Some(&header), &[("grant_type", grant)]).await.unwrap_err().error, error);
    }
    assert_eq!(world.token(Some(&header), &[]).await.unwrap_err().error, "invalid_request");
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    assert_eq!(world.token(Some(&header), &twice).await.unwrap_err().error, "invalid_request");
}

#[tokio::test]
async fn a_client_that_knows_nothing_newer_gets_rs256() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let tokens = world.tokens("old", &ann).await;
    let token = tokens.id_token.unwrap();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header["alg"], "RS256");
    let keys = world.auth.jwks().await;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&key["kty"], &key["alg"]), (&json!("RSA"), &json!("RS256")));
    let verifier =
        DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&["old"]);
    assert_eq!(decode::<Value>(&token, &verifier, &validation).unwrap().claims["iss"], ISSUER);
    // A public key is no secret to sign with, and one algorithm's key does not verify another's tokens.
    let (_, rest) = token.split_once('.').unwrap();
    for alg in ["HS256", "ES256", "none"] {
        let confused = json!({ "alg": alg, "typ": "JWT", "kid": header["kid"] });
        let confused = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(confused.to_string()));
        let hint = parameters(&[("id_token_hint", &confused)]);
        assert!(world.auth.log_out(&hint, None, false, &origin()).await.is_err(), "{alg}");
    }
    assert!(
        world.auth.log_out(&parameters(&[("id_token_hint", &token)]), None, false, &origin()).await.is_ok()
    );
}
