//! Follows links and forms of pages as a user does who opens everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Method, StatusCode};
use hexabase_console::routes;
use hexabase_tests::Response;
use url::Url;

use super::super::Browser;
use super::document::{Document, Form};

/// Origin of the platform of the tests.
const ORIGIN: &str = "https://hexabase.example";
/// Maximum number of addresses that differ in nothing but ids and values, of which a user opens the first ones.
const ALIKE: usize = 3;
/// Maximum number of redirects in sequence.
const REDIRECTS: usize = 5;

/// Ends of the addresses of forms that create something, and that are rejected without their entries.
const CREATIONS: [&str; 2] = ["/new", "/invite"];

/// Page that a user has seen.
#[derive(Debug)]
pub(super) struct VisitedPage {
    /// Path with the query.
    pub path: String,
    /// HTML.
    pub text: String,
}

/// Everything that one user reaches from the console's entry.
#[derive(Debug, Default)]
pub(super) struct Crawl {
    /// Pages, each once.
    pub pages: Vec<VisitedPage>,
    /// Route templates of the opened addresses.
    pub reached: BTreeSet<&'static str>,
    /// Defects, each with the page on which it is.
    pub problems: Vec<String>,
    queue: VecDeque<(Url, String)>,
    known: BTreeSet<String>,
    shapes: BTreeMap<String, usize>,
    ids: BTreeMap<String, BTreeSet<String>>,
    fragments: Vec<(String, String, String)>,
    actions: BTreeMap<String, String>,
    /// Forms that create something, by the shape of their address.
    creations: BTreeMap<String, (String, Form)>,
}

/// Follows every link and sends every `GET` form from the entry on, with the values that the form has.
pub(super) async fn crawl(browser: &Browser<'_>) -> Crawl {
    let mut crawl = Crawl::default();
    let entry = Url::parse(ORIGIN).unwrap();
    crawl.follow(&entry, "/console", "the entry");
    while let Some((url, from)) = crawl.queue.pop_front() {
        crawl.open(browser, url, &from).await;
    }
    for (path, fragment, from) in std::mem::take(&mut crawl.fragments) {
        if crawl.ids.get(&path).is_some_and(|ids| !ids.contains(&fragment)) {
            crawl.problems.push(format!("{from}: {path} has no element {fragment}"));
        }
    }
    for (action, from) in std::mem::take(&mut crawl.actions) {
        crawl.require_action(browser, &action, &from).await;
    }
    for (action, form) in std::mem::take(&mut crawl.creations).into_values() {
        crawl.send_empty(browser, &action, &form).await;
    }
    crawl
}

impl Crawl {
    /// Opens the target of a link later, unless enough addresses like it are known.
    fn follow(&mut self, page: &Url, link: &str, from: &str) {
        let Ok(mut url) = page.join(link) else {
            self.problems.push(format!("{from}: {link} is no address"));
            return;
        };
        if url.origin() != page.origin() {
            // Other servers are not opened; no page leads to one without encryption.
            if url.scheme() != "https" {
                self.problems.push(format!("{from}: {link} is no https address"));
            }
            return;
        }
        if let Some(fragment) = url.fragment().map(str::to_owned) {
            url.set_fragment(None);
            self.fragments.push((path_of(&url), fragment, from.to_owned()));
        }
        if self.known.contains(&path_of(&url)) {
            return;
        }
        let alike = self.shapes.entry(shape(&url)).or_default();
        if *alike < ALIKE {
            *alike += 1;
            self.known.insert(path_of(&url));
            self.queue.push_back((url, from.to_owned()));
        }
    }

    /// Opens an address, follows its redirects, and reads the page.
    async fn open(&mut self, browser: &Browser<'_>, mut url: Url, from: &str) {
        self.reached.extend(template_of(&Method::GET, url.path()));
        let mut response = browser.get(&path_of(&url)).await;
        for _ in 0..REDIRECTS {
            if !response.status.is_redirection() {
                break;
            }
            let Ok(next) = url.join(response.headers[LOCATION].to_str().unwrap()) else { break };
            if next.origin() != url.origin() || !self.is_new(&next) {
                return;
            }
            url = next;
            response = browser.get(&path_of(&url)).await;
        }
        if response.status != StatusCode::OK {
            let path = path_of(&url);
            self.problems.push(format!("{from}: the link to {path} leads to {}", response.status));
            return;
        }
        // The documentation of the API is a page of a library.
        if is_page(&response) && url.path() != "/docs" {
            self.read(&url, response.text);
        }
    }

    /// `true` for an address that was not opened, which is now.
    fn is_new(&mut self, url: &Url) -> bool {
        let mut url = url.clone();
        url.set_fragment(None);
        self.known.insert(path_of(&url))
    }

    fn read(&mut self, url: &Url, text: String) {
        let (path, document) = (path_of(url), Document::parse(&text));
        self.reached.extend(template_of(&Method::GET, url.path()));
        self.problems.extend(defects(&document).into_iter().map(|defect| format!("{path}: {defect}")));
        self.ids.insert(path.clone(), document.ids.iter().cloned().collect());
        for link in &document.links {
            self.follow(url, link, &path);
        }
        for form in &document.forms {
            self.read_form(url, form, &path);
        }
        self.pages.push(VisitedPage { path, text });
    }

