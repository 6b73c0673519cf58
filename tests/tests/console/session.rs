//! Sign-in, sign-out, sessions that end, language and colours.

use axum::http::{Request, StatusCode};
use hexabase_tests::TestApp;
use hexabase_tests::browser::cookies;

use super::{Browser, location, value_of};

#[tokio::test]
async fn the_sign_in_returns_to_the_page() {
    let app = TestApp::with_console().await;
    let anonymous = Browser::new(&app);
    let redirect = anonymous.get("/console/orgs?q=a").await;
    assert_eq!(location(&redirect), "/console/sign-in?return_to=%2Fconsole%2Forgs%3Fq%3Da");
    // The only provider is followed at once, but not by a redirect, which browsers would block after a form.
    let login = anonymous.get(&location(&redirect)).await;
    assert_eq!(login.status, StatusCode::OK, "{}", login.text);
    let refresh = "content=\"0;url=/auth/login/dev?return_to=%2Fconsole%2Forgs%3Fq%3Da\"";
    assert!(login.text.contains(refresh), "{}", login.text);
    let elsewhere = anonymous.get("/console/sign-in?return_to=https://evil.example").await;
    assert!(elsewhere.text.contains("0;url=/auth/login/dev?return_to=%2Fconsole\""), "{}", elsewhere.text);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_cache() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    assert_eq!(ann.get("/console/session").await.status, StatusCode::NO_CONTENT);
    let token = value_of(&ann.get("/console/orgs").await, "csrf");
    let signed_out = ann.post("/console/sign-out", &[("csrf", &token)]).await;
    assert_eq!(signed_out.status, StatusCode::SEE_OTHER, "{}", signed_out.text);
    assert_eq!(signed_out.headers["clear-site-data"], "\"cache\"");
    assert_eq!(ann.get("/console/session").await.status, StatusCode::UNAUTHORIZED);
    let page = Browser::new(&app).get(&location(&signed_out)).await;
    assert!(page.text.contains("You are signed out."), "{}", page.text);
}

#[tokio::test]
async fn buttons_of_an_ended_session_lead_to_pages_that_exist() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let token = value_of(&ann.get("/console/orgs").await, "csrf");
    ann.post("/console/sign-out", &[("csrf", &token)]).await;
    let signed_out = ann.post("/console/sign-out", &[("csrf", &token)]).await;
    assert_eq!(location(&signed_out), "/console/sign-in?signed_out=1");
    let invitation = format!("/console/orgs/{org}/members/invitations/inv_01h455vb4pex5vsknk084sn02q");
    let withdrawn = ann.post(&invitation, &[("csrf", &token), ("intent", "withdraw")]).await;
    assert_eq!(location(&withdrawn), "/console/sign-in?return_to=%2Fconsole");
}

#[tokio::test]
async fn entries_survive_a_session_that_ends_while_a_form_is_open() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let page = ann.get("/console/orgs/new").await;
    let token = value_of(&page, "csrf");
    let sign_out = value_of(&ann.get("/console/orgs").await, "csrf");
    ann.post("/console/sign-out", &[("csrf", &sign_out)]).await;

    let fields = [("csrf", token.as_str()), ("name", "acme"), ("display_name", "<Acme>")];
    let ended = ann.post("/console/orgs/new", &fields).await;
    assert_eq!(location(&ended), "/console/sign-in?return_to=%2Fconsole%2Forgs%2Fnew");
    let kept = cookies(&ended);
    assert!(kept.contains("hexabase_form=") && !kept.contains("Acme"), "{kept}");

    let again = Browser::sign_in(&app, "ann").await;
    let with_entries = Browser { cookies: format!("{}; {kept}", again.cookies), ..again.clone() };
    let shown = with_entries.get("/console/orgs/new").await;
    assert!(shown.text.contains("value=\"&lt;Acme&gt;\""), "{}", shown.text);
    assert!(shown.headers.get_all("set-cookie").iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.contains("hexabase_form=;") || cookie.contains("Max-Age=0")
    }));
    // Nothing was sent without the user, and no other user sees the entries.
    let user = app.sign_in("ann").await;
    assert_eq!(user.client.get("/api/v1/organizations").await["items"].as_array().unwrap().len(), 1);
    let eve = Browser::sign_in(&app, "eve").await;
    let other = Browser { cookies: format!("{}; {kept}", eve.cookies), ..eve.clone() };
    assert!(!other.get("/console/orgs/new").await.text.contains("Acme"));
}

#[tokio::test]
async fn language_and_appearance_are_those_that_the_browser_chose() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let english = ann.get("/console/orgs").await;
    assert!(english.text.contains("<html lang=\"en\">"), "{}", english.text);
    let chosen = [("language", "ja"), ("theme", "dark"), ("zone", "utc"), ("density", "compact")];
    let set = ann.post("/console/preferences", &chosen).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER);
    let japanese = Browser { cookies: format!("{}; {}", ann.cookies, cookies(&set)), ..ann.clone() };
    let page = japanese.get("/console/orgs").await;
    let attributes = "<html lang=\"ja\" data-theme=\"dark\" data-zone=\"utc\" data-density=\"compact\">";
    assert!(page.text.contains(attributes), "{}", page.text);
    let profile = japanese.get("/console/me").await;
    for (name, value) in &chosen[1..] {
        let checked = format!("name=\"{name}\" value=\"{value}\"");
        let input = profile.text.split("<input").find(|input| input.contains(&checked));
        assert!(input.is_some_and(|input| input.split('>').next().unwrap().contains("checked")), "{name}");
    }
    let missing = japanese.get("/console/orgs/org_01h455vb4pex5vsknk084sn02q").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.text.contains("<html lang=\"ja\""), "errors have the language, too: {}", missing.text);
    let foreign = ann.post_from("cross-site", "/console/preferences", &[("language", "ja")]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_live_update_leaves_the_message_to_the_next_page() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let fields = [("name", "acme"), ("display_name", "Acme")];
    let created = ann.submit("/console/orgs/new", &fields).await;
    let browser = Browser { cookies: format!("{}; {}", ann.cookies, cookies(&created)), ..ann.clone() };
    let request =
        Request::get("/console/orgs").header("sec-fetch-mode", "cors").header("accept", "text/html");
    let update = browser.send(request, String::new()).await;
    assert_eq!((update.status, update.text.contains("is created.")), (StatusCode::OK, false));
    assert!(!format!("{:?}", update.headers).contains("hexabase_flash"), "{:?}", update.headers);
    assert!(ann.follow(&created).await.text.contains("is created."));
}

#[tokio::test]
async fn a_message_is_shown_to_its_user_only() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let fields = [("name", "acme"), ("display_name", "Acme")];
    let created = ann.submit("/console/orgs/new", &fields).await;
    let message = cookies(&created);
    let eve = Browser::sign_in(&app, "eve").await;
    let other = Browser { cookies: format!("{}; {message}", eve.cookies), ..eve.clone() };
    assert!(!other.get("/console/orgs").await.text.contains("is created."));
    assert!(ann.follow(&created).await.text.contains("is created."));
}
