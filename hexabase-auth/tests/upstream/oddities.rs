//! Oddities of OpenID Connect providers: a table of deviations from the most usual responses, each of which is accepted
//! or rejected as the standards say. Only what is verified or used has to be valid.

use std::sync::Arc;

use hexabase_auth::upstream::{OidcConfig, OidcProvider};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider as _};
use hexabase_core::name::ProviderName;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::mock_provider::TestKey;

/// Responses of a provider during one sign-in, before they are sent.
struct Responses {
    url: String,
    now: i64,
    key: TestKey,
    discovery: Value,
    keys: Value,
    /// Header and claims of the ID token.
    header: Value,
    claims: Value,
    /// Token response; the ID token is added unless the member exists.
    token: Value,
    token_media_type: &'static str,
    /// Userinfo response; a text is sent as a signed one.
    userinfo: Value,
    /// Audiences that the client trusts in addition to its own id.
    trusted_audiences: Vec<String>,
}

impl Responses {
    fn new(url: String, now: i64) -> Self {
        let key = TestKey::new("first");
        Self {
            discovery: json!({
                "issuer": url,
                "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"),
                "userinfo_endpoint": format!("{url}/userinfo"),
                "jwks_uri": format!("{url}/keys"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            }),
            keys: json!({ "keys": [key.public()] }),
            header: json!({ "alg": "ES256", "kid": "first", "typ": "JWT" }),
            claims: json!({
                "iss": url, "sub": "1", "aud": "hexabase", "nonce": "nonce", "iat": now, "exp": now + 300,
                "email": "ann@example.com", "email_verified": true, "name": "Ann",
            }),
            token: json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 3600 }),
            token_media_type: "application/json",
            userinfo: json!({ "sub": "1", "email": "ann@example.com", "email_verified": true }),
            trusted_audiences: Vec::new(),
            url,
            now,
            key,
        }
    }

    /// Moves the address from the ID token to the userinfo response.
    fn use_userinfo(&mut self) {
        self.claims.as_object_mut().unwrap().remove("email");
    }

    fn add_key(&mut self, key: Value) {
        self.keys["keys"].as_array_mut().unwrap().insert(0, key);
    }

    /// Signs a user in with these responses.
    async fn sign_in(
        mut self,
        server: &MockServer,
        clock: &Arc<ManualClock>,
    ) -> Result<ExternalIdentity, String> {
        if self.token.get("id_token").is_none() {
            self.token["id_token"] = json!(self.key.sign(&self.header, &self.claims));
        }
        let userinfo = match &self.userinfo {
            Value::String(signed) => {
                ResponseTemplate::new(200).set_body_raw(signed.clone(), "application/jwt")
            }
            claims => ResponseTemplate::new(200).set_body_json(claims),
        };
        let token = ResponseTemplate::new(200).set_body_raw(self.token.to_string(), self.token_media_type);
        let ok = |body: &Value| ResponseTemplate::new(200).set_body_json(body);
        for (verb, place, response) in [
            ("GET", "/.well-known/openid-configuration", ok(&self.discovery)),
            ("GET", "/keys", ok(&self.keys)),
            ("POST", "/token", token),
        ] {
            Mock::given(method(verb)).and(path(place)).respond_with(response).mount(server).await;
        }
        let authorized = Mock::given(path("/userinfo")).and(header("authorization", "Bearer opaque"));
        authorized.respond_with(userinfo).mount(server).await;

        let name = ProviderName::parse("odd").unwrap();
        let config = OidcConfig {
            trusted_audiences: self.trusted_audiences,
            ..OidcConfig::new(name, &self.url, "hexabase")
        };
        let provider = OidcProvider::new(config, clock.clone()).unwrap();
        let callback = "https://hexabase.example/auth/callback/odd".to_owned();
        let request = AuthorizationRequest {
            redirect_uri: callback.clone(),
            state: "state".to_owned(),
            nonce: "nonce".to_owned(),
            code_challenge: "challenge".to_owned(),
            login_hint: None,
            reauthenticate: false,
        };
        provider.authorization_url(&request).await.map_err(|error| format!("{error:?}"))?;
        let exchange = CodeExchange {
            code: "code".to_owned().into(),
            redirect_uri: callback,
            nonce: "nonce".to_owned(),
            code_verifier: "verifier".to_owned().into(),
            issuer: None,
        };
        provider.exchange(&exchange).await.map_err(|error| format!("{error:?}"))
    }
}

/// Result of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The user is signed in with the address.
    Accepted,
    /// The user is signed in, and the address does not count.
    WithoutAddress,
    /// The sign-in fails, and the cause contains this text.
    Rejected(&'static str),
}

