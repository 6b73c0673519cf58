//! The API in the router of another service: under a path, area by area, and with pages of the service.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRef;
use axum::http::{Request, Response, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse as _};
use hexabase_api::html_pages::{
    ConsentPage, DeviceConsentPage, ErrorPage, Form, HtmlPages, PlainPages, SignInOption,
};
use hexabase_api::{ApiConfig, ApiState, layers, organizations, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::authenticator::{Authentication, Authenticator, CsrfProtection};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::mock::MockAuthenticator;
use hexabase_core::model::Origin;
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::{Platform, fixture};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Platform with its authentication, and the access token of a user.
async fn platform() -> (Platform, Arc<Auth>, String) {
    let plans = vec![fixture::plan("small")];
    let platform = Platform::builder("https://hexabase.example").with_plans(plans).build().unwrap();
    let auth = Arc::new(Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap());
    let identity = ExternalIdentity {
        subject: "1".into(),
        verified_email: Some(Email::parse("ann@example.com").unwrap()),
        name: None,
        auth_time: None,
    };
    let provider = ProviderName::parse("example").unwrap();
    let tokens = auth.sign_in().with_identity(&provider, &identity, &Origin::default()).await.unwrap();
    (platform, auth, tokens.access_token)
}

fn create_organization(path: &str, token: Option<&str>) -> Request<Body> {
    let body = json!({ "name": "acme", "display_name": "Acme" }).to_string();
    let request = Request::post(path).header("content-type", "application/json");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    request.body(Body::from(body)).unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_mounted_api_names_paths_below_its_mount() {
    let (platform, auth, token) = platform().await;
    let service = Router::new().nest("/tenancy", router(ApiState::new(platform, auth)));
    let send = |request| service.clone().oneshot(request);

    let created = send(create_organization("/tenancy/api/v1/organizations", Some(&token))).await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = created.headers()["location"].to_str().unwrap();
    assert!(location.starts_with("/tenancy/api/v1/organizations/org_"), "{location}");

    let redirected = send(get("/tenancy/api/v1/organizations/?limit=1")).await.unwrap();
    assert_eq!(redirected.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(redirected.headers()["location"], "/tenancy/api/v1/organizations?limit=1");

    let device = text(send(get("/tenancy/oauth2/device")).await.unwrap()).await;
    assert!(device.contains("No sign-in provider is configured"), "{device}");
}

/// State of a service that mounts the organizations and has no `ApiState`.
#[derive(Clone)]
struct OwnState {
    platform: Platform,
    auth: Arc<Auth>,
}

impl FromRef<OwnState> for Platform {
    fn from_ref(state: &OwnState) -> Self {
        state.platform.clone()
    }
}

impl FromRef<OwnState> for Arc<dyn Authenticator> {
    fn from_ref(state: &OwnState) -> Self {
        state.auth.clone()
    }
}

#[tokio::test]
async fn one_area_with_chosen_layers_serves_a_state_of_the_service() {
    let (platform, auth, token) = platform().await;
    let state = OwnState { platform, auth };
    let (area, _) = organizations::router::<OwnState>().split_for_parts();
    let service = area
        .layer(from_fn_with_state(state.clone(), layers::csrf))
        .layer(from_fn_with_state(state.clone(), layers::credentials))
        .layer(from_fn_with_state(state.clone(), layers::request_context))
        .with_state(state);

    let anonymous =
        service.clone().oneshot(create_organization("/api/v1/organizations", None)).await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let id = anonymous.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = serde_json::from_str(&text(anonymous).await).unwrap();
    assert_eq!((&problem["code"], &problem["request_id"]), (&json!("unauthenticated"), &json!(id)));

    let created =
        service.clone().oneshot(create_organization("/api/v1/organizations", Some(&token))).await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let billing = service.oneshot(get("/api/v1/plans")).await.unwrap();
    assert_eq!(billing.status(), StatusCode::NOT_FOUND);
}

/// Authenticator of a proxy whose users are recognized by a cookie.
fn cookie_of_a_proxy() -> Arc<dyn Authenticator> {
    let mut authenticator = MockAuthenticator::new();
    authenticator.expect_authenticate().returning(|_| {
        let principal = Principal { user_id: fixture::id("ann"), credential: Credential::EXTERNAL };
        Ok(Some(Authentication { principal, csrf: CsrfProtection::SameOrigin }))
    });
    Arc::new(authenticator)
}

#[tokio::test]
async fn an_ambient_credential_does_not_count_without_the_csrf_layer() {
    let (platform, auth, _) = platform().await;
    let state = ApiState::builder(platform, auth).with_authenticator(cookie_of_a_proxy()).build();
    let (area, _) = organizations::router::<ApiState>().split_for_parts();
    let without_csrf =
        area.layer(from_fn_with_state(state.clone(), layers::credentials)).with_state(state.clone());
    let send = |service: Router, site: &'static str| async move {
        let mut request = create_organization("/api/v1/organizations", None);
        request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
        let problem = text(service.oneshot(request).await.unwrap()).await;
        serde_json::from_str::<Value>(&problem).unwrap()["code"].take()
    };
    assert_eq!(send(without_csrf, "same-origin").await, "unexpected");
    let complete = router(state);
    assert_eq!(send(complete.clone(), "cross-site").await, "csrf");
    // The user of the mock does not exist.
    assert_eq!(send(complete, "same-origin").await, "forbidden");
}

#[tokio::test]
async fn an_error_has_its_body_without_any_layer() {
    let (platform, auth, _) = platform().await;
    let (area, _) = organizations::router::<OwnState>().split_for_parts();
    let service = area.with_state(OwnState { platform, auth });
    let rejected = service.oneshot(create_organization("/api/v1/organizations", None)).await.unwrap();
    assert_eq!(rejected.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&text(rejected).await).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("unauthenticated")));
}

