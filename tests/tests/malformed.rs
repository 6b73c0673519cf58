//! Whatever is thrown at the API: it says what is wrong in the documented form, never breaks, and nothing changes.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use hexabase_core::error::ErrorKind;
use hexabase_core::name::{GroupName, ProjectName, Slug};
use hexabase_core::quantity::Quantity;
use hexabase_tests::bodies::body_of;
use hexabase_tests::operations::operations;
use hexabase_tests::{Answer, Operation, Person, Place, World};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Somebody who may do everything, in a place with one of everything.
struct Target {
    runtime: Runtime,
    _world: World,
    ann: Person,
    place: Place,
}

impl Target {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (world, ann, place) = runtime.block_on(async {
            let world = World::new().await;
            let ann = world.person("ann").await;
            let place = world.place(&ann, "acme").await;
            (world, ann, place)
        });
        Self { runtime, _world: world, ann, place }
    }

    fn send(&self, method: &Method, path: &str, body: &Value) -> Answer {
        self.runtime.block_on(self.ann.client.send(method.clone(), path, body))
    }

    fn carry(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(self.ann.client.carry(request))
    }

    /// Everything that a change would show in.
    fn state(&self) -> Value {
        let log = self.place.path("/api/v1/organizations/{org}/audit-events?limit=1");
        let workspace = self.place.path("/api/v1/organizations/{org}/workspaces/{ws}");
        let get = |path: &str| self.runtime.block_on(self.ann.client.get(path));
        json!([get(&log)["items"], get(&workspace)["version"]])
    }
}

/// That an answer is what the contract says: no breakdown, and a problem for whatever is refused.
fn assert_documented(answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(!answer.status.is_server_error(), "{} {}", answer.status, answer.text);
    prop_assert!(answer.headers.contains_key("x-request-id"));
    if answer.status.is_client_error() {
        let kind = answer.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        prop_assert_eq!(kind, Some(b"application/problem+json".as_slice()), "{}", answer.text);
        for member in ["type", "title", "detail", "code", "request_id"] {
            prop_assert!(answer.body[member].is_string(), "{} is missing: {}", member, answer.text);
        }
        prop_assert_eq!(&answer.body["status"], &json!(answer.status.as_u16()));
        if answer.body["code"] == ErrorKind::Invalid.as_str()
            && answer.status == StatusCode::UNPROCESSABLE_ENTITY
        {
            prop_assert!(answer.body["errors"][0]["field"].is_string(), "{}", answer.text);
        }
    }
    Ok(())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[a-z0-9-]{0,80}".prop_map(Value::from),
        "[0-9.]{0,12}(m|k|Ki|Gi|E|e99)?".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{0,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// How a good body is spoilt.
#[derive(Debug, Clone)]
enum Spoiling {
    Replace(usize, Value),
    Remove(usize),
    Add(String, Value),
    Instead(Value),
}

fn spoiling() -> impl Strategy<Value = Spoiling> {
    prop_oneof![
        4 => (any::<usize>(), json_value()).prop_map(|(which, value)| Spoiling::Replace(which, value)),
        1 => any::<usize>().prop_map(Spoiling::Remove),
        1 => ("[a-z_]{1,10}", json_value()).prop_map(|(name, value)| Spoiling::Add(name, value)),
        1 => json_value().prop_map(Spoiling::Instead),
    ]
}

fn spoil(good: &Value, spoiling: &Spoiling) -> Value {
    let Value::Object(mut fields) = good.clone() else { return good.clone() };
    let name = |which: usize| fields.keys().nth(which % fields.len().max(1)).cloned().unwrap_or_default();
    match spoiling {
        Spoiling::Replace(which, value) => drop(fields.insert(name(*which), value.clone())),
        Spoiling::Remove(which) => drop(fields.remove(&name(*which))),
        Spoiling::Add(name, value) => drop(fields.insert(name.clone(), value.clone())),
        Spoiling::Instead(value) => return value.clone(),
    }
    Value::Object(fields)
}

fn cases(number: u32) -> ProptestConfig {
    ProptestConfig { cases: number, failure_persistence: None, ..ProptestConfig::default() }
}

/// Those of the OpenID Connect provider: they take forms, and answer in the words of OAuth, or with pages.
fn is_of_provider(operation: &Operation) -> bool {
    operation.path.starts_with("/oauth2/")
}

/// Those that take a body of JSON.
fn with_body() -> Vec<Operation> {
    let taking =
        operations().into_iter().filter(|operation| operation.has_body && !is_of_provider(operation));
    taking.filter(|operation| !operation.path.starts_with("/auth/dev/authorize")).collect()
}

/// Those that only read.
fn reading() -> Vec<Operation> {
    let reading = operations().into_iter().filter(|operation| operation.method == Method::GET);
    reading.filter(|operation| !is_of_provider(operation)).collect()
}

/// Parameters that the provider knows, with values that make sense by accident at best.
fn oauth_parameters() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        select(vec![
            "client_id",
            "client_secret",
            "client_assertion",
            "client_assertion_type",
            "redirect_uri",
            "scope",
            "state",
            "nonce",
            "response_type",
            "code_challenge",
            "code_challenge_method",
            "prompt",
            "max_age",
            "id_token_hint",
            "grant_type",
            "code",
            "code_verifier",
            "refresh_token",
            "device_code",
            "user_code",
            "subject_token",
            "subject_token_type",
            "audience",
            "token",
            "continue",
            "decision",
            "csrf",
            "post_logout_redirect_uri",
        ])
        .prop_map(str::to_owned),
        "[a-z_%]{0,10}",
    ];
    let value = prop_oneof![
        select(vec![
            "hexabase",
            "code",
            "openid",
            "S256",
            "authorization_code",
            "refresh_token",
            "none",
            "0",
            "allow",
            "http://127.0.0.1:1/callback",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "e30.e30.e30",
            "hxr_",
        ])
        .prop_map(str::to_owned),
        "[A-Za-z0-9%._~:/+ -]{0,60}",
    ];
    prop::collection::vec((name, value).prop_map(|(name, value)| format!("{name}={value}")), 0..10)
        .prop_map(|pairs| pairs.join("&"))
}