use Verdict::{Accepted, Rejected, WithoutAddress};

/// Deviation, the reason for its verdict, the verdict, and the change of the responses.
type Row = (&'static str, &'static str, Verdict, fn(&mut Responses));

const DISCOVERY_DOCUMENTS: &[Row] = &[
    ("only the endpoints in use", "the other members of Discovery 3 are not used", Accepted, |r| {
        for unused in
            ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"]
        {
            r.discovery.as_object_mut().unwrap().remove(unused);
        }
    }),
    ("unused members of other types", "they are not used", Accepted, |r| {
        r.discovery["scopes_supported"] = json!("openid email");
        r.discovery["claims_parameter_supported"] = json!("true");
        r.discovery["response_types_supported"] = json!("code");
        r.discovery["op_tos_uri"] = json!("");
        r.discovery["service_documentation"] = Value::Null;
    }),
    ("unknown algorithms and methods", "lists may have values of extensions (Discovery 3)", Accepted, |r| {
        r.discovery["id_token_signing_alg_values_supported"] = json!(["ES256K", "ML-DSA-65", 7]);
        r.discovery["token_endpoint_auth_methods_supported"] = json!(["attest_jwt_client_auth", "none", 7]);
    }),
    ("unknown members", "Discovery 3 allows additional members", Accepted, |r| {
        r.discovery["mtls_endpoint_aliases"] = json!({ "token_endpoint": 1 });
    }),
    ("no userinfo endpoint", "it is only recommended (Discovery 3)", Accepted, |r| {
        r.discovery["userinfo_endpoint"] = Value::Null;
    }),
    ("an empty userinfo endpoint", "it is not needed for a complete ID token", Accepted, |r| {
        r.discovery["userinfo_endpoint"] = json!("");
    }),
    (
        "another issuer",
        "it must be identical to the configured one (Discovery 4.3)",
        Rejected("does not respond"),
        |r| {
            r.discovery["issuer"] = json!("https://evil.example");
        },
    ),
    (
        "a template as issuer (Microsoft Entra, common)",
        "it must be identical (Discovery 4.3)",
        Rejected("does not respond"),
        |r| {
            r.discovery["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
        },
    ),
    (
        "an issuer with a final slash more",
        "it must be identical (Discovery 4.3)",
        Rejected("does not respond"),
        |r| {
            r.discovery["issuer"] = json!(format!("{}/", r.url));
        },
    ),
    ("no key set", "jwks_uri is required and used (Discovery 3)", Rejected("does not respond"), |r| {
        r.discovery.as_object_mut().unwrap().remove("jwks_uri");
    }),
    ("no token endpoint", "the code flow requires it (Discovery 3)", Rejected("token endpoint"), |r| {
        r.discovery["token_endpoint"] = Value::Null;
    }),
];

const KEY_SETS: &[Row] = &[
    ("a key of an unknown type", "unknown types are ignored (RFC 7517 5)", Accepted, |r| {
        r.add_key(json!({ "kty": "AKP", "kid": "pq", "alg": "ML-DSA-65", "pub": "AA" }));
    }),
    ("a key on an unknown curve", "unknown keys are ignored (RFC 7517 5)", Accepted, |r| {
        r.add_key(json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "first" }));
    }),
    ("a key of an unknown algorithm", "unknown keys are ignored (RFC 7517 5)", Accepted, |r| {
        r.add_key(json!({ "kty": "RSA", "n": "AA", "e": "AQAB", "alg": "RS1", "kid": "rs1" }));
    }),
    (
        "an encryption key with the same id",
        "keys are selected by their use (RFC 7517 4.2, 4.5)",
        Accepted,
        |r| {
            let mut key = TestKey::new("first").public();
            key["use"] = json!("enc");
            r.add_key(key);
        },
    ),
    (
        "an RSA key with the same id",
        "an id may be shared by keys of different types (RFC 7517 4.5)",
        Accepted,
        |r| {
            r.add_key(json!({ "kty": "RSA", "n": "AA", "e": "AQAB", "alg": "RS256", "kid": "first" }));
        },
    ),
    (
        "a key with missing parameters",
        "keys with missing parameters are ignored (RFC 7517 5)",
        Accepted,
        |r| {
            r.add_key(json!({ "kty": "EC", "kid": "first" }));
        },
    ),
    ("entries that are no keys", "they are not understood, and ignored (RFC 7517 5)", Accepted, |r| {
        r.add_key(Value::Null);
        r.add_key(json!("key"));
    }),
    ("unused members of other types", "they are not used", Accepted, |r| {
        r.keys["keys"][0]["x5c"] = json!("MII…");
        r.keys["keys"][0]["x5t"] = json!(5);
        r.keys["keys"][0]["exp"] = json!("2030-01-01");
        r.keys["keys"][0]["key_ops"] = json!("verify");
    }),
    ("a key without algorithm and use", "both are optional (RFC 7517 4.2, 4.4)", Accepted, |r| {
        let key = r.keys["keys"][0].as_object_mut().unwrap();
        key.retain(|name, _| name != "alg" && name != "use");
    }),
    ("one key without an id", "the id is optional (RFC 7517 4.5)", Accepted, |r| {
        r.keys["keys"][0].as_object_mut().unwrap().remove("kid");
    }),
    (
        "a token without a key id, and one key",
        "the id is required for several keys (Core 10.1)",
        Accepted,
        |r| {
            r.header.as_object_mut().unwrap().remove("kid");
        },
    ),
    (
        "a token without a key id, and several keys",
        "Core 10.1 requires the id",
        Rejected("several keys"),
        |r| {
            r.header.as_object_mut().unwrap().remove("kid");
            r.add_key(TestKey::new("second").public());
        },
    ),
    (
        "a key for encryption only",
        "its use does not allow signatures (RFC 7517 4.2)",
        Rejected("no published key"),
        |r| {
            r.keys["keys"][0]["use"] = json!("enc");
        },
    ),
    (
        "a key that may not verify",
        "its operations do not allow it (RFC 7517 4.3)",
        Rejected("no published key"),
        |r| {
            r.keys["keys"][0]["key_ops"] = json!(["sign"]);
        },
    ),
    (
        "a key of another algorithm",
        "alg restricts the key (RFC 7517 4.4)",
        Rejected("no published key"),
        |r| {
            r.keys["keys"][0]["alg"] = json!("ES384");
        },
    ),
    ("a set without keys", "the member keys is required (RFC 7517 5)", Rejected("does not respond"), |r| {
        r.keys = json!({});
    }),
];

