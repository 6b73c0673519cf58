//! The web console through its router: routes with every kind of caller, forms, and hostile names.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod access;
mod account;
mod audit;
mod billing;
mod budget;
mod crawl;
mod entries;
mod forms;
mod journey;
mod nodes;
mod observe;
mod operators;
mod pages;
mod reauthentication;
mod round_trips;
mod routes;
mod search;
mod security;
mod session;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION};
use axum::http::{Method, Request, StatusCode};
use hexabase_tests::browser::{browse, cookies, start_sign_in};
use hexabase_tests::{Response, TestApp};

/// Browser of a signed-in user.
#[derive(Debug, Clone)]
struct Browser<'a> {
    app: &'a TestApp,
    cookies: String,
}

impl<'a> Browser<'a> {
    /// Browser without a session.
    fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: String::new() }
    }

    /// Signs a user in.
    async fn sign_in(app: &'a TestApp, name: &str) -> Self {
        let (login, callback) = start_sign_in(app, name, "/console").await;
        let done = browse(app, Method::GET, &callback, &login, "").await;
        assert_eq!(
            (done.status, location(&done)),
            (StatusCode::FOUND, "/console".to_owned()),
            "{}",
            done.text
        );
        Self { app, cookies: cookies(&done) }
    }

    /// Opens a page.
    async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path).header("accept", "text/html"), String::new()).await
    }

    /// Sends a form as a browser does, from a page of this server.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.post_from("same-origin", path, fields).await
    }

    /// Sends a form from a page of a site.
    async fn post_from(&self, site: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = Request::post(path)
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", site)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, encode(fields)).await
    }

    /// Opens a page, and sends a form to its address with its token and these fields.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        let token = value_of(&page, "csrf");
        self.post(path, &[&[("csrf", token.as_str())], fields].concat()).await
    }

    async fn send(&self, request: axum::http::request::Builder, body: String) -> Response {
        let request = request.header(COOKIE, &self.cookies).body(Body::from(body)).unwrap();
        self.app.anonymous().send_request(request).await
    }

    /// Follows a redirect with the cookies that it sets, as a browser does.
    async fn follow(&self, redirect: &Response) -> Response {
        assert_eq!(redirect.status, StatusCode::SEE_OTHER, "{}", redirect.text);
        let all = [self.cookies.as_str(), &cookies(redirect)].join("; ");
        let browser = Self { cookies: all, ..self.clone() };
        browser.get(&location(redirect)).await
    }
}

/// Encodes the fields of a form.
fn encode(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Returns where a response redirects to.
fn location(response: &Response) -> String {
    response.headers[LOCATION].to_str().unwrap().to_owned()
}

/// Returns the value of the first input with a name.
fn value_of(page: &Response, name: &str) -> String {
    let found = page.text.split_once(&format!("name=\"{name}\" value=\""));
    let (_, rest) = found.unwrap_or_else(|| panic_without(page, name));
    rest.split('"').next().unwrap().to_owned()
}

#[expect(clippy::panic, reason = "tests fail by panicking")]
fn panic_without<'a>(page: &Response, name: &str) -> (&'a str, &'a str) {
    panic!("no field {name}: {}", page.text)
}
