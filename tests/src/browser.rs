//! Requests of browsers: cookies, redirects and forms of pages.

use axum::body::Body;
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};

use crate::{Response, TestApp};

/// Returns the cookies that a response sets, as a browser sends them.
#[must_use]
pub fn cookies(response: &Response) -> String {
    let set = response.headers.get_all(SET_COOKIE).iter();
    set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

/// Sends the request of a browser, with a form or a JSON body.
pub async fn browse(app: &TestApp, method: Method, path: &str, cookie: &str, body: &str) -> Response {
    let content_type =
        if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(COOKIE, cookie)
        .header("content-type", content_type);
    app.anonymous().send_request(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// Returns where a response redirects to; a path on this server without its origin.
#[must_use]
pub fn target(response: &Response) -> String {
    let location = response.headers[LOCATION].to_str().unwrap();
    location.strip_prefix("https://hexabase.example").unwrap_or(location).to_owned()
}

/// Starts a sign-in, which returns to a path, and approves it. Returns the cookie that the sign-in is bound to, and the path of the callback.
pub async fn start_sign_in(app: &TestApp, name: &str, return_to: &str) -> (String, String) {
    let started = browse(app, Method::GET, &format!("/auth/login/dev?return_to={return_to}"), "", "").await;
    assert_eq!(started.status, StatusCode::FOUND);
    let approved =
        browse(app, Method::POST, &target(&started), "", &format!("email={name}%40example.com&name={name}"))
            .await;
    assert_eq!(approved.status, StatusCode::FOUND, "{}", approved.text);
    (cookies(&started), target(&approved))
}

/// Sends a form whose values need no encoding.
pub async fn send_form(app: &TestApp, path: &str, cookie: &str, pairs: &[(&str, &str)]) -> Response {
    let fields: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    browse(app, Method::POST, path, cookie, &fields.join("&")).await
}

/// Returns the value of an input of a form.
#[must_use]
pub fn input<'a>(page: &'a Response, name: &str) -> &'a str {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split('"').next().unwrap()
}
