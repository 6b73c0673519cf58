//! Workspaces and their dedicated nodes.

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation, Output, Wait};
use crate::command::client::output::{Column, field};

const WORKSPACE: &[Column] = &[
    Column::text("NAME", "name"),
    Column::state("PHASE", "phase"),
    Column::text("PLAN", "plan_id"),
    Column::text("VERSION", "kubernetes_version"),
    Column::text("REASON", "reason"),
    Column::age("AGE", "created_at"),
    Column::text("MESSAGE", "message").wide(),
    Column::text("ENDPOINT", "api_endpoint").wide(),
    Column::text("HOST", "host_cluster").wide(),
    Column::id("ID", "id").wide(),
];

const PHASES: &[&str] = &[
    "pending",
    "provisioning",
    "ready",
    "updating",
    "suspending",
    "suspended",
    "resuming",
    "degraded",
    "failed",
    "deleting",
];

const TASK: &[Column] = &[
    Column::text("KIND", "kind"),
    Column::state("STATE", "state"),
    Column::text("ATTEMPTS", "attempts"),
    Column::text("LAST ERROR", "last_error"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id"),
];

const STEP: &[Column] =
    &[Column::text("STEP", "name"), Column::state("STATE", "state"), Column::age("AGE", "at")];

const CONDITION: &[Column] = &[
    Column::text("TYPE", "type"),
    Column::state("STATUS", "status"),
    Column::text("REASON", "reason"),
    Column::age("SINCE", "last_transition_time"),
    Column::text("MESSAGE", "message"),
];

const HEALTH: &[Column] = &[
    Column::text("TYPE", "type"),
    Column::state("STATUS", "status"),
    Column::text("REASON", "reason"),
    Column::age("SINCE", "since"),
    Column::text("MESSAGE", "message"),
    Column::text("REMEDY", "remedy"),
];

const ISOLATION: &[Column] = &[
    Column::text("TYPE", "type"),
    Column::state("STATUS", "status"),
    Column::state("SEVERITY", "severity"),
    Column::text("TITLE", "title"),
    Column::text("MESSAGE", "message"),
    Column::text("REMEDY", "remedy").wide(),
];

const POLICY_FINDING: &[Column] = &[
    Column::text("NAMESPACE", "namespace"),
    Column::text("KIND", "kind"),
    Column::text("NAME", "name"),
    Column::state("RESULT", "result"),
    Column::text("POLICY", "policy"),
    Column::text("MESSAGE", "message"),
    Column::text("RULE", "rule").wide(),
    Column::age("EVALUATED", "evaluated_at").wide(),
];

const DRIFT: &[Column] = &[
    Column::text("OBJECT", "object"),
    Column::text("FIELD", "field"),
    Column::text("DESIRED", "desired"),
    Column::text("ACTUAL", "actual"),
    Column::text("MANAGERS", "managers"),
    Column::text("SCOPE", "scope").wide(),
];

const USER: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("EMAIL", "email"),
    Column::text("KIND", "kind"),
    Column::id("ID", "id").wide(),
];

const SCHEDULED: &[Column] = &[Column::age("REQUESTED", "requested_at")];

