//! Token endpoint: authorization codes, refresh tokens and the tokens issued for them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use crate::test_env::{
    GRAFANA, ISSUER, LOOPBACK, SECRET, TestEnv, VERIFIER, basic, claims, dev, origin, parameters,
};

#[tokio::test]
async fn a_code_is_exchanged_for_tokens_with_the_requested_claims() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    env.clock.advance(Duration::from_secs(5));
    let tokens = env.tokens("grafana", &ann).await;
    let payload = claims(tokens.id_token.as_ref().unwrap());
    let now = env.now();
    assert_eq!(
        (&payload["iss"], &payload["aud"], &payload["nonce"]),
        (&json!(ISSUER), &json!("grafana"), &json!("the-nonce"))
    );
    assert_eq!((&payload["email"], &payload["email_verified"]), (&json!("ann@example.com"), &json!(true)));
    assert_eq!(
        (&payload["iat"], &payload["exp"], &payload["auth_time"]),
        (&json!(now), &json!(now + 600), &json!(now - 5))
    );
    assert_eq!(payload["sub"], ann.session.user_id.to_string());
    assert!(
        payload["jti"].is_string() && payload["at_hash"].is_string() && payload["groups"].is_array(),
        "{payload}"
    );
    assert_eq!(
        (tokens.token_type, tokens.scope.as_deref()),
        ("Bearer", Some("openid profile email groups offline_access"))
    );
    let userinfo = env.auth.issuer().userinfo(&tokens.access_token).await.unwrap();
    assert_eq!((&userinfo["sub"], &userinfo["email"]), (&payload["sub"], &payload["email"]));
}

#[tokio::test]
async fn the_id_token_has_the_time_of_the_latest_authentication() {
    let env = TestEnv::new().await;
    let authenticate = async |scope: &str| {
        let ann = env.browser("ann@example.com").await;
        let location = env.authorize(&TestEnv::request("console", &[("scope", scope)]), &ann).await;
        let code = crate::test_env::query(&location)("code").unwrap();
        let tokens = env.redeem("console", &code).await.unwrap();
        (claims(tokens.id_token.as_ref().unwrap())["auth_time"].clone(), tokens.refresh_token)
    };
    let (first, refresh) = authenticate("openid offline_access").await;
    assert_eq!(first, json!(env.now()));
    for scope in ["openid", "openid", "openid offline_access"] {
        env.clock.advance(Duration::from_secs(60));
        assert_eq!(authenticate(scope).await.0, json!(env.now()), "{scope}");
    }
    // A refresh is not an authentication.
    let refreshed = env.refresh("console", &refresh.unwrap()).await.unwrap();
    assert_eq!(claims(refreshed.id_token.as_ref().unwrap())["auth_time"], first);
}

#[tokio::test]
async fn a_client_receives_only_the_claims_of_its_scopes() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let location = env.authorize(&TestEnv::request("grafana", &[("scope", "openid phone")]), &ann).await;
    let code = crate::test_env::query(&location)("code").unwrap();
    let tokens = env.redeem("grafana", &code).await.unwrap();
    assert!(tokens.refresh_token.is_none(), "offline_access was not requested");
    let payload = claims(tokens.id_token.as_ref().unwrap());
    for unasked in ["email", "email_verified", "name", "groups", "org"] {
        assert!(payload.get(unasked).is_none(), "{unasked} in {payload}");
    }
    let userinfo = env.auth.issuer().userinfo(&tokens.access_token).await.unwrap();
    assert_eq!(userinfo, json!({ "sub": ann.session.user_id.to_string() }));
}

#[tokio::test]
async fn a_code_is_valid_once_for_its_client_redirect_uri_and_verifier() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let exchange = async |client: &str, code: &str, verifier: &str, redirect_uri: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri),
        ];
        let result = env.token(Some(&basic(client, SECRET)), &pairs).await;
        result.map_or_else(|error| error.error, |_| "tokens")
    };
    let fresh = async || env.code("grafana", &ann).await;
    let long = "x".repeat(129);
    assert_eq!(exchange("console", &fresh().await, VERIFIER, GRAFANA).await, "invalid_grant");
    assert_eq!(exchange("grafana", &fresh().await, VERIFIER, LOOPBACK).await, "invalid_grant");
    for verifier in [VERIFIER.to_lowercase().as_str(), "short", &long, &VERIFIER[1..]] {
        assert_eq!(exchange("grafana", &fresh().await, verifier, GRAFANA).await, "invalid_grant");
    }
    let code = fresh().await;
    assert_eq!(exchange("grafana", &code, "x".repeat(43).as_str(), GRAFANA).await, "invalid_grant");
    assert_eq!(exchange("console", &code, VERIFIER, GRAFANA).await, "invalid_grant");
    assert_eq!(
        exchange("grafana", &code, VERIFIER, GRAFANA).await,
        "tokens",
        "failed attempts do not consume the code"
    );
    assert_eq!(exchange("grafana", &code, VERIFIER, GRAFANA).await, "invalid_grant");
    let late = fresh().await;
    env.clock.advance(Duration::from_secs(61));
    assert_eq!(exchange("grafana", &late, VERIFIER, GRAFANA).await, "invalid_grant");
    assert_eq!(exchange("grafana", &fresh().await, VERIFIER, GRAFANA).await, "tokens");
}

