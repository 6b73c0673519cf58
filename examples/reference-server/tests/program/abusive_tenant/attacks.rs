use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::process::{Client, Process};

const SILENT_CONNECTIONS: usize = 500;
const SILENT_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 255));
/// Length of parameters that the server could store.
const LARGE_PARAMETER: usize = 6 * 1024;
/// Authorization request of the command line.
const AUTHORIZATION_REQUEST: &str = "response_type=code&client_id=hexabase&redirect_uri=http%3A%2F%2F127.0.0.1%3A8000&\
                                     scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWBuGJSstw-cM&\
                                     code_challenge_method=S256";
/// Maximum number of concurrent requests of an attack.
const CONCURRENT_REQUESTS: u32 = 16;
const FIRST_EVENT: &str = "evt_00000000000000000000000000";

/// Numbers of responses by status, by attack. A request without a response has the status 0.
pub(super) type AttackCounts = BTreeMap<&'static str, BTreeMap<u16, usize>>;

type Counts = Arc<Mutex<AttackCounts>>;

/// Attack by requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Streams,
    Organizations,
    Workspaces,
    Tasks,
    Invitations,
    Searches,
    Labels,
    SignIns,
    DeviceCodes,
    Bodies,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Streams,
        Self::Organizations,
        Self::Workspaces,
        Self::Tasks,
        Self::Invitations,
        Self::Searches,
        Self::Labels,
        Self::SignIns,
        Self::DeviceCodes,
        Self::Bodies,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Streams => "event streams from the beginning",
            Self::Organizations => "organizations",
            Self::Workspaces => "workspaces",
            Self::Tasks => "suspend and resume in turn",
            Self::Invitations => "invitations",
            Self::Searches => "searches of the audit log",
            Self::Labels => "made-up methods and paths",
            Self::SignIns => "anonymous sign-ins with large parameters",
            Self::DeviceCodes => "device codes",
            Self::Bodies => "large anonymous bodies",
        }
    }

    /// Client address of the attack.
    fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 1, self as u8 + 1))
    }
}

/// Abusive tenant, whose attacks come from one address each.
pub(super) struct Attack {
    client: Client,
    token: String,
    url: String,
    organization: String,
    workspace: String,
}

impl Attack {
    /// Creates the abusive tenant, with an organization and a workspace.
    pub(super) async fn prepare(api: &Process) -> Arc<Self> {
        let client = api.sign_in("abusive@example.com").await;
        let body = json!({ "name": "abusive", "display_name": "Abusive" });
        let organization =
            client.post("/api/v1/organizations", &body).await["id"].as_str().unwrap().to_owned();
        let body = json!({ "name": "main", "plan_id": "starter" });
        let path = format!("/api/v1/organizations/{organization}/workspaces");
        let workspace = client.post(&path, &body).await["id"].as_str().unwrap().to_owned();
        let token = client.token().to_owned();
        Arc::new(Self { client, token, url: api.url.clone(), organization, workspace })
    }

    /// Number of tasks of the workspace that have not ended.
    pub(super) async fn open_tasks(&self) -> usize {
        let path = format!("{}/tasks?limit=200", self.workspace_path());
        let tasks = loop {
            match self.client.get_with_status(&path).await {
                // The attacks have used up the allowance of the user.
                (429, _) => tokio::time::sleep(Duration::from_secs(1)).await,
                (status, tasks) => {
                    assert_eq!(status, 200, "{tasks}");
                    break tasks;
                }
            }
        };
        let open = |task: &&Value| matches!(task["state"].as_str().unwrap(), "pending" | "running");
        tasks["items"].as_array().unwrap().iter().filter(open).count()
    }

    fn organization_path(&self) -> String {
        format!("/api/v1/organizations/{}", self.organization)
    }

    fn workspace_path(&self) -> String {
        format!("{}/workspaces/{}", self.organization_path(), self.workspace)
    }

