//! Malformed requests are rejected in the documented format, without server errors and without effects.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use hexabase_core::error::ErrorKind;
use hexabase_core::name::{GroupName, ProjectName, Slug};
use hexabase_core::quantity::Quantity;
use hexabase_tests::operations::operations;
use hexabase_tests::request_bodies::request_body;
use hexabase_tests::{Operation, PathParams, Response, TestApp, TestUser};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// User with all permissions in an organization with one object of each kind.
struct Target {
    runtime: Runtime,
    app: TestApp,
    ann: TestUser,
    params: PathParams,
}

impl Target {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (app, ann, params) = runtime.block_on(async {
            let app = TestApp::new().await;
            let ann = app.sign_in("ann").await;
            let params = app.create_full_organization(&ann, "acme").await;
            (app, ann, params)
        });
        Self { runtime, app, ann, params }
    }

    fn send(&self, method: &Method, path: &str, body: &Value) -> Response {
        self.runtime.block_on(self.ann.client.send(method.clone(), path, body))
    }

    fn send_request(&self, request: Request<Body>) -> Response {
        self.runtime.block_on(self.ann.client.send_request(request))
    }

    /// State in which every change is visible.
    fn state(&self) -> Value {
        let log = self.params.path("/api/v1/organizations/{org}/audit-events?limit=1");
        let workspace = self.params.path("/api/v1/organizations/{org}/workspaces/{ws}");
        let get = |path: &str| self.runtime.block_on(self.ann.client.get(path));
        json!([get(&log)["items"], get(&workspace)["version"]])
    }
}

