use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use crate::process::{Client, Process};

/// Pause between the starts of two requests, below the allowance of 20 requests per second.
const REQUEST_INTERVAL: Duration = Duration::from_millis(80);
/// Pause between two reads of the phase of a workspace.
const PHASE_INTERVAL: Duration = Duration::from_millis(250);

/// Tenant with one workspace that uses the API as a person does.
pub(super) struct RegularTenant {
    client: Client,
    organization: String,
    workspace: String,
}

/// Response times of a tenant's requests.
pub(super) struct Measurement {
    /// Response times in ascending order.
    sorted: Vec<Duration>,
    /// Times until new workspaces were ready.
    pub(super) provisioning: Vec<Duration>,
}

impl Measurement {
    pub(super) fn requests(&self) -> usize {
        self.sorted.len()
    }

    pub(super) fn median(&self) -> Duration {
        self.percentile(50)
    }

    pub(super) fn p95(&self) -> Duration {
        self.percentile(95)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.sorted[(self.sorted.len() - 1) * percent / 100]
    }
}

impl RegularTenant {
    pub(super) async fn create(api: &Process) -> Self {
        let client = api.sign_in("regular@example.com").await;
        let body = json!({ "name": "regular", "display_name": "Regular" });
        let organization =
            client.post("/api/v1/organizations", &body).await["id"].as_str().unwrap().to_owned();
        let mut tenant = Self { client, organization, workspace: String::new() };
        tenant.workspace = tenant.create_workspace("main").await;
        tenant.wait_until_ready(&tenant.workspace).await;
        tenant
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/organizations/{}{rest}", self.organization)
    }

    async fn create_workspace(&self, name: &str) -> String {
        let body = json!({ "name": name, "plan_id": "starter" });
        let workspace = self.client.post(&self.path("/workspaces"), &body).await;
        workspace["id"].as_str().unwrap().to_owned()
    }

    async fn wait_until_ready(&self, workspace: &str) {
        while self.client.get(&self.path(&format!("/workspaces/{workspace}"))).await["phase"] != "ready" {
            tokio::time::sleep(PHASE_INTERVAL).await;
        }
    }

    /// Sends requests for a duration; each of them must succeed. Meanwhile, creates and deletes workspaces.
    pub(super) async fn measure(&self, duration: Duration) -> Measurement {
        let end = Instant::now() + duration;
        let (mut sorted, provisioning) = tokio::join!(self.send_requests(end), self.provision(end));
        sorted.sort_unstable();
        Measurement { sorted, provisioning }
    }

    async fn send_requests(&self, end: Instant) -> Vec<Duration> {
        let mut times = Vec::new();
        let mut interval = tokio::time::interval(REQUEST_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let workspace = self.path(&format!("/workspaces/{}", self.workspace));
        for number in 0_usize.. {
            interval.tick().await;
            let start = Instant::now();
            if start >= end {
                break;
            }
            match number % 4 {
                0 => self.client.get(&workspace).await,
                1 => self.client.get(&self.path("/workspaces")).await,
                2 => {
                    let body = json!({ "display_name": format!("renamed {number}") });
                    self.client.patch(&workspace, &body).await
                }
                _ => self.client.get(&self.path("/audit-events?action=workspace.create")).await,
            };
            times.push(start.elapsed());
        }
        times
    }

    /// Creates one workspace after another and returns the times until they were ready.
    async fn provision(&self, end: Instant) -> Vec<Duration> {
        let mut times = Vec::new();
        while times.is_empty() || Instant::now() < end {
            let start = Instant::now();
            let workspace = self.create_workspace("additional").await;
            self.wait_until_ready(&workspace).await;
            times.push(start.elapsed());
            let path = self.path(&format!("/workspaces/{workspace}"));
            assert_eq!(self.client.delete(&path).await, 202);
            while !self.is_gone(&workspace).await {
                tokio::time::sleep(PHASE_INTERVAL).await;
            }
        }
        times
    }

    async fn is_gone(&self, workspace: &str) -> bool {
        let workspaces: Value = self.client.get(&self.path("/workspaces")).await;
        workspaces["items"].as_array().unwrap().iter().all(|one| one["id"] != workspace)
    }
}
