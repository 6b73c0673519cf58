//! Logs.

use std::sync::Arc;

use axum::http::StatusCode;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::desired::TenantTarget;
use hexabase_core::logs::{LogLine, MemoryLogs};
use hexabase_tests::TestApp;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Browser, Observed, assert_contains, in_japanese};

/// Platform with these lines, each a millisecond later than the one before, the last one now.
async fn with_lines(texts: &[String]) -> Observed {
    let logs = Arc::new(MemoryLogs::new());
    let source = logs.clone();
    let observed = Observed::with(TestApp::with_console_and(|builder| builder.with_logs(source)).await).await;
    let workspace = observed.workspace.rsplit('/').next().unwrap();
    let target = TenantTarget::by_id(observed.organization.parse().unwrap(), workspace.parse().unwrap());
    let start = SystemClock.now() - SignedDuration::from_millis(i64::try_from(texts.len() - 1).unwrap());
    let names = ["web", "<img src=x>", "app"].map(Arc::<str>::from);
    let line = |(number, text): (i64, &String)| {
        LogLine::new(start + SignedDuration::from_millis(number), names.clone(), text.as_str())
    };
    logs.write(&target, (0..).zip(texts).map(line));
    observed
}

#[tokio::test]
async fn lines_are_filtered_marked_and_downloaded() {
    let observed = Observed::new().await;
    let ann = observed.ann().await;
    let page = ann.get(&observed.page("logs")).await;
    assert_contains(
        &page,
        &[
            "role=\"log\" aria-live=\"off\" tabindex=\"0\"",
            "level=info msg=",
            "Older lines",
            "Download",
            "<option value=\"worker-58c7f6b9d4-tq7zm\">",
        ],
    );
    assert_eq!(page.text.matches("<li><time").count(), 500);
    assert!(page.text.contains("/logs?since=1h&amp;follow=true\""), "{}", page.text);

    let project = ann.get(&observed.page(&format!("logs?project={}", observed.project))).await;
    assert_contains(&project, &[&format!("<option value=\"{}\" selected>", observed.project)]);
    let filtered = ann.get(&observed.page("logs?container=worker&query=declined&since=15m")).await;
    assert_contains(&filtered, &["<mark>declined</mark>", "value=\"declined\"", "data-mark=\"declined\""]);
    assert!(!filtered.text.contains("order shipped"), "{}", filtered.text);
    let expression = ann.get(&observed.page("logs?query=declined|slow&regex=true")).await;
    assert_contains(&expression, &["slow response", "value=\"true\" checked"]);
    let malformed = ann.get(&observed.page("logs?query=%28&regex=true")).await;
    assert_eq!(malformed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_contains(&malformed, &["is not a regular expression in RE2 syntax", "value=\"(\""]);
    let nothing = ann.get(&observed.page("logs?query=nothing-like-this")).await;
    assert_contains(&nothing, &["Nothing matches the filters"]);

    let file = ann.get(&observed.page("logs?container=worker&format=text")).await;
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"shop.log\"");
    let lines: Vec<&str> = file.text.lines().collect();
    assert!(lines.len() > 1_000 && lines.is_sorted(), "{}", lines.len());
    assert!(lines[0].contains(" web/worker-58c7f6b9d4-tq7zm/worker level="), "{}", lines[0]);
    assert_contains(&in_japanese(&ann, &observed.page("logs")).await, &["ログ", "古い行", "ダウンロード"]);
    let chosen = ann.get(&observed.page("logs?times=off&wrap=off")).await;
    assert_contains(&chosen, &["class=\"log times-off unwrapped\"", "times=off&amp;wrap=off"]);
}

#[tokio::test]
async fn pages_lead_to_older_lines_without_scripts() {
    let texts: Vec<String> = (0..1_050).map(|number| format!("line {number:04}")).collect();
    let observed = with_lines(&texts).await;
    let ann = observed.ann().await;
    let (mut path, mut sizes, mut all) = (observed.page("logs"), Vec::new(), String::new());
    loop {
        let page = ann.get(&path).await;
        sizes.push(page.text.matches("<li><time").count());
        all += &page.text;
        let is_newest = page.text.contains("data-follow=");
        assert_eq!(is_newest, sizes.len() == 1, "only the newest page continues");
        let Some((before, _)) = page.text.split_once("\">Older lines</a>") else { break };
        path = before.rsplit_once('"').unwrap().1.replace("&amp;", "&");
    }
    assert_eq!(sizes, [500, 500, 50]);
    for text in &texts {
        assert_eq!(all.matches(text.as_str()).count(), 1, "{text}");
    }
    assert!(all.contains("Newest lines"));
}

#[tokio::test]
async fn hostile_lines_are_text() {
    let observed = with_lines(&["<script>alert(1)</script>\u{1b}[2J\u{202e}".to_owned()]).await;
    let page = observed.ann().await.get(&observed.page("logs?query=%3Cscript%3E")).await;
    assert_contains(&page, &["<mark>&lt;script&gt;</mark>alert(1)", "&lt;img src=x&gt;/app"]);
    assert!(
        !page.text.contains("<script>a") && !page.text.contains("<img") && !page.text.contains('\u{202e}')
    );
    let malformed = observed.ann().await.get(&observed.page("logs?before=x")).await;
    assert_eq!(malformed.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn users_see_which_logs_they_can_read() {
    let observed = with_lines(&["hello".to_owned()]).await;
    let ann = observed.app.sign_in("ann").await;
    observed.app.add_member(&ann, &observed.organization, "boss", "admin").await;
    let boss = Browser::sign_in(&observed.app, "boss").await;
    let refused = boss.get(&observed.page("logs")).await;
    assert_eq!(refused.status, StatusCode::OK);
    assert_contains(
        &refused,
        &["You cannot read these logs", "role that allows get pods/log", "/why?verb=get"],
    );
    assert!(!refused.text.contains("hello") && !refused.text.contains("data-follow="), "{}", refused.text);
    let file = boss.get(&observed.page("logs?format=text")).await;
    assert_eq!(file.status, StatusCode::FORBIDDEN);

    observed.app.add_member(&ann, &observed.organization, "bob", "member").await;
    let (bob, api) = (observed.app.sign_in("bob").await.id, observed.api());
    let group = ann.client.create(&format!("{api}/groups"), &json!({ "name": "team" })).await;
    let put = axum::http::Method::PUT;
    ann.client.send_ok(put, &format!("{api}/groups/{group}/members/{bob}"), &Value::Null).await;
    let assignments = format!("{api}/projects/{}/role-assignments", observed.project);
    let assignment = json!({ "group_id": group, "role": "hexabase:project-viewer" });
    ann.client.create(&assignments, &assignment).await;
    let bob = Browser::sign_in(&observed.app, "bob").await;
    let link = format!("{}?project={}", observed.page("logs"), observed.project);
    assert_contains(&bob.get(&observed.page("logs")).await, &[&format!("href=\"{link}\"")]);
    assert_contains(&bob.get(&link).await, &["hello"]);
}