const TOKEN_RESPONSES: &[Row] = &[
    ("expires_in as text (Microsoft Entra v1)", "it is not used", Accepted, |r| {
        r.token["expires_in"] = json!("3599");
    }),
    ("a fractional expires_in", "it is not used", Accepted, |r| r.token["expires_in"] = json!(3599.5)),
    ("scope as a list", "it is not used", Accepted, |r| r.token["scope"] = json!(["openid", "email"])),
    ("members that are null", "they are not used", Accepted, |r| {
        r.token["refresh_token"] = Value::Null;
        r.token["scope"] = Value::Null;
    }),
    ("unknown members", "unrecognized members are ignored (RFC 6749 5.1)", Accepted, |r| {
        r.token["not-before-policy"] = json!(0);
        r.token["session_state"] = json!({});
    }),
    ("token_type in lower case", "it is case insensitive (RFC 6749 5.1)", Accepted, |r| {
        r.use_userinfo();
        r.token["token_type"] = json!("bearer");
    }),
    ("no token_type", "only Bearer exists (Core 3.1.3.3)", Accepted, |r| {
        r.use_userinfo();
        r.token.as_object_mut().unwrap().remove("token_type");
    }),
    ("an access token of an unknown type", "it is not used (RFC 6749 7.1)", WithoutAddress, |r| {
        r.use_userinfo();
        r.token["token_type"] = json!("mac");
    }),
    ("no access token", "it is not needed for a complete ID token", Accepted, |r| {
        r.token.as_object_mut().unwrap().remove("access_token");
    }),
    ("another media type", "the content is JSON", Accepted, |r| r.token_media_type = "text/plain"),
    ("a charset in the media type", "the content is JSON", Accepted, |r| {
        r.token_media_type = "application/json;charset=UTF-8";
    }),
    ("no ID token", "it is required (Core 3.1.3.3)", Rejected("no ID token"), |r| {
        r.token["id_token"] = Value::Null
    }),
    (
        "an error with status 200",
        "an error is not a success (RFC 6749 5.2)",
        Rejected("invalid_grant"),
        |r| {
            r.token["error"] = json!("invalid_grant");
        },
    ),
];

