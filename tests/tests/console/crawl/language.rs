//! Translation of all texts that any role reaches.

use std::collections::BTreeMap;

use super::crawler::crawl;
use super::texts::untranslated;
use super::world::World;

/// Names, currencies and verbs on the pages, for places in which there is no markup around them.
const NAMES: &[&str] = &[
    // Product, organizations, workspaces and their files.
    "Hexabase",
    "acme",
    "closed",
    "others",
    "late",
    "archive",
    "new",
    "shop",
    "archive.kubeconfig",
    "shop.kubeconfig",
    // Projects, groups, alert rules, service account, role and hosts.
    "api",
    "web",
    "WSAdmins",
    "WSUsers",
    "WorkspaceMembers",
    "leaf",
    "nested-readers",
    "readers",
    "team",
    "viewers",
    "cpu-high",
    "memory-used",
    "robot",
    "spare",
    "memory",
    "registered",
    // Plans, currency and card.
    "Business",
    "Starter",
    "Team",
    "USD",
    "visa",
    // Verbs of Kubernetes.
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
    // Name of a language in itself.
    "English",
];

/// Texts that are not translated, each with the reason.
const UNTRANSLATED: &[&str] = &[
    // Commands in the labels of the buttons that copy them.
    "hexabase host-setup | kubectl apply --server-side -f -",
    // Titles of sign-in providers are part of the configuration; this one is the default of the development provider.
    "Development (any address, no password)",
    // Rules that the API states in words only: see `Violation::rule`.
    "must be 1 to 50 rules",
];

#[tokio::test]
async fn each_text_of_each_page_of_each_role_is_translated() {
    let world = World::new().await;
    let mut found = BTreeMap::new();
    for (role, browser) in world.browsers_in("en-XA").await {
        for page in crawl(&browser).await.pages {
            for text in untranslated(&page.text, &[NAMES, UNTRANSLATED].concat()) {
                found.entry(text).or_insert_with(|| format!("{role} {}", page.path));
            }
        }
    }
    let list: Vec<_> =
        found.iter().map(|(text, page)| format!("{}: {} ({page})", text.place, text.text)).collect();
    assert!(list.is_empty(), "{} texts:\n{}", list.len(), list.join("\n"));
}