#[test]
fn what_makes_no_sense_to_the_provider_is_refused_in_the_words_of_oauth() {
    let target = Target::new();
    let before = target.state();
    let of_provider: Vec<Operation> = operations().into_iter().filter(is_of_provider).collect();
    let kinds = select(vec!["application/x-www-form-urlencoded", "application/json", "text/plain; x", ""]);
    let header = prop_oneof![Just(None), "(Basic|Bearer|basic|x) [A-Za-z0-9+/=.]{0,40}".prop_map(Some),];
    proptest!(cases(1_500), |(
        operation in select(of_provider), parameters in oauth_parameters(), kind in kinds, header in header,
    )| {
        let mut request = Request::builder().method(operation.method.clone());
        request = if operation.method == Method::GET {
            let query: String = parameters.chars().filter(|letter| !letter.is_whitespace()).collect();
            request.uri(format!("{}?{query}", operation.path))
        } else {
            request.uri(&operation.path).header(CONTENT_TYPE, kind)
        };
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let body = if operation.method == Method::GET { Body::empty() } else { Body::from(parameters) };
        let answer = target.carry(request.body(body).unwrap());
        prop_assert!(!answer.status.is_server_error(), "{}: {} {}", operation, answer.status, answer.text);
        if answer.status.is_client_error() {
            let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            prop_assert!(kind.starts_with("text/html") || answer.body["error"].is_string(), "{}", answer.text);
        }
        if let Some(place) = answer.headers.get(LOCATION).and_then(|place| place.to_str().ok()) {
            let known = ["/auth/login/", "http://127.0.0.1:1/callback"];
            prop_assert!(known.iter().any(|known| place.starts_with(known)), "{} sends to {}", operation, place);
        }
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_spoilt_body_is_refused_in_the_documented_form_and_changes_nothing() {
    let target = Target::new();
    proptest!(cases(600), |(operation in select(with_body()), spoiling in spoiling())| {
        let body = spoil(&body_of(&operation, &target.place), &spoiling);
        let before = target.state();
        let answer = target.send(&operation.method, &target.place.path(&operation.path), &body);
        assert_documented(&answer)?;
        if answer.status.is_client_error() {
            prop_assert_eq!(target.state(), before, "{} was refused and did something", operation);
        }
    });
}

#[test]
fn bytes_that_are_no_json_are_refused() {
    let target = Target::new();
    let before = target.state();
    let junk = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..200),
        "[{\\[\"]{1,200}".prop_map(String::into_bytes),
        Just("[".repeat(100_000).into_bytes()),
        Just(br#"{"name":"a","name":"b"}"#.to_vec()),
    ];
    proptest!(cases(200), |(operation in select(with_body()), junk in junk)| {
        prop_assume!(serde_json::from_slice::<Value>(&junk).is_err() || junk.starts_with(b"{\"name\":\"a\""));
        let path = target.place.path(&operation.path);
        let request = Request::builder().method(operation.method.clone()).uri(path);
        let request = request.header(CONTENT_TYPE, "application/json").body(Body::from(junk)).unwrap();
        let answer = target.carry(request);
        assert_documented(&answer)?;
        prop_assert!(answer.status.is_client_error(), "{}: {}", operation, answer.status);
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_body_that_is_too_large_or_of_another_kind_is_refused() {
    let target = Target::new();
    let before = target.state();
    for operation in with_body() {
        let path = target.place.path(&operation.path);
        let request = |kind: &str, body: Vec<u8>| {
            let request = Request::builder().method(operation.method.clone()).uri(&path);
            target.carry(request.header(CONTENT_TYPE, kind).body(Body::from(body)).unwrap())
        };
        let large = request("application/json", vec![b' '; 1024 * 1024 + 1]);
        assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{operation}");
        let other = request("text/plain", body_of(&operation, &target.place).to_string().into_bytes());
        assert!(other.status.is_client_error(), "{operation}: {}", other.status);
        assert_documented(&other).unwrap();
    }
    assert_eq!(target.state(), before);
}

#[test]
fn a_path_that_names_nothing_is_not_found() {
    let target = Target::new();
    let before = target.state();
    let inside: Vec<Operation> =
        operations().into_iter().filter(|operation| operation.action.is_some()).collect();
    let id = prop_oneof![
        "[a-z]{2,4}_[0-9a-z]{20,30}",
        "(%[0-9A-F]{2}){1,12}",
        "[A-Za-z0-9_.~-]{1,60}",
        Just("org_zzzzzzzzzzzzzzzzzzzzzzzzzz".to_owned()),
    ];
    proptest!(cases(400), |(operation in select(inside), which in any::<prop::sample::Index>(), id in id)| {
        let names = operation.parameters();
        let name = *which.get(&names);
        let path = operation.path.replace(&format!("{{{name}}}"), &id);
        let answer = target.send(&operation.method, &target.place.path(&path), &body_of(&operation, &target.place));
        assert_documented(&answer)?;
        prop_assert!(answer.status.is_client_error(), "{} with {}: {}", operation, id, answer.status);
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_query_that_makes_no_sense_is_refused() {
    let target = Target::new();
    let before = target.state();
    let query = prop_oneof![
        "limit=[-+0-9a-z.]{0,12}",
        "cursor=[A-Za-z0-9_%-]{0,60}",
        "(since|until|view|effective|auth|action|actor|resource)=[A-Za-z0-9:%-]{0,30}",
        "[a-z]{1,8}=[A-Za-z0-9%&=;+,.~!$()*:@/?_-]{0,12}",
    ];
    proptest!(cases(400), |(operation in select(reading()), query in query)| {
        let place = target.place.path(&operation.path.replace("{provider}", "dev").replace("{file}", "index.css"));
        let answer = target.send(&Method::GET, &format!("{place}?{query}"), &Value::Null);
        assert_documented(&answer)?;
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_cursor_of_another_list_or_with_one_changed_letter_is_refused() {
    let target = Target::new();
    let groups = target.place.path("/api/v1/organizations/{org}/workspaces/{ws}/groups");
    let first = target.send(&Method::GET, &format!("{groups}?limit=1"), &Value::Null);
    let cursor = first.body["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(
        target.send(&Method::GET, &format!("{groups}?limit=1&cursor={cursor}"), &Value::Null).status,
        StatusCode::OK
    );
    let elsewhere = target.place.path("/api/v1/organizations/{org}/audit-events");
    let foreign = target.send(&Method::GET, &format!("{elsewhere}?cursor={cursor}"), &Value::Null);
    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", foreign.text);
    proptest!(cases(100), |(index in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]")| {
        let at = index.index(cursor.len());
        prop_assume!(cursor[at..=at] != letter);
        let mut changed = cursor.clone();
        changed.replace_range(at..=at, &letter);
        let answer = target.send(&Method::GET, &format!("{groups}?limit=1&cursor={changed}"), &Value::Null);
        // The last letter carries bits that mean nothing.
        let same = answer.status == StatusCode::OK && at + 1 == cursor.len();
        prop_assert!(same || answer.status == StatusCode::UNPROCESSABLE_ENTITY, "{} {}", at, answer.text);
    });
}

#[test]
fn headers_that_make_no_sense_are_refused_or_ignored() {
    let target = Target::new();
    let before = target.state();
    let names = [
        "if-match",
        "idempotency-key",
        "x-request-id",
        "cookie",
        "last-event-id",
        "content-type",
        "x-forwarded-for",
        "x-csrf-token",
        "accept",
    ];
    proptest!(cases(400), |(
        operation in select(reading()),
        name in select(names.to_vec()),
        value in prop::collection::vec(0x20_u8..=0xff, 0..300),
    )| {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let path = target.place.path(&operation.path.replace("{provider}", "dev").replace("{file}", "index.css"));
        let request = Request::builder().uri(path).header(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        assert_documented(&target.carry(request.body(Body::empty()).unwrap()))?;
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_precondition_or_a_key_that_is_none_is_refused_before_anything_is_done() {
    let target = Target::new();
    let before = target.state();
    let changing: Vec<Operation> = operations()
        .into_iter()
        .filter(|operation| operation.action.is_some() && operation.method != Method::GET)
        .collect();
    proptest!(cases(300), |(operation in select(changing), junk in "[^\\x00-\\x1f\\x7f0-9\"*][a-z \u{e9}]{0,20}")| {
        let name = if operation.method == Method::POST { "idempotency-key" } else { "if-match" };
        // A key may be any word of printable letters.
        let junk = if name == "idempotency-key" { format!("two words {junk}") } else { junk };
        let request = Request::builder().method(operation.method.clone()).uri(target.place.path(&operation.path));
        let request = request.header(CONTENT_TYPE, "application/json").header(name, junk.as_bytes());
        let body = body_of(&operation, &target.place);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = target.carry(request.body(body).unwrap());
        assert_documented(&answer)?;
        prop_assert!(answer.status.is_client_error(), "{}: {} {:?}", operation, answer.status, junk);
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_token_that_is_none_is_unauthenticated() {
    let target = Target::new();
    let path = target.place.path("/api/v1/organizations/{org}");
    let token = prop_oneof![
        "[ -~]{0,300}",
        "hx[a-z]_[a-z0-9]{26}[A-Za-z0-9_-]{43}",
        "[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{1,80}\\.[A-Za-z0-9_-]{1,80}",
    ];
    proptest!(cases(300), |(token in token)| {
        let answer = target.runtime.block_on(
            target._world.anonymous().with_bearer(&token).send(Method::GET, &path, &Value::Null)
        );
        assert_documented(&answer)?;
        prop_assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn names_and_quantities_are_taken_exactly_when_the_domain_takes_them() {
    let target = Target::new();
    let w = target.place.path("/api/v1/organizations/{org}/workspaces/{ws}");
    let text =
        prop_oneof!["[a-z0-9-]{0,70}", "[A-Za-z0-9 ._-]{0,20}", ".{0,20}", "(kube-|hexabase-)[a-z]{1,5}"];
    proptest!(cases(300), |(text in text)| {
        // Nothing is made: a field that nobody knows refuses the request, so all that shows is what is wrong.
        let wrong = |path: &str, field: &str, body: Value| {
            let answer = target.send(&Method::POST, path, &body);
            let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
            let found = errors.iter().any(|error| error["field"] == field);
            (answer, found)
        };
        let (answer, refused) = wrong(&format!("{w}/groups"), "name", json!({ "name": text, "parent_id": "nobody" }));
        assert_documented(&answer)?;
        prop_assert_eq!(refused, GroupName::parse(&text).is_err(), "group {:?}: {}", text, answer.text);
        let (answer, refused) = wrong(&format!("{w}/projects"), "name", json!({ "name": text, "parent_id": "nobody" }));
        assert_documented(&answer)?;
        prop_assert_eq!(refused, ProjectName::parse(&text).is_err(), "project {:?}: {}", text, answer.text);
        let (answer, refused) = wrong("/api/v1/organizations", "name", json!({ "name": text, "display_name": "" }));
        assert_documented(&answer)?;
        prop_assert_eq!(refused, Slug::parse(&text).is_err(), "organization {:?}: {}", text, answer.text);
        let quota = json!({ "name": "new", "parent_id": "nobody", "quota": { "cpu": text } });
        let (answer, refused) = wrong(&format!("{w}/projects"), "quota.cpu", quota);
        assert_documented(&answer)?;
        prop_assert_eq!(refused, text.parse::<Quantity>().is_err(), "quantity {:?}: {}", text, answer.text);
    });
}

/// Group names reach clusters as claims, and there a name is all that counts.
#[test]
fn a_group_is_never_called_what_could_be_taken_for_another() {
    let target = Target::new();
    let groups = target.place.path("/api/v1/organizations/{org}/workspaces/{ws}/groups");
    let group = target.place.path("/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}");
    let before = target.state();
    for name in [
        "system:masters",
        "system:authenticated",
        "hexabase:WSAdmins",
        "oidc:WSAdmins",
        // A Cyrillic A, a fullwidth W, one that joins and cannot be seen, one that turns the text around.
        "WS\u{410}dmins",
        "\u{ff37}SAdmins",
        "WSAdmins\u{200d}",
        "\u{202e}WSAdmins",
        "WSAdmins ",
        "WSAdmins\0",
        "WSAdmins\n",
        "WSAdmins,system",
    ] {
        let body = json!({ "name": name });
        for (method, path) in [(Method::POST, &groups), (Method::PATCH, &group)] {
            let answer = target.send(&method, path, &body);
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{method} {name:?}: {}", answer.text);
        }
    }
    assert_eq!(target.state(), before);
    let taken = target.send(&Method::POST, &groups, &json!({ "name": "WSAdmins" }));
    assert_eq!(taken.status, StatusCode::CONFLICT);
}