const ID_TOKENS: &[Row] = &[
    ("updated_at as text (Auth0)", "it is not used", Accepted, |r| {
        r.claims["updated_at"] = json!("2024-05-01T10:00:00.000Z");
    }),
    ("unused claims of other types", "they are not used", Accepted, |r| {
        r.claims["address"] = json!("1 Main Street");
        r.claims["phone_number"] = json!(49);
        r.claims["phone_number_verified"] = json!("no");
        r.claims["locale"] = json!({ "country": "DE", "language": "de" });
        r.claims["birthdate"] = json!(1990);
        r.claims["picture"] = Value::Null;
        r.claims["amr"] = json!("pwd");
        r.claims["acr"] = json!(1);
        r.claims["at_hash"] = json!(false);
    }),
    ("a name that is no text", "an optional claim that is not valid is ignored", Accepted, |r| {
        r.claims["name"] = json!({ "given": "Ann" });
    }),
    ("email_verified as text (Amazon Cognito, Apple)", "it is unambiguous", Accepted, |r| {
        r.claims["email_verified"] = json!("true");
    }),
    ("email_verified as a number", "Core 5.1 requires a Boolean", WithoutAddress, |r| {
        r.claims["email_verified"] = json!(1);
    }),
    ("no email_verified", "the address is not verified (Core 5.1)", WithoutAddress, |r| {
        r.claims.as_object_mut().unwrap().remove("email_verified");
    }),
    ("times with fractions", "a NumericDate may have them (RFC 7519 2)", Accepted, |r| {
        r.claims["iat"] = json!(r.now as f64 + 0.5);
        r.claims["exp"] = json!(r.now as f64 + 300.5);
    }),
    ("an audience as a list", "aud may be a list (Core 2)", Accepted, |r| {
        r.claims["aud"] = json!(["hexabase"])
    }),
    ("the client as authorized party (Google)", "azp is this client (Core 3.1.3.7)", Accepted, |r| {
        r.claims["azp"] = json!("hexabase");
    }),
    ("trusted additional audiences (ZITADEL)", "they are trusted (Core 3.1.3.7)", Accepted, |r| {
        r.claims["aud"] = json!(["hexabase", "project", "api"]);
        r.claims["azp"] = json!("hexabase");
        r.trusted_audiences = vec!["project".to_owned(), "api".to_owned()];
    }),
    ("no type", "typ is optional (RFC 7519 5.1)", Accepted, |r| {
        r.header.as_object_mut().unwrap().remove("typ");
    }),
    ("unknown header parameters", "they are ignored (RFC 7515 4)", Accepted, |r| {
        r.header["x5t"] = json!(7);
        r.header["x5c"] = json!("MII…");
        r.header["org.example"] = json!([]);
    }),
    ("auth_time as text", "it is unambiguous", Accepted, |r| {
        r.claims["auth_time"] = json!(r.now.to_string())
    }),
    ("auth_time that is no time", "an optional claim that is not valid is ignored", Accepted, |r| {
        r.claims["auth_time"] = json!("yesterday");
    }),
    ("an additional audience", "it is not trusted (Core 3.1.3.7)", Rejected("audience"), |r| {
        r.claims["aud"] = json!(["hexabase", "project"]);
    }),
    (
        "another audience than the trusted ones",
        "it is not trusted (Core 3.1.3.7)",
        Rejected("audience"),
        |r| {
            r.claims["aud"] = json!(["hexabase", "other"]);
            r.trusted_audiences = vec!["project".to_owned()];
        },
    ),
    ("only trusted audiences", "aud must contain the client (Core 3.1.3.7)", Rejected("audience"), |r| {
        r.claims["aud"] = json!(["project"]);
        r.trusted_audiences = vec!["project".to_owned()];
    }),
    ("an audience that is no text", "aud has texts (Core 2)", Rejected("audience"), |r| {
        r.claims["aud"] = json!(["hexabase", 7]);
    }),
    (
        "another authorized party",
        "azp must be this client (Core 3.1.3.7)",
        Rejected("authorized party"),
        |r| {
            r.claims["azp"] = json!("other");
        },
    ),
    (
        "an issuer without its scheme (Google, formerly)",
        "iss must match exactly (Core 3.1.3.7)",
        Rejected("issuer"),
        |r| {
            r.claims["iss"] = json!(r.url.trim_start_matches("http://"));
        },
    ),
    ("a numeric subject", "sub is a text (Core 2)", Rejected("subject"), |r| r.claims["sub"] = json!(1)),
    ("an empty subject", "sub identifies the user (Core 2)", Rejected("subject"), |r| {
        r.claims["sub"] = json!("")
    }),
    ("a subject of 256 characters", "sub has 255 at most (Core 2)", Rejected("subject"), |r| {
        r.claims["sub"] = json!("1".repeat(256));
    }),
    ("exp as text", "it is required, and a number (Core 2, RFC 7519 2)", Rejected("expiry"), |r| {
        r.claims["exp"] = json!((r.now + 300).to_string());
    }),
    ("no iat", "it is required (Core 2)", Rejected("time of issue"), |r| {
        r.claims.as_object_mut().unwrap().remove("iat");
    }),
    ("nbf in the future", "the token is not valid before (RFC 7519 4.1.5)", Rejected("not valid yet"), |r| {
        r.claims["nbf"] = json!(r.now + 61);
    }),
    ("a nonce that is no text", "it must be the one that was sent (Core 3.1.3.7)", Rejected("nonce"), |r| {
        r.claims["nonce"] = json!(["nonce"]);
    }),
    ("a critical extension", "it is not understood (RFC 7515 4.1.11)", Rejected("critical"), |r| {
        r.header["crit"] = json!(["b64"]);
        r.header["b64"] = json!(false);
    }),
    (
        "an algorithm in lower case",
        "it is case sensitive (RFC 7515 4.1.1)",
        Rejected("no published key"),
        |r| {
            r.header["alg"] = json!("es256");
        },
    ),
    ("a numeric key id", "kid is a text (RFC 7515 4.1.4)", Rejected("signed JWT"), |r| {
        r.header["kid"] = json!(1)
    }),
];

