//! Executes plans: reads, plans, acts, and plans again if the server has changed in the meantime.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use hexabase_core::backoff;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id_source::{IdSourceExt as _, SystemIds};
use reqwest::Method as HttpMethod;
use serde_json::{Value, json};

use super::actual::{Actual, text};
use super::document::{DesiredObjects, MAX_PROBLEMS, Problem};
use super::object::{Key, Kind};
use super::plan::{Operation, Plan, PlanOptions, Step, plan};
use super::print_progress;
use super::reader::{Selection, list, read};
use super::report::describe;
use super::request::{ApiRequest, Ids, Method, requests};
use crate::command::client::api::{Api, Request};
use crate::command::client::{NOT_COMPLETED, escape};
use crate::command::print_line;

/// Maximum number of plans that other writers invalidate.
const MAX_CONFLICTS: u32 = 8;
/// Delay before the second plan if another writer invalidated the first one.
const INITIAL_DELAY: Duration = Duration::from_millis(200);
/// Maximum delay before a plan.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// Interval between two reads of a workspace that is not ready.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Exit code of a dry run that found differences.
const DRIFT: u8 = 3;

/// Options of the execution.
pub(super) struct Execution {
    pub(super) options: PlanOptions,
    pub(super) dry_run: bool,
    /// Maximum time to wait for workspaces to be ready; `None` to not wait.
    pub(super) timeout: Option<Duration>,
}

/// Changes of an inventory, by organization.
#[derive(Default)]
struct InventoryChanges(BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>);

impl InventoryChanges {
    fn add(&mut self, organization: &str, reference: String) {
        self.0.entry(organization.to_owned()).or_default().0.insert(reference);
    }

    fn remove(&mut self, organization: &str, reference: String) {
        self.0.entry(organization.to_owned()).or_default().1.insert(reference);
    }
}

impl Execution {
    /// Brings the server in line with the documents.
    ///
    /// # Errors
    /// - `Invalid` for documents that cannot be applied, and `Conflict` if others change the same objects again and again;
    ///   in the first case nothing has been changed.
    /// - Any error of a request.
    pub(super) async fn run(&self, api: &Api, desired: &DesiredObjects) -> Result<ExitCode> {
        let organizations: BTreeSet<String> = desired.keys().map(|key| key.organization.clone()).collect();
        let selection = Selection::Named(organizations);
        let (mut conflicts, mut is_described) = (0, false);
        let ids = loop {
            let actual = read(api, &selection).await?;
            let plan = plan(desired, &actual, &self.options).map_err(|problems| reject(&problems))?;
            if !is_described {
                print_line(&describe(&plan))?;
                is_described = true;
            }
            if self.dry_run {
                return Ok(if plan.operations.is_empty() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::from(DRIFT)
                });
            }
            let stage = stage(&plan.operations);
            let mut ids = Ids::new(&actual);
            let mut changes = InventoryChanges::default();
            let result = act(api, &plan.operations[..stage], &mut ids, &mut changes).await;
            // What has been done is recorded in any case; the next run adopts what is not.
            let recorded = self.record(api, &plan, &actual, changes, &ids).await;
            match result.and(recorded) {
                Ok(()) if stage == plan.operations.len() => break ids,
                Ok(()) => {}
                Err(error) if is_stale(&error) && conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    print_line(&escape(&format!(
                        "the server has changed in the meantime ({error}); planning again"
                    )))?;
                    is_described = false;
                    let random = u64::from_be_bytes(SystemIds::default().bytes());
                    tokio::time::sleep(backoff::delay(conflicts, INITIAL_DELAY, MAX_DELAY, random)).await;
                }
                Err(error) => return Err(error),
            }
        };
        if let Some(timeout) = self.timeout {
            let workspaces = desired.keys().filter_map(|key| match key.kind {
                Kind::Workspace => Some(key.clone()),
                _ => key.its_workspace(),
            });
            wait_until_ready(api, &ids, &workspaces.collect(), timeout).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Records created and adopted objects in the inventory, and removes deleted ones from it.
    async fn record(
        &self,
        api: &Api,
        plan: &Plan,
        actual: &Actual,
        mut changes: InventoryChanges,
        ids: &Ids,
    ) -> Result<()> {
        for key in &plan.adopted {
            if let Some(object) = actual.objects.get(key) {
                changes.add(&key.organization, object.reference.clone());
            }
        }
        for (organization, reference) in &plan.released {
            changes.remove(organization, reference.clone());
        }
        for (organization, (add, remove)) in changes.0 {
            let organization = ids.get(&Key::organization(&organization))?;
            let path = format!("/organizations/{organization}/inventories/{}", self.options.inventory);
            let body = json!({ "add": add, "remove": remove });
            api.send(&Request::new(HttpMethod::PATCH, path).body(body)).await?;
        }
        Ok(())
    }
}

/// Returns the number of operations after which the objects are read again: new organizations and workspaces have
/// contents that the server creates.
fn stage(operations: &[Operation]) -> usize {
    let creates = |kind: Kind| {
        operations.iter().any(|operation| operation.key.kind == kind && operation.step == Step::Create)
    };
    let last = [Kind::Organization, Kind::Workspace].into_iter().find(|kind| creates(*kind));
    let is_before = |operation: &&Operation| {
        last.is_none_or(|last| operation.key.kind <= last && operation.step != Step::Delete)
    };
    operations.iter().take_while(is_before).count()
}