#[tokio::test]
async fn reuse_of_a_code_revokes_its_tokens() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let code = env.code("grafana", &ann).await;
    let tokens = env.redeem("grafana", &code).await.unwrap();
    assert_eq!(env.redeem("grafana", &code).await.unwrap_err().error, "invalid_grant");
    assert_eq!(env.auth.issuer().userinfo(&tokens.access_token).await.unwrap_err().error, "invalid_token");
    let refresh = tokens.refresh_token.unwrap();
    assert_eq!(env.refresh("grafana", &refresh).await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn only_the_client_of_a_code_can_revoke_its_tokens_by_reuse() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let code = env.code("grafana", &ann).await;
    let tokens = env.redeem("grafana", &code).await.unwrap();
    let attempts = [
        ("console", VERIFIER.to_owned(), GRAFANA),
        ("grafana", "x".repeat(43), GRAFANA),
        ("grafana", VERIFIER.to_owned(), LOOPBACK),
    ];
    for (client, verifier, redirect_uri) in attempts {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", &verifier),
            ("redirect_uri", redirect_uri),
        ];
        assert!(env.token(Some(&basic(client, SECRET)), &pairs).await.is_err(), "{client} {verifier}");
        assert!(env.auth.issuer().userinfo(&tokens.access_token).await.is_ok(), "{client} {verifier}");
    }
    assert!(env.refresh("grafana", &tokens.refresh_token.unwrap()).await.is_ok());
}

#[tokio::test]
async fn reuse_of_a_code_revokes_no_tokens_of_other_codes() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let issue = async |scope: &str| {
        let location = env.authorize(&TestEnv::request("grafana", &[("scope", scope)]), &ann).await;
        let code = crate::test_env::query(&location)("code").unwrap();
        let tokens = env.redeem("grafana", &code).await.unwrap();
        (code, tokens)
    };
    let is_valid = async |tokens: &hexabase_auth::issuer::TokenResponse| {
        let form = parameters(&[("token", &tokens.access_token)]);
        let introspected =
            env.auth.issuer().introspect(Some(&basic("grafana", SECRET)), &form).await.unwrap();
        let is_valid = env.auth.issuer().userinfo(&tokens.access_token).await.is_ok();
        assert_eq!(introspected["active"], is_valid);
        is_valid
    };
    let (refreshable_code, refreshable) = issue("openid offline_access").await;
    let (first_code, first) = issue("openid").await;
    let (second_code, second) = issue("openid").await;
    assert_eq!(env.redeem("grafana", &first_code).await.unwrap_err().error, "invalid_grant");
    assert!(!is_valid(&first).await && is_valid(&second).await && is_valid(&refreshable).await);
    assert_eq!(env.redeem("grafana", &refreshable_code).await.unwrap_err().error, "invalid_grant");
    assert!(is_valid(&second).await && !is_valid(&refreshable).await);
    assert_eq!(env.redeem("grafana", &second_code).await.unwrap_err().error, "invalid_grant");
    assert!(!is_valid(&second).await);
    let (_, third) = issue("openid").await;
    assert!(is_valid(&third).await, "the consent of the user remains");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_their_reuse_ends_the_token_family() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let first = env.tokens("grafana", &ann).await;
    env.clock.advance(Duration::from_secs(900));
    let second = env.refresh("grafana", first.refresh_token.as_ref().unwrap()).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    let payload = claims(second.id_token.as_ref().unwrap());
    assert_eq!(payload["auth_time"], claims(first.id_token.as_ref().unwrap())["auth_time"]);
    assert!(payload.get("nonce").is_none(), "a refreshed ID token has no nonce");
    env.clock.advance(Duration::from_secs(31));
    assert!(env.refresh("grafana", first.refresh_token.as_ref().unwrap()).await.is_err());
    assert!(env.refresh("grafana", second.refresh_token.as_ref().unwrap()).await.is_err());
    assert!(env.auth.issuer().userinfo(&second.access_token).await.is_err());
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_its_client() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let refresh = env.tokens("grafana", &ann).await.refresh_token.unwrap();
    assert_eq!(env.refresh("console", &refresh).await.unwrap_err().error, "invalid_grant");
    assert!(
        env.auth.sessions().refresh(&refresh, &origin()).await.is_err(),
        "the refresh token of a client is not accepted by the API"
    );
    assert!(env.refresh("grafana", &refresh).await.is_ok(), "failed attempts have no effect");

    let own = env.auth.sessions().derive(ann.session.id, &origin()).await.unwrap();
    assert_eq!(env.refresh("grafana", &own.refresh_token).await.unwrap_err().error, "invalid_grant");
    assert!(env.auth.sessions().refresh(&own.refresh_token, &origin()).await.is_ok());
}

