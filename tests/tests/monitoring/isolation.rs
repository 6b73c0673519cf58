//! No byte of one tenant's data in any answer for another, whatever names both have.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::metrics::{GroupBy, Metric};
use hexabase_test_servers::push;
use hexabase_tests::Client;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::series::Pod;
use super::setup::{Setup, Tenant, eventually};

/// Values of foreign series, which would be visible in every sum.
const HUGE: f64 = 1e12;
/// Greatest value that the tenant's own series can cause.
const MAX_OWN: f64 = 1e10;

/// Texts that are in foreign series, names and lines only.
const FOREIGN: &[&str] = &["secret", "foreign", "alr_00000000000000000000000000"];

/// Names and label values that contain patterns, quotes and the names of others.
const HOSTILE: &[&str] = &[
    "secret",
    ".*",
    "we.",
    "web|secret",
    "secret\"} or up{job=~\".*",
    "x\"} or container_memory_working_set_bytes{namespace=~\".+",
    "\\",
    "`",
    "web\nsecret",
    "$1",
    "{{ $labels.namespace }}",
    "",
];

/// Pods whose series must not count: of namespaces with similar names, and those that a pod of the rival invents.
fn foreign_pods(setup: &Setup) -> Vec<Pod> {
    let (own, shop) = (setup.shop.namespace(), &setup.shop);
    let mut similar: Vec<String> = vec![
        own[..own.len() - 1].to_owned(),
        format!("{own}0"),
        own.replacen("ws-", "ws.", 1),
        format!("x{own}"),
        own.to_uppercase(),
    ];
    let last = if own.ends_with('0') { "1" } else { "0" };
    similar.push(format!("{}{last}", &own[..own.len() - 1]));
    let pod = |namespace: String| Pod { namespace, ..shop.pod("foreign", "secret-0", HUGE, HUGE) };
    similar.into_iter().map(pod).collect()
}

/// Pods of the rival, with hostile names and the names of the other tenant.
fn rival_pods(setup: &Setup) -> Vec<Pod> {
    let (shop, rival) = (&setup.shop, &setup.rival);
    let mut pods = vec![rival.pod("web", "secret-web", HUGE, HUGE)];
    pods.extend(HOSTILE.iter().zip(0..).map(|(name, index)| {
        let pod = rival.pod("secret", &format!("secret-{index}"), HUGE, HUGE);
        Pod {
            project: (*name).to_owned(),
            shown_name: (*name).to_owned(),
            container: format!("secret{name}"),
            ..pod
        }
    }));
    // A pod that claims the host name and the project of another tenant's pod.
    let claimed = shop.pod("web", "web", HUGE, HUGE);
    pods.push(Pod { namespace: rival.namespace(), container: "secret".to_owned(), ..claimed });
    pods.iter_mut().for_each(|pod| pod.crashes = true);
    pods
}