    /// Request of the tenant.
    fn request(&self, http: &reqwest::Client, method: Method, path: &str) -> RequestBuilder {
        http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// Request of an unknown client.
    fn anonymous(&self, http: &reqwest::Client, method: Method, path: &str) -> RequestBuilder {
        http.request(method, format!("{}{path}", self.url))
    }

    /// The `number`-th request of an attack.
    fn build(&self, kind: Kind, http: &reqwest::Client, number: usize) -> RequestBuilder {
        let organization = self.organization_path();
        let large = || "x".repeat(LARGE_PARAMETER);
        match kind {
            Kind::Streams => self
                .request(http, Method::GET, &format!("{organization}/events"))
                .header("last-event-id", FIRST_EVENT),
            Kind::Organizations => {
                let body = json!({ "name": format!("more-{number}"), "display_name": "More" });
                self.request(http, Method::POST, "/api/v1/organizations").json(&body)
            }
            Kind::Workspaces => {
                let body = json!({ "name": format!("ws-{number}"), "plan_id": "starter" });
                self.request(http, Method::POST, &format!("{organization}/workspaces")).json(&body)
            }
            Kind::Tasks => {
                let action = if number.is_multiple_of(2) { "suspend" } else { "resume" };
                self.request(http, Method::POST, &format!("{}/{action}", self.workspace_path()))
            }
            Kind::Invitations => {
                let body = json!({ "email": format!("person-{number}@example.com"), "role": "member" });
                self.request(http, Method::POST, &format!("{organization}/invitations")).json(&body)
            }
            Kind::Searches => {
                let path = format!("{organization}/audit-events?limit=200&action=made.up-{number}");
                self.request(http, Method::GET, &path)
            }
            Kind::Labels => {
                let method = Method::from_bytes(format!("METHOD{number}").as_bytes()).unwrap();
                let path = if number.is_multiple_of(2) { "/healthz" } else { "/made-up/path" };
                self.anonymous(http, method, path)
            }
            Kind::SignIns => {
                let paths = [
                    format!("/oauth2/authorize?{AUTHORIZATION_REQUEST}&state={}", large()),
                    format!("/auth/login/dev?return_to=/{}", large()),
                ];
                self.anonymous(http, Method::GET, &paths[number % 2])
            }
            Kind::DeviceCodes => self
                .anonymous(http, Method::POST, "/oauth2/device_authorization")
                .header("content-type", "application/x-www-form-urlencoded")
                .body("client_id=hexabase&scope=openid"),
            Kind::Bodies => {
                self.anonymous(http, Method::POST, "/api/v1/organizations").body(vec![b' '; 1024 * 1024])
            }
        }
    }

    /// Sends the requests of an attack at a rate per second, until the task is aborted.
    async fn run(self: Arc<Self>, kind: Kind, rate: u32, counts: Counts) {
        let http = client_at(kind.address());
        let number = AtomicUsize::new(0);
        let pause = Duration::from_secs(1) * CONCURRENT_REQUESTS / rate;
        let (attack, http, number, counts, start) = (&self, &http, &number, &counts, Instant::now());
        let senders = (0..CONCURRENT_REQUESTS).map(|sender| async move {
            let first = start + pause * sender / CONCURRENT_REQUESTS;
            let mut interval = tokio::time::interval_at(first, pause);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let number = number.fetch_add(1, Ordering::Relaxed);
                let response = attack.build(kind, http, number).send().await;
                let status = response.as_ref().map_or(0, |response| response.status().as_u16());
                *counts.lock().unwrap().entry(kind.name()).or_default().entry(status).or_default() += 1;
                // A stream remains open and unread for a while.
                if kind == Kind::Streams && status == 200 {
                    tokio::time::sleep(pause * 4).await;
                }
            }
        });
        join_all(senders).await;
    }

    /// Opens connections that send one byte or the preface of HTTP/2, and opens closed ones again.
    async fn open_silent_connections(self: Arc<Self>) {
        let server: SocketAddr = self.url.strip_prefix("http://").unwrap().parse().unwrap();
        let connections = (0..SILENT_CONNECTIONS).map(|number| async move {
            let bytes: &[u8] =
                if number.is_multiple_of(2) { b"G" } else { b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" };
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::new(SILENT_ADDRESS, 0)).unwrap();
                if let Ok(mut connection) = socket.connect(server).await
                    && connection.write_all(bytes).await.is_ok()
                {
                    // Returns when the server closes the connection.
                    let _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        join_all(connections).await;
    }
}

/// Runs all attacks at once, each at a rate per second, until `work` is done.
pub(super) async fn run_attacks<T>(
    attack: &Arc<Attack>,
    rate: u32,
    work: impl Future<Output = T>,
) -> (T, AttackCounts) {
    let counts = Counts::default();
    let mut tasks = JoinSet::new();
    for kind in Kind::ALL {
        tasks.spawn(attack.clone().run(kind, rate, counts.clone()));
    }
    tasks.spawn(attack.clone().open_silent_connections());
    let output = work.await;
    tasks.shutdown().await;
    let counts = std::mem::take(&mut *counts.lock().unwrap());
    (output, counts)
}

/// Client whose connections come from a loopback address, so that each attack has the allowance of its own address.
fn client_at(address: IpAddr) -> reqwest::Client {
    let builder = reqwest::Client::builder().local_address(address).redirect(Policy::none());
    builder.timeout(Duration::from_secs(60)).build().unwrap()
}