#[tokio::test]
async fn a_refresh_can_reduce_the_scope_but_not_extend_it() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let refresh = env.tokens("grafana", &ann).await.refresh_token.unwrap();
    let with = async |token: &str, scope: &str| {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        env.token(Some(&basic("grafana", SECRET)), &pairs).await
    };
    let less = with(&refresh, "openid email").await.unwrap();
    let payload = claims(less.id_token.as_ref().unwrap());
    assert!(payload.get("email").is_some() && payload.get("name").is_none(), "{payload}");
    let next = less.refresh_token.unwrap();
    let error = with(&next, "openid admin").await.unwrap_err();
    assert_eq!(error.error, "invalid_scope");
    env.clock.advance(Duration::from_secs(3_600));
    assert!(with(&next, "openid email").await.is_ok(), "a rejected refresh does not rotate the token");
}

#[tokio::test]
async fn a_client_access_token_is_valid_for_userinfo_only() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    for client in ["grafana", "argo", dev().as_str()] {
        let tokens = env.tokens(client, &ann).await;
        assert!(
            env.auth.authenticate_bearer(&tokens.access_token).await.is_err(),
            "{client}: the API accepts it"
        );
        assert!(env.auth.authenticate_bearer(tokens.id_token.as_ref().unwrap()).await.is_err(), "{client}");
        assert!(env.auth.issuer().userinfo(tokens.id_token.as_ref().unwrap()).await.is_err(), "{client}");
        assert!(env.auth.issuer().userinfo(&tokens.access_token).await.is_ok(), "{client}");
    }
    let own = env.auth.sessions().derive(ann.session.id, &origin()).await.unwrap();
    assert!(
        env.auth.issuer().userinfo(&own.access_token).await.is_err(),
        "the token was not issued to a client"
    );
    let command_line = env.tokens("hexabase", &ann).await;
    assert_eq!(
        env.auth.authenticate_bearer(&command_line.access_token).await.unwrap().user_id,
        ann.session.user_id
    );
}

#[tokio::test]
async fn workspace_tokens_carry_the_current_groups() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    let tokens = env.tokens(&dev(), &ann).await;
    let payload = claims(tokens.id_token.as_ref().unwrap());
    assert_eq!((&payload["aud"], &payload["groups"]), (&json!(dev()), &json!(["admins", "people"])));
    let org: hexabase_core::id::OrganizationId = hexabase_core::fixture::id("acme");
    assert_eq!(payload["org"], org.to_string());
    let workspace = hexabase_core::fixture::id("dev");
    let verified =
        env.auth.issuer().verify_cluster_token(tokens.id_token.as_ref().unwrap(), workspace).await.unwrap();
    assert_eq!(verified.1, ["admins", "people"]);
    // Argo CD of the same workspace gets the same groups, but its tokens are not valid for the cluster.
    let argo = env.tokens("argo", &ann).await;
    assert_eq!(claims(argo.id_token.as_ref().unwrap())["groups"], payload["groups"]);
    assert!(
        env.auth.issuer().verify_cluster_token(argo.id_token.as_ref().unwrap(), workspace).await.is_err()
    );

    env.remove_from_group(&ann).await;
    let refresh = tokens.refresh_token.unwrap();
    assert_eq!(env.refresh(&dev(), &refresh).await.unwrap_err().error, "invalid_grant");
    assert_eq!(env.auth.issuer().userinfo(&tokens.access_token).await.unwrap_err().error, "invalid_token");
    // A user who rejoins the group continues with the same token, since a rejected refresh does not rotate it.
    env.clock.advance(Duration::from_secs(3_600));
    env.add_to_group(&ann).await;
    assert!(env.refresh(&dev(), &refresh).await.is_ok());
}