/// Pages of a service, which replaces the one for errors.
#[derive(Debug, Default)]
struct OwnPages(PlainPages);

impl HtmlPages for OwnPages {
    fn error(&self, page: &ErrorPage<'_>) -> Response<Body> {
        Html(format!("Acme: {} {}", page.status, page.detail)).into_response()
    }

    fn choose_provider(&self, options: &[SignInOption]) -> Response<Body> {
        self.0.choose_provider(options)
    }

    fn consent(&self, page: &ConsentPage<'_>) -> Response<Body> {
        self.0.consent(page)
    }

    fn enter_user_code(&self, form: &Form, is_unknown: bool) -> Response<Body> {
        self.0.enter_user_code(form, is_unknown)
    }

    fn device_consent(&self, page: &DeviceConsentPage<'_>) -> Response<Body> {
        self.0.device_consent(page)
    }

    fn device_decided(&self, is_allowed: bool) -> Response<Body> {
        self.0.device_decided(is_allowed)
    }

    fn sign_in_for_invitation(&self, options: &[SignInOption]) -> Response<Body> {
        self.0.sign_in_for_invitation(options)
    }

    fn enter_invitation_token(&self, form: &Form, user: &str) -> Response<Body> {
        self.0.enter_invitation_token(form, user)
    }

    fn invitation_accepted(&self, organization: &str) -> Response<Body> {
        self.0.invitation_accepted(organization)
    }

    fn confirm_logout(&self, form: &Form) -> Response<Body> {
        self.0.confirm_logout(form)
    }

    fn logged_out(&self) -> Response<Body> {
        self.0.logged_out()
    }

    fn development_sign_in(&self) -> Response<Body> {
        self.0.development_sign_in()
    }
}

#[tokio::test]
async fn plain_pages_and_the_documentation_have_the_name_of_the_product() {
    let (platform, auth, _) = platform().await;
    let config = ApiConfig { product: "Acme & Sons".to_owned(), ..ApiConfig::default() };
    let dev = Arc::new(DevProvider::new(platform.clone()).unwrap());
    let state = ApiState::builder(platform, auth).with_config(config).with_development_provider(dev);
    let service = router(state.build());
    let page = text(service.clone().oneshot(get("/auth/login/unknown")).await.unwrap()).await;
    assert!(page.contains(" · Acme &amp; Sons</title>"), "{page}");
    for (path, title) in
        [("/docs", "Acme &amp; Sons API"), ("/auth/dev/authorize", "Sign in · Acme &amp; Sons")]
    {
        let page = text(service.clone().oneshot(get(path)).await.unwrap()).await;
        assert!(page.contains(&format!("<title>{title}</title>")), "{path}: {page}");
    }
    let document = text(service.oneshot(get("/api/v1/openapi.json")).await.unwrap()).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["info"]["title"], "Acme & Sons");
}

#[tokio::test]
async fn pages_of_the_service_replace_the_plain_ones() {
    let (platform, auth, _) = platform().await;
    let state = ApiState::builder(platform, auth).with_pages(Arc::new(OwnPages::default())).build();
    let service = router(state);
    let page = service.clone().oneshot(get("/auth/login/unknown")).await.unwrap();
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(page.headers().contains_key("content-security-policy"), "the default policy applies");
    assert!(text(page).await.starts_with("Acme: 404 Not Found"));

    let unauthenticated = service.clone().oneshot(get("/auth/me")).await.unwrap();
    assert_eq!(unauthenticated.headers()["www-authenticate"], "Bearer");
    let mut program = create_organization("/auth/refresh", None);
    program.headers_mut().insert("accept", "text/html, image/gif, */*".parse().unwrap());
    let rejected = service.clone().oneshot(program).await.unwrap();
    assert_eq!(rejected.headers()["content-type"], "application/problem+json", "some programs accept HTML");

    let api = service.oneshot(get("/api/v1/organizations")).await.unwrap();
    assert_eq!(api.headers()["content-type"], "application/problem+json", "the API responds to programs");
}