/// Sends the requests of the operations in their order.
async fn act(
    api: &Api,
    operations: &[Operation],
    ids: &mut Ids,
    changes: &mut InventoryChanges,
) -> Result<()> {
    for operation in operations {
        let key = &operation.key;
        let mut created = None;
        for request in requests(operation, ids)? {
            let response = api.send(&to_http(&request)).await.map_err(|error| error.with("object", key))?;
            if request.method == Method::Post {
                created = Some(text(&response.parse::<Value>()?, "id")?.to_owned());
            }
        }
        let done = match operation.step {
            Step::Create => "created",
            Step::Update(_) => "changed",
            Step::Delete => "deleted",
        };
        print_line(&escape(&format!("{done} {key}")))?;
        if let (Step::Delete, Some(object)) = (&operation.step, &operation.object) {
            changes.remove(&key.organization, object.reference.clone());
            continue;
        }
        if let Some(id) = created {
            ids.insert(key.clone(), id);
        }
        match key.kind {
            Kind::Organization => {}
            Kind::GroupMember => {
                let group = ids.get(&key.sibling(Kind::Group, key.parent.as_deref().unwrap_or_default()))?;
                let reference = format!("{group}/{}", ids.get(&key.of_user())?);
                changes.add(&key.organization, reference);
            }
            _ => changes.add(&key.organization, ids.get(key)?.to_owned()),
        }
    }
    Ok(())
}

fn to_http(request: &ApiRequest) -> Request {
    let method = match request.method {
        Method::Post => HttpMethod::POST,
        Method::Put => HttpMethod::PUT,
        Method::Patch => HttpMethod::PATCH,
        Method::Delete => HttpMethod::DELETE,
    };
    let mut sent = Request::new(method, &request.path);
    if let Some(body) = &request.body {
        sent = sent.body(body.clone());
    }
    match request.version {
        Some(version) => sent.if_version(version),
        None => sent,
    }
}

/// `true` for errors that another writer caused.
fn is_stale(error: &Error) -> bool {
    error.is_version_conflict() || matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound)
}

/// Returns the error for documents that cannot be applied.
pub(super) fn reject(problems: &[Problem]) -> Error {
    for problem in problems.iter().take(MAX_PROBLEMS) {
        // If standard error is closed, the error below remains.
        let _ = print_progress(&escape(&problem.to_string()));
    }
    let message = format!("have {} problems; nothing has been changed", problems.len());
    Error::invalid("documents", message)
}

/// Waits until the workspaces have reached their desired state, with their phases as progress. The wait goes on while
/// the server is unavailable.
async fn wait_until_ready(api: &Api, ids: &Ids, workspaces: &BTreeSet<Key>, timeout: Duration) -> Result<()> {
    let organizations: BTreeSet<&str> = workspaces.iter().map(|key| key.organization.as_str()).collect();
    let waiting = async {
        let mut shown: BTreeMap<Key, String> = BTreeMap::new();
        loop {
            let mut is_ready = true;
            for organization in &organizations {
                let path =
                    format!("/organizations/{}/workspaces", ids.get(&Key::organization(organization))?);
                let listed = match list(api, &path).await {
                    Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited) => {
                        is_ready = false;
                        print_progress(&escape(&format!("waiting for the server: {error}")))?;
                        continue;
                    }
                    result => result?,
                };
                for workspace in listed {
                    let key = Key::in_organization(Kind::Workspace, organization, text(&workspace, "name")?);
                    if !workspaces.contains(&key) {
                        continue;
                    }
                    let Some(state) = progress(&workspace)? else { continue };
                    is_ready = false;
                    if shown.get(&key) != Some(&state) {
                        print_progress(&escape(&format!("waiting for {key}: {state}")))?;
                        shown.insert(key, state);
                    }
                }
            }
            if is_ready {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let timed_out = |_| {
        let message = format!(
            "the workspaces were not ready within {} s; the changes are made, and apply waits again when it is repeated",
            timeout.as_secs()
        );
        Error::conflict(NOT_COMPLETED, message)
    };
    tokio::time::timeout(timeout, waiting).await.map_err(timed_out)?
}

/// Returns the phase of a workspace with its reason; `None` if the workspace has reached its desired state.
///
/// # Errors
/// `Conflict` with code `not_completed` if it cannot reach that state.
pub(super) fn progress(workspace: &Value) -> Result<Option<String>> {
    let phase = text(workspace, "phase")?;
    let is_current = workspace["observed_generation"] == workspace["generation"];
    if phase == "suspended" || phase == "ready" && is_current {
        return Ok(None);
    }
    let state = [phase, text(workspace, "reason")?, text(workspace, "message")?].join(" ").trim().to_owned();
    match phase {
        "failed" => {
            let message = format!("the workspace {} has failed: {state}", text(workspace, "name")?);
            Err(Error::conflict(NOT_COMPLETED, escape(&message)))
        }
        _ => Ok(Some(state)),
    }
}
