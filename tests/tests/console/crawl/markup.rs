//! Validity of the HTML of all pages that any role reaches.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

use hexabase_test_servers::peer;
use serde_json::json;

use super::crawler::{VisitedPage, crawl};
use super::world::World;

/// Violations of the rules of html-validate, with the pages on which they are.
fn violations(pages: &[VisitedPage]) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for page in pages {
        writeln!(file, "{}", json!({ "name": page.path, "html": page.text })).unwrap();
    }
    let (node, script) = peer("validate_html.mjs");
    let package = script.with_file_name("node_modules").join("html-validate");
    assert!(package.is_dir(), "html-validate is not installed; run: npm ci --prefix tests/peers");
    let output = Command::new(node).arg(script).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn invalid_markup_is_found() {
    let page = |text: &str| VisitedPage { path: "/page".to_owned(), text: text.to_owned() };
    let valid =
        page("<!DOCTYPE html><html lang=\"en\"><head><title>T</title></head><body><p>Text</p></body></html>");
    assert_eq!(violations(&[valid]), [""; 0]);
    let nested = page(
        "<!DOCTYPE html><html lang=\"en\"><head><title>T</title></head><body><p><div>Text</div></p></body></html>",
    );
    assert!(!violations(&[nested]).is_empty());
}

#[tokio::test]
async fn the_markup_of_each_page_of_each_role_is_valid() {
    let world = World::new().await;
    let (mut pages, mut known) = (Vec::new(), BTreeSet::new());
    for (_, browser) in world.browsers().await {
        let visited = crawl(&browser).await.pages;
        pages.extend(visited.into_iter().filter(|page| known.insert(page.text.clone())));
    }
    let violations = violations(&pages);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}