/// Asserts the contract of responses: no server error, and an RFC 9457 problem for every client error.
fn assert_documented(response: &Response) -> Result<(), TestCaseError> {
    prop_assert!(!response.status.is_server_error(), "{} {}", response.status, response.text);
    prop_assert!(response.headers.contains_key("x-request-id"));
    if response.status.is_client_error() {
        let content_type = response.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        prop_assert_eq!(content_type, Some(b"application/problem+json".as_slice()), "{}", response.text);
        for member in ["type", "title", "detail", "code", "request_id"] {
            prop_assert!(response.body[member].is_string(), "{} is missing: {}", member, response.text);
        }
        prop_assert_eq!(&response.body["status"], &json!(response.status.as_u16()));
        if response.body["code"] == ErrorKind::Invalid.as_str()
            && response.status == StatusCode::UNPROCESSABLE_ENTITY
        {
            prop_assert!(response.body["errors"][0]["field"].is_string(), "{}", response.text);
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

/// Corruption of a valid body.
#[derive(Debug, Clone)]
enum Corruption {
    Replace(usize, Value),
    Remove(usize),
    Add(String, Value),
    ReplaceBody(Value),
}

fn corruption() -> impl Strategy<Value = Corruption> {
    prop_oneof![
        4 => (any::<usize>(), json_value()).prop_map(|(index, value)| Corruption::Replace(index, value)),
        1 => any::<usize>().prop_map(Corruption::Remove),
        1 => ("[a-z_]{1,10}", json_value()).prop_map(|(name, value)| Corruption::Add(name, value)),
        1 => json_value().prop_map(Corruption::ReplaceBody),
    ]
}

fn corrupt(good: &Value, corruption: &Corruption) -> Value {
    let Value::Object(mut fields) = good.clone() else { return good.clone() };
    let name = |index: usize| fields.keys().nth(index % fields.len().max(1)).cloned().unwrap_or_default();
    match corruption {
        Corruption::Replace(index, value) => drop(fields.insert(name(*index), value.clone())),
        Corruption::Remove(index) => drop(fields.remove(&name(*index))),
        Corruption::Add(name, value) => drop(fields.insert(name.clone(), value.clone())),
        Corruption::ReplaceBody(value) => return value.clone(),
    }
    Value::Object(fields)
}

fn cases(number: u32) -> ProptestConfig {
    ProptestConfig { cases: number, failure_persistence: None, ..ProptestConfig::default() }
}

/// `true` for an operation of the OpenID Connect provider. These take forms, and respond with OAuth errors or with
/// pages.
fn is_provider_operation(operation: &Operation) -> bool {
    operation.path.starts_with("/oauth2/")
}

/// Operations that take a JSON body.
fn json_operations() -> Vec<Operation> {
    let json_operations =
        operations().into_iter().filter(|operation| operation.has_body && !is_provider_operation(operation));
    let forms = ["/auth/dev/authorize", "/invitations"];
    json_operations.filter(|operation| !forms.contains(&operation.path.as_str())).collect()
}

/// Operations that only read.
fn read_operations() -> Vec<Operation> {
    let read_operations = operations().into_iter().filter(|operation| operation.method == Method::GET);
    read_operations.filter(|operation| !is_provider_operation(operation)).collect()
}

/// Parameters of the provider, with values that are mostly invalid.
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
fn the_provider_rejects_invalid_requests_with_oauth_errors() {
    let target = Target::new();
    let before = target.state();
    let provider_operations: Vec<Operation> =
        operations().into_iter().filter(is_provider_operation).collect();
    let content_types =
        select(vec!["application/x-www-form-urlencoded", "application/json", "text/plain; x", ""]);
    let header = prop_oneof![Just(None), "(Basic|Bearer|basic|x) [A-Za-z0-9+/=.]{0,40}".prop_map(Some),];
    proptest!(cases(1_500), |(
        operation in select(provider_operations),
        parameters in oauth_parameters(),
        content_type in content_types,
        header in header,
    )| {
        let mut request = Request::builder().method(operation.method.clone());
        request = if operation.method == Method::GET {
            let query: String = parameters.chars().filter(|letter| !letter.is_whitespace()).collect();
            request.uri(format!("{}?{query}", operation.path))
        } else {
            request.uri(&operation.path).header(CONTENT_TYPE, content_type)
        };
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let body = if operation.method == Method::GET { Body::empty() } else { Body::from(parameters) };
        let response = target.send_request(request.body(body).unwrap());
        prop_assert!(!response.status.is_server_error(), "{}: {} {}", operation, response.status, response.text);
        if response.status.is_client_error() {
            let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let is_page = content_type.starts_with("text/html");
            prop_assert!(is_page || response.body["error"].is_string(), "{}", response.text);
        }
        if let Some(location) = response.headers.get(LOCATION).and_then(|location| location.to_str().ok()) {
            let known = ["/auth/login/", "/oauth2/logout?", "http://127.0.0.1:1/callback"];
            let is_known = known.iter().any(|known| location.starts_with(known));
            prop_assert!(is_known, "{} redirects to {}", operation, location);
        }
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_corrupted_body_is_rejected_in_the_documented_format_and_changes_nothing() {
    let target = Target::new();
    proptest!(cases(600), |(operation in select(json_operations()), corruption in corruption())| {
        let body = corrupt(&request_body(&operation, &target.params), &corruption);
        let before = target.state();
        let response = target.send(&operation.method, &target.params.path(&operation.path), &body);
        assert_documented(&response)?;
        if response.status.is_client_error() {
            prop_assert_eq!(target.state(), before, "{} was rejected but had an effect", operation);
        }
    });
}

#[test]
fn a_body_that_is_not_json_is_rejected() {
    let target = Target::new();
    let before = target.state();
    let junk = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..200),
        "[{\\[\"]{1,200}".prop_map(String::into_bytes),
        Just("[".repeat(100_000).into_bytes()),
        Just(br#"{"name":"a","name":"b"}"#.to_vec()),
    ];
    proptest!(cases(200), |(operation in select(json_operations()), junk in junk)| {
        prop_assume!(serde_json::from_slice::<Value>(&junk).is_err() || junk.starts_with(b"{\"name\":\"a\""));
        let path = target.params.path(&operation.path);
        let request = Request::builder().method(operation.method.clone()).uri(path);
        let request = request.header(CONTENT_TYPE, "application/json").body(Body::from(junk)).unwrap();
        let response = target.send_request(request);
        assert_documented(&response)?;
        prop_assert!(response.status.is_client_error(), "{}: {}", operation, response.status);
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_body_that_is_too_large_or_of_another_type_is_rejected() {
    let target = Target::new();
    let before = target.state();
    for operation in json_operations() {
        let path = target.params.path(&operation.path);
        let request = |content_type: &str, body: Vec<u8>| {
            let request = Request::builder().method(operation.method.clone()).uri(&path);
            target.send_request(request.header(CONTENT_TYPE, content_type).body(Body::from(body)).unwrap())
        };
        let large = request("application/json", vec![b' '; 1024 * 1024 + 1]);
        assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{operation}");
        let other = request("text/plain", request_body(&operation, &target.params).to_string().into_bytes());
        assert!(other.status.is_client_error(), "{operation}: {}", other.status);
        assert_documented(&other).unwrap();
    }
    assert_eq!(target.state(), before);
}

#[test]
fn a_path_with_an_unknown_id_is_rejected() {
    let target = Target::new();
    let before = target.state();
    let organization_operations: Vec<Operation> =
        operations().into_iter().filter(|operation| operation.action.is_some()).collect();
    let id = prop_oneof![
        "[a-z]{2,4}_[0-9a-z]{20,30}",
        "(%[0-9A-F]{2}){1,12}",
        "[A-Za-z0-9_.~-]{1,60}",
        Just("org_zzzzzzzzzzzzzzzzzzzzzzzzzz".to_owned()),
    ];
    proptest!(cases(400), |(
        operation in select(organization_operations),
        index in any::<prop::sample::Index>(),
        id in id,
    )| {
        let names = operation.parameters();
        let name = *index.get(&names);
        let path = operation.path.replace(&format!("{{{name}}}"), &id);
        let body = request_body(&operation, &target.params);
        let response = target.send(&operation.method, &target.params.path(&path), &body);
        assert_documented(&response)?;
        prop_assert!(response.status.is_client_error(), "{} with {}: {}", operation, id, response.status);
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_random_query_gets_a_documented_response() {
    let target = Target::new();
    let before = target.state();
    let query = prop_oneof![
        "limit=[-+0-9a-z.]{0,12}",
        "cursor=[A-Za-z0-9_%-]{0,60}",
        "(since|until|view|effective|auth|action|actor|resource)=[A-Za-z0-9:%-]{0,30}",
        "(since|until|from|to|action|actor|resource|workspace)=(%00|-00[0-9]{4}-01-01T00:00:00Z|[0-9]{4}-01-01T00:00:00Z)",
        "[a-z]{1,8}=[A-Za-z0-9%&=;+,.~!$()*:@/?_-]{0,12}",
    ];
    proptest!(cases(400), |(operation in select(read_operations()), query in query)| {
        let path = target.params.path(&operation.path.replace("{provider}", "dev").replace("{file}", "index.css"));
        let response = target.send(&Method::GET, &format!("{path}?{query}"), &Value::Null);
        assert_documented(&response)?;
    });
    assert_eq!(target.state(), before);
}

#[test]
fn a_filter_that_a_backend_cannot_compare_is_invalid_on_every_backend() {
    let target = Target::new();
    let log = target.params.path("/api/v1/organizations/{org}/audit-events");
    let usage = target.params.path("/api/v1/organizations/{org}/billing/usage");
    for (path, query) in [
        (&log, "action=%00"),
        (&log, "resource=org%00"),
        (&log, "actor=usr_%00"),
        (&log, "since=-000001-01-01T00:00:00Z"),
        (&log, "until=-009999-01-02T01:59:59Z"),
        (&usage, "from=-004800-01-01T00:00:00Z"),
        (&usage, "workspace=%00"),
    ] {
        let response = target.send(&Method::GET, &format!("{path}?{query}"), &Value::Null);
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", response.text);
    }
    for path in [&format!("{log}?since=0000-01-01T00:00:00Z"), &format!("{log}?until=9999-12-30T00:00:00Z")] {
        let response = target.send(&Method::GET, path, &Value::Null);
        assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.text);
    }
}

#[test]
fn a_cursor_of_another_list_or_with_one_changed_letter_is_rejected() {
    let target = Target::new();
    let groups = target.params.path("/api/v1/organizations/{org}/workspaces/{ws}/groups");
    let first = target.send(&Method::GET, &format!("{groups}?limit=1"), &Value::Null);
    let cursor = first.body["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(
        target.send(&Method::GET, &format!("{groups}?limit=1&cursor={cursor}"), &Value::Null).status,
        StatusCode::OK
    );
    let audit_events = target.params.path("/api/v1/organizations/{org}/audit-events");
    let foreign = target.send(&Method::GET, &format!("{audit_events}?cursor={cursor}"), &Value::Null);
    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", foreign.text);
    proptest!(cases(100), |(index in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]")| {
        let at = index.index(cursor.len());
        prop_assume!(cursor[at..=at] != letter);
        let mut changed = cursor.clone();
        changed.replace_range(at..=at, &letter);
        let response = target.send(&Method::GET, &format!("{groups}?limit=1&cursor={changed}"), &Value::Null);
        // The last letter has unused bits.
        let same = response.status == StatusCode::OK && at + 1 == cursor.len();
        prop_assert!(same || response.status == StatusCode::UNPROCESSABLE_ENTITY, "{} {}", at, response.text);
    });
}

#[test]
fn invalid_headers_are_rejected_or_ignored() {
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
        operation in select(read_operations()),
        name in select(names.to_vec()),
        value in prop::collection::vec(0x20_u8..=0xff, 0..300),
    )| {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let path = target.params.path(&operation.path.replace("{provider}", "dev").replace("{file}", "index.css"));
        let request = Request::builder().uri(path).header(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        assert_documented(&target.send_request(request.body(Body::empty()).unwrap()))?;
    });
    assert_eq!(target.state(), before);
}

#[test]
fn an_invalid_precondition_or_idempotency_key_is_rejected_without_effects() {
    let target = Target::new();
    let before = target.state();
    let write_operations: Vec<Operation> = operations()
        .into_iter()
        .filter(|operation| operation.action.is_some() && operation.method != Method::GET)
        .collect();
    let junk = "[^\\x00-\\x1f\\x7f0-9\"*][a-z \u{e9}]{0,20}";
    proptest!(cases(300), |(operation in select(write_operations), junk in junk)| {
        let name = if operation.method == Method::POST { "idempotency-key" } else { "if-match" };
        // An idempotency key may be any text of printable characters without spaces.
        let junk = if name == "idempotency-key" { format!("two words {junk}") } else { junk };
        let request = Request::builder().method(operation.method.clone()).uri(target.params.path(&operation.path));
        let request = request.header(CONTENT_TYPE, "application/json").header(name, junk.as_bytes());
        let body = request_body(&operation, &target.params);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = target.send_request(request.body(body).unwrap());
        assert_documented(&response)?;
        prop_assert!(response.status.is_client_error(), "{}: {} {:?}", operation, response.status, junk);
    });
    assert_eq!(target.state(), before);
}

#[test]
fn an_invalid_token_is_unauthenticated() {
    let target = Target::new();
    let path = target.params.path("/api/v1/organizations/{org}");
    let token = prop_oneof![
        "[ -~]{0,300}",
        "hx[a-z]_[a-z0-9]{26}[A-Za-z0-9_-]{43}",
        "[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{1,80}\\.[A-Za-z0-9_-]{1,80}",
    ];
    proptest!(cases(300), |(token in token)| {
        let response = target.runtime.block_on(
            target.app.anonymous().with_bearer(&token).send(Method::GET, &path, &Value::Null)
        );
        assert_documented(&response)?;
        prop_assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn the_api_accepts_exactly_the_names_and_quantities_that_the_domain_accepts() {
    let target = Target::new();
    let w = target.params.path("/api/v1/organizations/{org}/workspaces/{ws}");
    let text =
        prop_oneof!["[a-z0-9-]{0,70}", "[A-Za-z0-9 ._-]{0,20}", ".{0,20}", "(kube-|hexabase-)[a-z]{1,5}"];
    proptest!(cases(300), |(text in text)| {
        // Another field of each request is invalid, so that nothing is created; the response lists all errors.
        let has_error = |path: &str, field: &str, body: Value| {
            let response = target.send(&Method::POST, path, &body);
            let errors = response.body["errors"].as_array().cloned().unwrap_or_default();
            let found = errors.iter().any(|error| error["field"] == field);
            (response, found)
        };
        let group = json!({ "name": text, "parent_id": "invalid" });
        let (response, rejected) = has_error(&format!("{w}/groups"), "name", group);
        assert_documented(&response)?;
        prop_assert_eq!(rejected, GroupName::parse(&text).is_err(), "group {:?}: {}", text, response.text);
        let project = json!({ "name": text, "parent_id": "invalid" });
        let (response, rejected) = has_error(&format!("{w}/projects"), "name", project);
        assert_documented(&response)?;
        prop_assert_eq!(rejected, ProjectName::parse(&text).is_err(), "project {:?}: {}", text, response.text);
        let organization = json!({ "name": text, "display_name": "" });
        let (response, rejected) = has_error("/api/v1/organizations", "name", organization);
        assert_documented(&response)?;
        prop_assert_eq!(rejected, Slug::parse(&text).is_err(), "organization {:?}: {}", text, response.text);
        let quota = json!({ "name": "new", "parent_id": "invalid", "quota": { "cpu": text } });
        let (response, rejected) = has_error(&format!("{w}/projects"), "quota.cpu", quota);
        assert_documented(&response)?;
        prop_assert_eq!(rejected, text.parse::<Quantity>().is_err(), "quantity {:?}: {}", text, response.text);
    });
}

/// Group names reach tenant clusters as claims, where only the name counts.
#[test]
fn confusable_group_names_are_rejected() {
    let target = Target::new();
    let groups = target.params.path("/api/v1/organizations/{org}/workspaces/{ws}/groups");
    let group = target.params.path("/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}");
    let before = target.state();
    for name in [
        "system:masters",
        "system:authenticated",
        "hexabase:WSAdmins",
        "oidc:WSAdmins",
        // A Cyrillic A, a fullwidth W, an invisible joiner, and a direction override.
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
            let response = target.send(&method, path, &body);
            assert_eq!(
                response.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{method} {name:?}: {}",
                response.text
            );
        }
    }
    assert_eq!(target.state(), before);
    let taken = target.send(&Method::POST, &groups, &json!({ "name": "WSAdmins" }));
    assert_eq!(taken.status, StatusCode::CONFLICT);
}