#[tokio::test]
async fn a_client_can_introspect_and_revoke_its_own_tokens_only() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let tokens = env.tokens("grafana", &ann).await;
    let introspect = async |client: &str, token: &str| -> Value {
        env.auth
            .issuer()
            .introspect(Some(&basic(client, SECRET)), &parameters(&[("token", token)]))
            .await
            .unwrap()
    };
    let refresh = tokens.refresh_token.clone().unwrap();
    for token in [&tokens.access_token, &refresh] {
        let payload = introspect("grafana", token).await;
        assert_eq!(
            (&payload["active"], &payload["client_id"]),
            (&json!(true), &json!("grafana")),
            "{payload}"
        );
        assert_eq!(payload["sub"], ann.session.user_id.to_string());
        assert_eq!(
            introspect("console", token).await,
            json!({ "active": false }),
            "the token belongs to another client"
        );
    }
    for unknown in ["junk", tokens.id_token.as_ref().unwrap(), "hxr_01h455vb4pex5vsknk084sn02qAAAA"] {
        assert_eq!(introspect("grafana", unknown).await, json!({ "active": false }));
    }
    let public = parameters(&[("token", "junk"), ("client_id", "hexabase")]);
    assert_eq!(env.auth.issuer().introspect(None, &public).await.unwrap_err().error, "invalid_client");

    let revoke = async |client: &str, token: &str| {
        let form = parameters(&[("token", token)]);
        env.auth.issuer().revoke_token(Some(&basic(client, SECRET)), &form, &origin()).await
    };
    revoke("console", &refresh).await.unwrap();
    assert_eq!(
        introspect("grafana", &refresh).await["active"],
        true,
        "a client cannot revoke tokens of another client"
    );
    revoke("grafana", &tokens.access_token).await.unwrap();
    for token in [&tokens.access_token, &refresh] {
        assert_eq!(
            introspect("grafana", token).await,
            json!({ "active": false }),
            "the whole session has ended"
        );
    }
    revoke("grafana", "junk").await.unwrap();
}

#[tokio::test]
async fn tampered_tokens_are_rejected() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let token = env.tokens("grafana", &ann).await.access_token;
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
    let tampered = [
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
    for token in &tampered {
        assert!(env.auth.issuer().userinfo(token).await.is_err(), "{token}");
        assert!(env.auth.authenticate_bearer(token).await.is_err(), "{token}");
    }
    env.clock.advance(Duration::from_secs(900));
    assert!(env.auth.issuer().userinfo(&token).await.is_err(), "the token has expired");
}

#[tokio::test]
async fn unknown_key_ids_do_not_delay_valid_tokens() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let token = env.tokens("grafana", &ann).await.access_token;
    let (_, rest) = token.split_once('.').unwrap();
    for number in 0..10_000 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("made-up-{number}") });
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        assert!(env.auth.issuer().userinfo(&forged).await.is_err());
    }
    assert!(env.auth.issuer().userinfo(&token).await.is_ok());
}

#[tokio::test]
async fn unsupported_grant_types_are_rejected() {
    let env = TestEnv::new().await;
    let header = basic("grafana", SECRET);
    for (grant, error) in
        [("password", "unsupported_grant_type"), ("client_credentials", "unsupported_grant_type")]
    {
        assert_eq!(env.token(Some(&header), &[("grant_type", grant)]).await.unwrap_err().error, error);
    }
    assert_eq!(env.token(Some(&header), &[]).await.unwrap_err().error, "invalid_request");
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    assert_eq!(env.token(Some(&header), &twice).await.unwrap_err().error, "invalid_request");
}

#[tokio::test]
async fn a_client_registered_for_rs256_gets_rs256_id_tokens() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let tokens = env.tokens("old", &ann).await;
    let token = tokens.id_token.unwrap();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header["alg"], "RS256");
    let keys = env.auth.keys().jwks().await;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&key["kty"], &key["alg"]), (&json!("RSA"), &json!("RS256")));
    let verifier =
        DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&["old"]);
    assert_eq!(decode::<Value>(&token, &verifier, &validation).unwrap().claims["iss"], ISSUER);
    // A public key is not accepted as a symmetric key, and a key of one algorithm verifies no token of another.
    let (_, rest) = token.split_once('.').unwrap();
    for alg in ["HS256", "ES256", "none"] {
        let confused = json!({ "alg": alg, "typ": "JWT", "kid": header["kid"] });
        let confused = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(confused.to_string()));
        let hint = parameters(&[("id_token_hint", &confused)]);
        assert!(env.auth.issuer().logout_request(&hint).await.is_err(), "{alg}");
    }
    assert!(env.auth.issuer().logout_request(&parameters(&[("id_token_hint", &token)])).await.is_ok());
}
