//! Progress of operations that take time.

use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Result};
use serde_json::Value;

use super::api::Api;
use super::output::{field, print_note, text_of};

/// Interval between the first two requests for the progress; it doubles up to the maximum.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_secs(2);
/// Code of errors of an operation that failed or did not end in time.
pub(in crate::command) const NOT_COMPLETED: &str = "not_completed";

/// State of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    /// In progress, with a description.
    Running(String),
    Succeeded,
    /// Failed, with the reason and the remedy.
    Failed(String),
}

/// Waits until a task of a workspace, the object at the path `workspace`, ends, and shows its steps.
///
/// # Errors
/// `Conflict` with the code [`NOT_COMPLETED`] if the task fails or does not end in time.
pub(in crate::command) async fn wait_for_task(
    api: &Api,
    workspace: &str,
    task: &str,
    timeout: Duration,
) -> Result<()> {
    poll(api, &format!("{workspace}/tasks/{task}"), timeout, task_progress).await
}

/// Waits until the project at a path is ready.
///
/// # Errors
/// As [`wait_for_task`].
pub(in crate::command) async fn wait_for_project(api: &Api, project: &str, timeout: Duration) -> Result<()> {
    poll(api, project, timeout, project_progress).await
}

/// Waits until the object at a path does not exist any more.
///
/// # Errors
/// As [`wait_for_task`].
pub(in crate::command) async fn wait_for_deletion(api: &Api, path: &str, timeout: Duration) -> Result<()> {
    poll(api, path, timeout, |_| Progress::Running("deleting".to_owned())).await
}

/// Reads an object until the operation ends; an object that has disappeared was deleted. The wait goes on while the
/// server is unavailable.
async fn poll(api: &Api, path: &str, timeout: Duration, progress: fn(&Value) -> Progress) -> Result<()> {
    let mut shown = String::new();
    let ended = async {
        let mut interval = FIRST_INTERVAL;
        loop {
            match api.get::<Value>(path).await {
                Ok(object) => match progress(&object) {
                    Progress::Succeeded => return Ok(()),
                    Progress::Failed(reason) => return Err(Error::conflict(NOT_COMPLETED, reason)),
                    Progress::Running(text) if text != shown => {
                        print_note(&text);
                        shown = text;
                        interval = FIRST_INTERVAL;
                    }
                    Progress::Running(_) => {}
                },
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited) => {
                    print_note(&format!("waiting for the server: {error}"));
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(interval).await;
            interval = interval.saturating_mul(2).min(MAX_INTERVAL);
        }
    };
    match tokio::time::timeout(timeout, ended).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!(
                "the operation was not complete after {}s, and goes on; hexabase workspaces tasks shows its progress",
                timeout.as_secs()
            );
            Err(Error::conflict(NOT_COMPLETED, message))
        }
    }
}

fn task_progress(task: &Value) -> Progress {
    let text = |path: &str| text_of(field(task, path));
    let error = field(task, "last_error").as_str().unwrap_or_default().to_owned();
    let kind = text("kind");
    match text("state").as_str() {
        "succeeded" => Progress::Succeeded,
        "superseded" => Progress::Failed(format!("the task {kind} was superseded by a newer one")),
        "failed" => Progress::Failed(format!(
            "the task {kind} failed: {error}; repeat it with hexabase workspaces retry WORKSPACE {}",
            text("id")
        )),
        state => {
            let steps = field(task, "steps").as_array().map(Vec::as_slice).unwrap_or_default();
            let is_done = |step: &&Value| field(step, "state") == "done";
            let current = steps.iter().find(|step| !is_done(step)).map(|step| text_of(field(step, "name")));
            let done = steps.iter().filter(is_done).count();
            let current = current.unwrap_or_else(|| state.to_owned());
            let reason = if error.is_empty() { String::new() } else { format!(" (retrying after: {error})") };
            Progress::Running(format!("{kind} [{done}/{}] {current}{reason}", steps.len()))
        }
    }
}

fn project_progress(project: &Value) -> Progress {
    let message = field(project, "message").as_str().unwrap_or_default();
    match text_of(field(project, "phase")).as_str() {
        "ready" => Progress::Succeeded,
        "failed" => Progress::Failed(format!("the namespace cannot be created: {message}")),
        phase if message.is_empty() => Progress::Running(phase.to_owned()),
        phase => Progress::Running(format!("{phase}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_shows_its_current_step_and_its_end() {
        let task = |state: &str, error: &str| {
            let steps = json!([{ "name": "namespace", "state": "done" }, { "name": "control_plane", "state": "running" }]);
            json!({ "id": "tsk_1", "kind": "create", "state": state, "steps": steps, "last_error": error })
        };
        let running = |text: &str| Progress::Running(text.to_owned());
        assert_eq!(task_progress(&task("running", "")), running("create [1/2] control_plane"));
        let retrying = "create [1/2] control_plane (retrying after: no capacity)";
        assert_eq!(task_progress(&task("running", "no capacity")), running(retrying));
        assert_eq!(task_progress(&task("succeeded", "")), Progress::Succeeded);
        let Progress::Failed(reason) = task_progress(&task("failed", "no capacity")) else { panic!() };
        assert!(reason.contains("no capacity") && reason.contains("retry WORKSPACE tsk_1"), "{reason}");
        assert!(matches!(task_progress(&task("superseded", "")), Progress::Failed(_)));
    }

    #[test]
    fn a_project_is_complete_when_its_namespace_is() {
        let progress =
            |phase: &str, message: &str| project_progress(&json!({ "phase": phase, "message": message }));
        assert_eq!(progress("pending", "waiting"), Progress::Running("pending: waiting".to_owned()));
        assert_eq!(progress("ready", ""), Progress::Succeeded);
        assert!(matches!(progress("failed", "foreign"), Progress::Failed(_)));
    }
}