/// Checks that an answer has nothing foreign.
fn assert_own(context: &str, text: &str, rival: &Tenant) {
    let lower = text.to_lowercase();
    for foreign in
        FOREIGN.iter().copied().chain([rival.namespace().as_str(), &rival.workspace_id.to_string()])
    {
        assert!(!lower.contains(foreign), "{context} contains {foreign}: {text}");
    }
    fn numbers(value: &Value, found: &mut Vec<f64>) {
        match value {
            Value::Number(number) => found.extend(number.as_f64()),
            Value::Array(items) => items.iter().for_each(|item| numbers(item, found)),
            Value::Object(fields) => fields.values().for_each(|field| numbers(field, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    numbers(&serde_json::from_str(text).unwrap_or_default(), &mut found);
    let largest = found.into_iter().fold(0.0, f64::max);
    assert!(largest < MAX_OWN, "{context} has the number {largest}: {text}");
}

/// Percent-encoded value of a query.
fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Paths of all answers about metrics, alerts and logs below a workspace.
fn paths(project: &str) -> Vec<String> {
    let mut paths: Vec<String> = ["/health", "/alerts", "/alert-rules", "/logs", "/logs?query=.*&regex=true"]
        .map(str::to_owned)
        .into();
    for metric in Metric::ALL {
        // The quota of the plan is larger than what pods use.
        paths.push(format!("/metrics/{metric}?range=20s&step=1s"));
        for (by, name) in
            [(GroupBy::Project, "project"), (GroupBy::Pod, "pod"), (GroupBy::Container, "container")]
        {
            if metric.has_groups(by) {
                paths.push(format!("/metrics/{metric}?range=20s&step=1s&by={name}"));
                paths.push(format!("/metrics/{metric}?range=20s&step=1s&by={name}&project=web"));
            }
        }
    }
    for name in HOSTILE {
        let name = encoded(name);
        paths.push(format!("/metrics/memory?range=20s&step=1s&project={name}"));
        paths.push(format!("/metrics/memory?range=20s&step=1s&by=pod&project={name}"));
        paths.extend(["query", "pod", "container"].map(|filter| format!("/logs?{filter}={name}")));
        paths.push(format!("/logs?project={project}&query={name}&regex=true"));
    }
    paths
}

/// First event of the stream of usage, with the values.
async fn usage(setup: &Setup, tenant: &Tenant) -> String {
    let request = Request::get(format!("{}/usage/stream", tenant.workspace))
        .header("authorization", format!("Bearer {}", tenant.owner.client.bearer()));
    let response = setup.app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    loop {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let text = String::from_utf8(frame.to_vec()).unwrap();
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data:")) {
            return data.trim().to_owned();
        }
    }
}

/// Log lines of both tenants, and of namespaces with similar names.
async fn write_logs(setup: &Setup) {
    let now = SystemClock.now().as_nanosecond();
    let line = |namespace: &str, project: &str, pod: &str, text: &'static str| {
        let labels = json!({ "namespace": namespace, "vcluster_namespace": project, "container": pod });
        (labels, json!({ "pod": pod }), now, text)
    };
    let own = setup.shop.namespace();
    let mut lines = vec![line(&own, "web", "web", "own line"), line(&own, "web", "web", "own other line")];
    for pod in rival_pods(setup).iter().chain(&foreign_pods(setup)) {
        lines.push(line(&pod.namespace, &pod.project, &pod.shown_name, "secret line web own"));
    }
    push(setup.loki.url(), "", &lines).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_has_a_byte_of_another_tenant() {
    let setup = Setup::new().await;
    let (shop, rival) = (&setup.shop, &setup.rival);
    shop.create_rule("own", 1e6, Some(&shop.project)).await;
    rival.create_rule("secret-rule", 1e6, None).await;
    setup.discover_api_servers();
    setup.targets.update(|hosts| {
        let own = [shop.pod("web", "web", 2e6, 1.0), shop.pod("data", "db", 1e6, 2.0)];
        hosts.pods = own.into_iter().chain(rival_pods(&setup)).chain(foreign_pods(&setup)).collect();
        hosts.invented =
            vec![shop.pod("web", "web", HUGE, HUGE), shop.pod("foreign", "secret-1", HUGE, HUGE)];
    });
    write_logs(&setup).await;
    setup.serve();

    eventually("both alerts", async || !shop.alerts().await.is_empty() && !rival.alerts().await.is_empty())
        .await;
    // Latest values and health are some seconds old, so everything has been scraped when they exist.
    eventually("the latest usage", async || {
        let usage: Value = serde_json::from_str(&usage(&setup, shop).await).unwrap();
        ["cpu", "memory", "storage", "pods", "api_requests"]
            .iter()
            .all(|metric| usage["values"][metric].as_f64().is_some_and(|value| value > 0.0))
    })
    .await;

    assert_own("usage", &usage(&setup, shop).await, rival);
    for path in paths(&shop.project) {
        let response =
            shop.owner.client.send(Method::GET, &format!("{}{path}", shop.workspace), &Value::Null).await;
        let is_answer = [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&response.status);
        assert!(is_answer, "{path}: {} {}", response.status, response.text);
        let mut body = response.body.clone();
        if let Some(fields) = body.as_object_mut() {
            // The quota of a plan can be larger than all usage, and times are large numbers.
            fields.remove("quota");
            for series in fields.get_mut("series").and_then(Value::as_array_mut).into_iter().flatten() {
                // The label of a filter is what the caller sent.
                if path.contains("&project=") && !path.contains("&by=") {
                    series["labels"] = Value::Null;
                }
                for point in series["points"].as_array_mut().unwrap() {
                    point[0] = Value::Null;
                }
            }
        }
        // The detail of an error has what the caller sent.
        if response.status == StatusCode::OK {
            assert_own(&path, &body.to_string(), rival);
        }
    }

    // The answers are not empty.
    let memory = shop.get("/metrics/memory?range=20s&step=1s&by=pod").await;
    let mut names: Vec<&Value> =
        memory["series"].as_array().unwrap().iter().map(|series| &series["labels"]["pod"]).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    assert_eq!(names, ["db", "web"]);
    assert_eq!(shop.get("/logs").await["items"].as_array().unwrap().len(), 2);
    let unhealthy = |health: Value| -> Vec<String> {
        let conditions = health["conditions"].as_array().unwrap().iter();
        let unhealthy = conditions.filter(|condition| condition["status"] == "False");
        unhealthy.map(|condition| condition["type"].as_str().unwrap().to_owned()).collect()
    };
    // No tenant has pods of DNS.
    assert_eq!(unhealthy(shop.get("/health").await), ["DnsReady"]);
    assert!(unhealthy(rival.get("/health").await).contains(&"ContainersRunning".to_owned()));
    let theirs = rival.get("/metrics/memory?range=20s&step=1s").await.to_string();
    assert!(theirs.contains("1400"), "the sum of 14 pods: {theirs}");

    // The other tenant's owner reaches nothing of this one.
    let stranger: &Client = &rival.owner.client;
    for path in paths(&shop.project) {
        let response = stranger.send(Method::GET, &format!("{}{path}", shop.workspace), &Value::Null).await;
        let is_hidden = [StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY].contains(&response.status);
        assert!(is_hidden, "{path}: {} {}", response.status, response.text);
    }
}
