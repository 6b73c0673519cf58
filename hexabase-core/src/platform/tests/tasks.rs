//! Tasks end, whatever the order of the operations.

use std::time::Duration;

use futures_executor::block_on;
use proptest::prelude::*;

use super::Setup;
use crate::error::Result;
use crate::fixture;
use crate::id::{OrganizationId, TaskId, WorkspaceId};
use crate::lifecycle::supersedes;
use crate::model::{Event, Phase, Task, TaskKind, TaskState};
use crate::name::PlanId;
use crate::page::PageRequest;
use crate::platform::{Caller, UpdateWorkspace};

#[derive(Debug, Clone, Copy)]
enum Step {
    Suspend,
    Resume,
    Update,
    Delete,
    /// Retries every failed task.
    Retry,
    /// Processes what is due after this number of seconds.
    Reconcile(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Suspend),
        4 => Just(Step::Resume),
        3 => Just(Step::Update),
        1 => Just(Step::Delete),
        2 => Just(Step::Retry),
        4 => (0_u64..4).prop_map(Step::Reconcile),
    ]
}

/// Workspace of a new organization, with its owner.
struct OneWorkspace {
    setup: Setup,
    owner: Caller,
    organization: OrganizationId,
    workspace: WorkspaceId,
}

impl OneWorkspace {
    async fn new() -> Self {
        let setup = Setup::new();
        let owner = setup.sign_in("ann").await;
        let organization = setup.create_organization(&owner, "acme").await.id;
        let command = fixture::create_workspace("dev", &plan("small"));
        let created = setup.platform.workspaces().create(&owner, organization, &command).await.unwrap();
        Self { owner, organization, workspace: created.value.workspace.id, setup }
    }

    async fn perform(&self, step: Step) {
        let (workspaces, tasks) = (self.setup.platform.workspaces(), self.setup.platform.tasks());
        let (owner, organization, id) = (&self.owner, self.organization, self.workspace);
        let result = match step {
            Step::Suspend => workspaces.suspend(owner, organization, id).await.map(drop),
            Step::Resume => workspaces.resume(owner, organization, id).await.map(drop),
            Step::Delete => workspaces.delete(owner, organization, id, None).await.map(drop),
            Step::Update => self.update().await,
            Step::Retry => {
                for task in self.tasks().await.iter().filter(|task| task.state == TaskState::Failed) {
                    // Refused for tasks whose place another one took.
                    let _ = tasks.retry(owner, organization, id, task.id).await;
                }
                Ok(())
            }
            Step::Reconcile(seconds) => {
                self.setup.run_worker(Duration::from_secs(seconds)).await;
                Ok(())
            }
        };
        let expected = ["workspace_suspended", "workspace_running", "workspace_deleting", "not_found"];
        let is_expected = result.as_ref().err().is_none_or(|error| expected.contains(&error.code()));
        assert!(is_expected, "{step:?}: {result:?}");
    }

    /// Changes to the other plan.
    async fn update(&self) -> Result<()> {
        let workspaces = self.setup.platform.workspaces();
        let current = workspaces.get(&self.owner, self.organization, self.workspace).await?.plan_id;
        let other = if current == plan("small") { "large" } else { "small" };
        let command = UpdateWorkspace { plan_id: Some(plan(other)), ..UpdateWorkspace::default() };
        workspaces.update(&self.owner, self.organization, self.workspace, &command, None).await.map(drop)
    }

    async fn tasks(&self) -> Vec<Task> {
        let store = self.setup.platform.store();
        store.list_tasks(self.organization, self.workspace, &PageRequest::largest()).await.unwrap().items
    }

    async fn open(&self) -> Vec<Task> {
        let store = self.setup.platform.store();
        store.list_open_tasks(self.organization, self.workspace).await.unwrap()
    }

    async fn phase(&self) -> Option<Phase> {
        let store = self.setup.platform.store();
        let found = store.find_workspace(self.organization, self.workspace).await.unwrap();
        found.map(|workspace| workspace.status.phase)
    }

    async fn is_settled(&self) -> bool {
        let found =
            self.setup.platform.store().find_workspace(self.organization, self.workspace).await.unwrap();
        found.is_none_or(|workspace| {
            workspace.is_reconciled() && matches!(workspace.status.phase, Phase::Ready | Phase::Suspended)
        })
    }

    async fn run_until_settled(&self) {
        for _ in 0..20 {
            self.setup.run_worker(Duration::from_secs(3)).await;
            if self.is_settled().await {
                return;
            }
        }
        panic!("the workspace is still {:?}", self.phase().await);
    }

    async fn task(&self, id: TaskId) -> Task {
        self.tasks().await.into_iter().find(|task| task.id == id).unwrap()
    }
}

fn plan(name: &str) -> PlanId {
    PlanId::parse(name).unwrap()
}

proptest! {
    #[test]
    fn a_workspace_has_one_open_task_per_kind_and_none_once_it_is_settled(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        block_on(async {
            let one = OneWorkspace::new().await;
            for step in steps {
                one.perform(step).await;
                let open = one.open().await;
                for (index, task) in open.iter().enumerate() {
                    for other in &open[index + 1..] {
                        assert!(
                            !supersedes(other.kind, task.kind) && !supersedes(task.kind, other.kind),
                            "open after {step:?}: {:?} and {:?}", task.kind, other.kind,
                        );
                    }
                }
                if matches!(step, Step::Reconcile(_)) && one.is_settled().await {
                    assert_eq!(open, [], "open in a settled workspace");
                }
            }
            one.run_until_settled().await;
            assert_eq!(one.open().await, []);
        });
    }
}

#[test]
fn a_resumption_ends_the_suspension_before_it_with_a_live_event() {
    block_on(async {
        let one = OneWorkspace::new().await;
        one.run_until_settled().await;
        let workspaces = one.setup.platform.workspaces();
        let suspension = workspaces.suspend(&one.owner, one.organization, one.workspace).await.unwrap();
        let suspension = suspension.value.task_id.unwrap();
        workspaces.resume(&one.owner, one.organization, one.workspace).await.unwrap();
        let ended = one.task(suspension).await;
        assert_eq!(ended.state, TaskState::Superseded);
        assert!(ended.finished_at.is_some());
        let store = one.setup.platform.store();
        let events = store.list_events(one.organization, None, 1_000).await.unwrap();
        let is_end = |event: &&Event| {
            event.kind == "task.progress"
                && event.data["task_id"] == serde_json::json!(suspension)
                && event.data["state"] == "superseded"
        };
        assert_eq!(events.iter().filter(is_end).count(), 1);
        let retried =
            one.setup.platform.tasks().retry(&one.owner, one.organization, one.workspace, suspension).await;
        assert_eq!(retried.unwrap_err().code(), "task_not_failed");
    });
}

#[test]
fn an_update_of_a_suspended_workspace_ends() {
    block_on(async {
        let one = OneWorkspace::new().await;
        one.perform(Step::Suspend).await;
        one.run_until_settled().await;
        let states = |tasks: Vec<Task>| tasks.iter().map(|task| (task.kind, task.state)).collect::<Vec<_>>();
        let expected = [(TaskKind::Suspend, TaskState::Succeeded), (TaskKind::Create, TaskState::Superseded)];
        assert_eq!(states(one.tasks().await), expected);
        one.perform(Step::Update).await;
        one.run_until_settled().await;
        let update = one.tasks().await.remove(0);
        assert_eq!((update.kind, update.state), (TaskKind::Update, TaskState::Succeeded));
        assert!(update.steps.iter().all(|step| step.state != crate::model::StepState::Completed));
    });
}