pub(super) const WORKSPACES: Group = Group {
    name: "workspaces",
    about: "Workspaces: virtual Kubernetes clusters.",
    operations: &[
        Operation::list("list", "List the workspaces of an organization.", org!("/workspaces"), WORKSPACE)
            .with(&[
                Argument::query("search", "TEXT", "Part of the name or display name.", Form::Text, "q"),
                Argument::query("phase", "PHASE", "Phase of the workspaces.", Form::Text, "phase")
                    .one_of(PHASES),
                Argument::query("plan", "PLAN", "Plan of the workspaces, by id.", Form::Text, "plan"),
            ])
            .example(&["hexabase workspaces list --phase ready"]),
        Operation::get("get", "Show a workspace.", ws!(""), WORKSPACE)
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces get shop -o wide"]),
        Operation::post("create", "Create a workspace.", org!("/workspaces"), WORKSPACE)
            .with(&[
                Argument::field("name", "NAME", "Name: a DNS label.", Form::Text, "name").positional(),
                Argument::field(
                    "plan",
                    "PLAN",
                    "Plan, by id; hexabase plans list has all.",
                    Form::Text,
                    "plan_id",
                )
                .required(),
                Argument::field(
                    "display-name",
                    "TEXT",
                    "Name for display [default: none].",
                    Form::Text,
                    "display_name",
                ),
                Argument::field(
                    "region",
                    "REGION",
                    "Region of the host cluster [default: any].",
                    Form::Text,
                    "region",
                ),
                Argument::field(
                    "kubernetes-version",
                    "VERSION",
                    "Kubernetes version [default: the newest of the plan].",
                    Form::Text,
                    "kubernetes_version",
                ),
            ])
            .awaiting(Wait::Task)
            .example(&["hexabase workspaces create shop --plan team --wait"]),
        Operation::patch(
            "update",
            "Change the plan, version or display name of a workspace.",
            ws!(""),
            WORKSPACE,
        )
        .of(&["workspace"])
        .with(&[
            Argument::field("plan", "PLAN", "New plan, by id.", Form::Text, "plan_id"),
            Argument::field(
                "kubernetes-version",
                "VERSION",
                "New Kubernetes version.",
                Form::Text,
                "kubernetes_version",
            ),
            Argument::field("display-name", "TEXT", "New name for display.", Form::Text, "display_name"),
        ])
        .awaiting(Wait::Task)
        .example(&["hexabase workspaces update shop --plan starter --wait"]),
        Operation::post(
            "suspend",
            "Suspend a workspace: its workloads stop, its data stays.",
            ws!("/suspend"),
            WORKSPACE,
        )
        .of(&["workspace"])
        .awaiting(Wait::Task)
        .example(&["hexabase workspaces suspend shop --wait"]),
        Operation::post("resume", "Resume a suspended workspace.", ws!("/resume"), WORKSPACE)
            .of(&["workspace"])
            .awaiting(Wait::Task)
            .example(&["hexabase workspaces resume shop --wait"]),
        Operation::delete(
            "delete",
            "Delete a workspace with its cluster and all data.",
            ws!(""),
            "deletion requested",
        )
        .of(&["workspace"])
        .confirmed()
        .awaiting(Wait::Task)
        .example(&["hexabase workspaces delete shop --wait", "hexabase workspaces delete shop --yes"]),
        Operation::list("tasks", "List the tasks of a workspace, newest first.", ws!("/tasks"), TASK)
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces tasks shop"]),
        Operation::get("task", "Show the steps of a task.", ws!("/tasks/{task}"), TASK)
            .output(Output::Rows(STEP, |task| field(task, "steps").as_array().cloned().unwrap_or_default()))
            .of(&["workspace", "task"])
            .example(&["hexabase workspaces task shop tsk_01h455vb4pex5vsknk084sn02q"]),
        Operation::post("retry", "Repeat a failed task.", ws!("/tasks/{task}/retry"), TASK)
            .of(&["workspace", "task"])
            .awaiting(Wait::Task)
            .example(&["hexabase workspaces retry shop tsk_01h455vb4pex5vsknk084sn02q"]),
        Operation::list("conditions", "List the conditions of a workspace.", ws!("/conditions"), CONDITION)
            .unpaged()
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces conditions shop"]),
        Operation::get("health", "Show the health of a workspace with remedies.", ws!("/health"), &[])
            .output(Output::Rows(HEALTH, |health| {
                field(health, "conditions").as_array().cloned().unwrap_or_default()
            }))
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces health shop"]),
        Operation::get(
            "drift",
            "List changes of the cluster that Hexabase did not make.",
            ws!("/drift"),
            &[],
        )
        .output(Output::Rows(DRIFT, |drift| field(drift, "entries").as_array().cloned().unwrap_or_default()))
        .of_selected(&["workspace"])
        .example(&["hexabase workspaces drift shop"]),
        Operation::get("isolation", "Show the last check of the isolation.", ws!("/isolation"), &[])
            .output(Output::Rows(ISOLATION, |report| {
                field(report, "conditions").as_array().cloned().unwrap_or_default()
            }))
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces isolation shop"]),
        Operation::post("check-isolation", "Request a check of the isolation.", ws!("/isolation"), SCHEDULED)
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces check-isolation shop"]),
        Operation::get(
            "policy-reports",
            "List the violations of policies of the host.",
            ws!("/policy-reports"),
            &[],
        )
        .output(Output::Rows(POLICY_FINDING, |report| {
            field(report, "items").as_array().cloned().unwrap_or_default()
        }))
        .of_selected(&["workspace"])
        .example(&["hexabase workspaces policy-reports shop"]),
        Operation::list("members", "List the members of a workspace.", ws!("/members"), USER)
            .of_selected(&["workspace"])
            .example(&["hexabase workspaces members shop"]),
        Operation::put(
            "add-member",
            "Add a member to a workspace.",
            ws!("/members/{user}"),
            Output::Sentence("added"),
        )
        .of(&["workspace", "user"])
        .example(&["hexabase workspaces add-member shop bob@example.com"]),
        Operation::delete(
            "remove-member",
            "Remove a member from a workspace.",
            ws!("/members/{user}"),
            "removed",
        )
        .of(&["workspace", "user"])
        .with(&[Argument::query("now", "", "Revoke existing tokens, too.", Form::True, "now")])
        .example(&["hexabase workspaces remove-member shop bob@example.com --now"]),
    ],
};

const NODE_POOL: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("CLASS", "class"),
    Column::text("NODES", "nodes"),
    Column::text("ASSIGNED", "assigned"),
    Column::text("RELEASING", "releasing"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id").wide(),
];

pub(super) const NODE_POOLS: Group = Group {
    name: "node-pools",
    about: "Dedicated nodes of a workspace.",
    operations: &[
        Operation::list("list", "List the node pools of a workspace.", ws!("/node-pools"), NODE_POOL)
            .unpaged()
            .example(&["hexabase node-pools list"]),
        Operation::post("create", "Create a node pool.", ws!("/node-pools"), NODE_POOL)
            .with(&[
                Argument::field("name", "NAME", "Name: a DNS label.", Form::Text, "name").positional(),
                Argument::field("class", "CLASS", "Class of the nodes.", Form::Text, "class").required(),
                Argument::field("nodes", "NUMBER", "Number of nodes.", Form::Number, "nodes").required(),
            ])
            .awaiting(Wait::Task)
            .example(&["hexabase node-pools create batch --class standard --nodes 2 --wait"]),
        Operation::delete(
            "delete",
            "Delete a node pool.",
            ws!("/node-pools/{node-pool}"),
            "deletion requested",
        )
        .of(&["node-pool"])
        .awaiting(Wait::Task)
        .example(&["hexabase node-pools delete batch"]),
    ],
};