    fn read_form(&mut self, page: &Url, form: &Form, from: &str) {
        for action in &form.actions {
            match form.method.as_str() {
                "get" => {
                    let Ok(mut url) = page.join(action) else {
                        self.problems.push(format!("{from}: {action} is no address"));
                        continue;
                    };
                    url.set_query(None);
                    url.query_pairs_mut().extend_pairs(&form.fields);
                    self.follow(page, url.as_str(), from);
                }
                "post" => {
                    let url = page.join(action).unwrap();
                    self.actions.insert(path_of(&url), from.to_owned());
                    if CREATIONS.iter().any(|end| url.path().ends_with(end)) {
                        self.creations.insert(shape(&url), (path_of(&url), form.clone()));
                    }
                }
                other => self.problems.push(format!("{from}: a form has the method {other}")),
            }
        }
    }

    /// Sends a form that creates something without its entries, which is rejected, and reads the page with the errors.
    async fn send_empty(&mut self, browser: &Browser<'_>, action: &str, form: &Form) {
        let fields: Vec<_> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = browser.post(action, &fields).await;
        if response.status != StatusCode::UNPROCESSABLE_ENTITY {
            self.problems.push(format!("{action}: a form without entries leads to {}", response.status));
            return;
        }
        let path = format!("{action}, rejected");
        let found = defects(&Document::parse(&response.text));
        self.problems.extend(found.into_iter().map(|defect| format!("{path}: {defect}")));
        self.pages.push(VisitedPage { path, text: response.text });
    }

    /// Requires that there is a route for the address of a form.
    async fn require_action(&mut self, browser: &Browser<'_>, action: &str, from: &str) {
        let path = action.split('?').next().unwrap_or(action);
        let exists = match path.starts_with("/console") {
            true => template_of(&Method::POST, path).is_some(),
            // The routes of the API are in no table; without its fields a form changes nothing.
            false => {
                let status = browser.post(action, &[]).await.status;
                ![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status)
            }
        };
        if !exists {
            self.problems.push(format!("{from}: no route takes the form that is sent to {action}"));
        }
    }
}

/// Defects of a page that concern nothing else.
fn defects(document: &Document) -> Vec<String> {
    let mut defects = Vec::new();
    if document.titles.len() != 1 || document.titles.iter().any(String::is_empty) {
        defects.push(format!("the titles are {:?}", document.titles));
    }
    if document.headings.len() != 1 || document.headings.iter().any(String::is_empty) {
        defects.push(format!("the headings of the first level are {:?}", document.headings));
    }
    let mut unique = BTreeSet::new();
    for id in &document.ids {
        if !unique.insert(id) {
            defects.push(format!("the id {id} occurs twice"));
        }
    }
    for (attribute, id) in &document.references {
        if !unique.contains(id) {
            defects.push(format!("{attribute} names {id}, which is not on the page"));
        }
    }
    defects
}

fn is_page(response: &Response) -> bool {
    response.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Path with the query.
fn path_of(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// Address without ids and without the values of its query.
fn shape(url: &Url) -> String {
    let segments: Vec<_> =
        url.path().split('/').map(|segment| if is_id(segment) { "{}" } else { segment }).collect();
    let keys: BTreeSet<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    format!("{}?{}", segments.join("/"), keys.into_iter().collect::<Vec<_>>().join("&"))
}

/// `true` for ids such as `org_01h455vb4pex5vsknk084sn02q`.
fn is_id(segment: &str) -> bool {
    segment.split_once('_').is_some_and(|(kind, id)| kind.len() < 6 && id.len() > 7)
}

/// Template of the route of a path in the table of the console.
pub(super) fn template_of(method: &Method, path: &str) -> Option<&'static str> {
    let matches = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(expected, actual)| expected.starts_with('{') || expected == actual)
    };
    // Fixed segments precede parameters, as in the router.
    let mut found: Vec<_> =
        routes().into_iter().filter(|route| route.method == method && matches(route.path)).collect();
    found.sort_by_key(|route| route.path.matches('{').count());
    found.first().map(|route| route.path)
}

#[test]
fn defects_of_a_page_are_named() {
    let defects_of = |text: &str| defects(&Document::parse(text));
    let page = "<title>T</title><h1>H</h1>";
    assert_eq!(defects_of(&format!("{page}<p id=a><a aria-describedby=a>")), [""; 0]);
    for (text, expected) in [
        ("<h1>H</h1>".to_owned(), "the titles are []"),
        ("<title></title><h1>H</h1>".to_owned(), "the titles are [\"\"]"),
        (format!("{page}<h1>I</h1>"), "the headings of the first level are [\"H\", \"I\"]"),
        (format!("{page}<p id=a><p id=a>"), "the id a occurs twice"),
        (format!("{page}<label for=a>"), "for names a, which is not on the page"),
    ] {
        assert_eq!(defects_of(&text), [expected], "{text}");
    }
}

#[test]
fn addresses_are_alike_without_ids_and_values() {
    let of = |address: &str| shape(&Url::parse(ORIGIN).unwrap().join(address).unwrap());
    assert_eq!(of("/console/orgs/org_01h455vb4pex5vsknk084sn02q?q=a&p=b"), "/console/orgs/{}?p&q");
    assert_eq!(of("/console/orgs/new"), "/console/orgs/new?");
}

#[test]
fn routes_are_found_by_their_paths() {
    assert_eq!(template_of(&Method::POST, "/console/orgs/new"), Some("/console/orgs/new"));
    assert_eq!(template_of(&Method::GET, "/console/orgs/org_1"), Some("/console/orgs/{org}"));
    assert_eq!(template_of(&Method::POST, "/console/orgs"), None);
}