const USERINFO_RESPONSES: &[Row] = &[
    ("the address in the userinfo response only", "Core 5.4", Accepted, Responses::use_userinfo),
    ("email_verified as text (Amazon Cognito)", "it is unambiguous", Accepted, |r| {
        r.use_userinfo();
        r.userinfo["email_verified"] = json!("true");
    }),
    ("unused claims of other types", "they are not used", Accepted, |r| {
        r.use_userinfo();
        r.userinfo["updated_at"] = json!("2024-05-01T10:00:00.000Z");
        r.userinfo["address"] = json!("1 Main Street");
    }),
    ("an address that is no text", "an optional claim that is not valid is ignored", WithoutAddress, |r| {
        r.use_userinfo();
        r.userinfo["email"] = json!(["ann@example.com"]);
    }),
    ("a signed response", "it may be signed (Core 5.3.2)", Accepted, |r| {
        r.use_userinfo();
        let mut claims = r.userinfo.clone();
        (claims["iss"], claims["aud"]) = (json!(r.url), json!("hexabase"));
        r.userinfo = json!(r.key.sign(&r.header, &claims));
    }),
    (
        "a response that another key signed",
        "the signature is verified (Core 5.3.4)",
        Rejected("signature"),
        |r| {
            r.use_userinfo();
            r.userinfo = json!(TestKey::new("first").sign(&r.header, &r.userinfo));
        },
    ),
    (
        "a signed response for another client",
        "aud is this client (Core 5.3.2)",
        Rejected("another client"),
        |r| {
            r.use_userinfo();
            r.userinfo["aud"] = json!("other");
            r.userinfo = json!(r.key.sign(&r.header, &r.userinfo));
        },
    ),
    ("another subject", "it must be that of the ID token (Core 5.3.2)", Rejected("subject"), |r| {
        r.use_userinfo();
        r.userinfo["sub"] = json!("2");
    }),
    ("no subject", "it is required (Core 5.3.2)", Rejected("subject"), |r| {
        r.use_userinfo();
        r.userinfo.as_object_mut().unwrap().remove("sub");
    }),
];

/// Signs in once for each row. All deviations that have another verdict are reported together.
async fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (oddity, reason, verdict, change) in rows {
        let (server, clock) = (MockServer::start().await, Arc::new(ManualClock::default()));
        let mut responses = Responses::new(server.uri(), clock.now().as_second());
        change(&mut responses);
        let result = responses.sign_in(&server, &clock).await;
        let is_expected = match (&result, verdict) {
            (Ok(identity), Accepted) => identity.verified_email.is_some(),
            (Ok(identity), WithoutAddress) => identity.verified_email.is_none(),
            (Err(error), Rejected(cause)) => error.contains(cause),
            _ => false,
        };
        if !is_expected {
            wrong.push(format!("{oddity}: expected {verdict:?}, since {reason}; but {result:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn discovery_documents() {
    check(DISCOVERY_DOCUMENTS).await;
}

#[tokio::test]
async fn key_sets() {
    check(KEY_SETS).await;
}

#[tokio::test]
async fn token_responses() {
    check(TOKEN_RESPONSES).await;
}

#[tokio::test]
async fn id_tokens() {
    check(ID_TOKENS).await;
}

#[tokio::test]
async fn userinfo_responses() {
    check(USERINFO_RESPONSES).await;
}
