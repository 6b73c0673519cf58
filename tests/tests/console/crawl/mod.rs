//! Everything that a user of each role reaches from the entry of the console by links and forms.

mod crawler;
mod document;
mod language;
mod markup;
mod texts;
mod world;

use std::collections::BTreeSet;

use axum::http::Method;
use hexabase_console::routes;

use crawler::crawl;
use world::World;

/// Pages to which no link leads.
const WITHOUT_LINK: [(&str, &str); 1] = [("/console/session", "scripts ask there if the session is alive")];

#[tokio::test]
async fn each_link_and_form_of_each_role_leads_to_a_page() {
    let world = World::new().await;
    let (mut problems, mut reached) = (Vec::new(), BTreeSet::new());
    for (role, browser) in world.browsers().await {
        let crawl = crawl(&browser).await;
        assert!(crawl.pages.len() > 1 || role == "anonymous", "{role}: {:?}", crawl.pages);
        problems.extend(crawl.problems.iter().map(|problem| format!("{role}: {problem}")));
        reached.extend(crawl.reached);
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));

    let pages = routes().into_iter().filter(|route| route.method == Method::GET).map(|route| route.path);
    let without_link: BTreeSet<_> = WITHOUT_LINK.map(|(path, _)| path).into();
    let unreached: Vec<_> =
        pages.filter(|path| !reached.contains(path) && !without_link.contains(path)).collect();
    assert!(unreached.is_empty(), "no role reaches {unreached:?}");
}
