//! Projects.

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation, Output, Wait};
use crate::command::client::output::Column;

const PROJECT: &[Column] = &[
    Column::text("NAME", "name"),
    Column::state("PHASE", "phase"),
    Column::text("QUOTA", "quota"),
    Column::text("MESSAGE", "message"),
    Column::age("AGE", "created_at"),
    Column::text("DISPLAY NAME", "display_name").wide(),
    Column::id("ID", "id").wide(),
    Column::id("PARENT", "parent_id").wide(),
];

pub(super) const PROJECTS: Group = Group {
    name: "projects",
    about: "Projects: namespaces of a workspace.",
    operations: &[
        Operation::list("list", "List the projects of a workspace.", ws!("/projects"), PROJECT)
            .with(&[Argument::query("search", "TEXT", "Part of the name or display name.", Form::Text, "q")])
            .example(&["hexabase projects list"]),
        Operation::get("get", "Show a project.", ws!("/projects/{project}"), PROJECT)
            .of(&["project"])
            .example(&["hexabase projects get web -o json"]),
        Operation::post("create", "Create a project with its namespace.", ws!("/projects"), PROJECT)
            .with(&[
                Argument::field(
                    "name",
                    "NAME",
                    "Name of the project and of its namespace.",
                    Form::Text,
                    "name",
                )
                .positional(),
                Argument::field(
                    "display-name",
                    "TEXT",
                    "Name for display [default: none].",
                    Form::Text,
                    "display_name",
                ),
                Argument::field(
                    "parent",
                    "PROJECT",
                    "Project that contains it.",
                    Form::Reference("project"),
                    "parent_id",
                ),
                Argument::field(
                    "quota",
                    "AMOUNTS",
                    "Quota, such as cpu=2,memory=4Gi.",
                    Form::Amounts,
                    "quota",
                ),
            ])
            .awaiting(Wait::Project)
            .example(&["hexabase projects create web --quota cpu=2,memory=4Gi --wait"]),
        Operation::patch(
            "update",
            "Change the display name of a project.",
            ws!("/projects/{project}"),
            PROJECT,
        )
        .of(&["project"])
        .with(&[Argument::field("display-name", "TEXT", "New name for display.", Form::Text, "display_name")])
        .example(&["hexabase projects update web --display-name 'Web shop'"]),
        Operation::put(
            "set-quota",
            "Replace the quota of a project.",
            ws!("/projects/{project}/quota"),
            Output::Object(PROJECT),
        )
        .of(&["project"])
        .with(&[
            Argument::body("quota", "RESOURCE=AMOUNT", "Amounts of the quota.", Form::Amounts).positional()
        ])
        .awaiting(Wait::Project)
        .example(&["hexabase projects set-quota web cpu=2 memory=4Gi pods=50"]),
        Operation::delete(
            "delete",
            "Delete a project with its namespace.",
            ws!("/projects/{project}"),
            "deleted",
        )
        .of(&["project"])
        .example(&["hexabase projects delete web"]),
    ],
};
