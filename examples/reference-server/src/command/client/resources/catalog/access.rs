//! Groups, roles and role assignments.

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation, Output};
use crate::command::client::output::Column;

const GROUP: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("PRESET", "preset"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id"),
    Column::id("PARENT", "parent_id"),
];

const GROUP_MEMBER: &[Column] = &[
    Column::text("NAME", "user.name"),
    Column::text("EMAIL", "user.email"),
    Column::text("KIND", "user.kind"),
    Column::id("ID", "user.id").wide(),
    Column::id("THROUGH", "through").wide(),
];

const EFFECTIVE_GROUP: &[Column] =
    &[Column::text("NAME", "name"), Column::id("ID", "id"), Column::id("PATH", "path")];

pub(super) const GROUPS: Group = Group {
    name: "groups",
    about: "Groups of members of a workspace.",
    operations: &[
        Operation::list("list", "List the groups of a workspace.", ws!("/groups"), GROUP)
            .with(&[Argument::query("search", "TEXT", "Part of the name.", Form::Text, "q")])
            .example(&["hexabase groups list"]),
        Operation::get("get", "Show a group.", ws!("/groups/{group}"), GROUP)
            .of(&["group"])
            .example(&["hexabase groups get developers"]),
        Operation::post("create", "Create a group.", ws!("/groups"), GROUP)
            .with(&[
                Argument::field("name", "NAME", "Name of the group.", Form::Text, "name").positional(),
                Argument::field(
                    "parent",
                    "GROUP",
                    "Group that contains it.",
                    Form::Reference("group"),
                    "parent_id",
                ),
            ])
            .example(&["hexabase groups create backend --parent developers"]),
        Operation::patch("update", "Rename or move a group.", ws!("/groups/{group}"), GROUP)
            .of(&["group"])
            .with(&[
                Argument::field("name", "NAME", "New name.", Form::Text, "name"),
                Argument::field(
                    "parent",
                    "GROUP",
                    "Group that contains it.",
                    Form::Reference("group"),
                    "parent_id",
                ),
                Argument::field("root", "", "Move it out of its group.", Form::Null, "parent_id")
                    .conflicts_with(&["parent"]),
            ])
            .example(&[
                "hexabase groups update backend --name server",
                "hexabase groups update backend --root",
            ]),
        Operation::delete(
            "delete",
            "Delete a group without members and groups.",
            ws!("/groups/{group}"),
            "deleted",
        )
        .of(&["group"])
        .example(&["hexabase groups delete backend"]),
        Operation::list(
            "members",
            "List the members of a group.",
            ws!("/groups/{group}/members"),
            GROUP_MEMBER,
        )
        .of(&["group"])
        .with(&[Argument::query(
            "effective",
            "",
            "Include the members of groups in it.",
            Form::True,
            "effective",
        )])
        .example(&["hexabase groups members developers --effective"]),
        Operation::put(
            "add-member",
            "Add a member to a group.",
            ws!("/groups/{group}/members/{user}"),
            Output::Sentence("added"),
        )
        .of(&["group", "user"])
        .example(&["hexabase groups add-member developers bob@example.com"]),
        Operation::delete(
            "remove-member",
            "Remove a member from a group.",
            ws!("/groups/{group}/members/{user}"),
            "removed",
        )
        .of(&["group", "user"])
        .example(&["hexabase groups remove-member developers bob@example.com"]),
        Operation::list(
            "of",
            "List the effective groups of a member.",
            ws!("/members/{user}/groups"),
            EFFECTIVE_GROUP,
        )
        .unpaged()
        .of(&["user"])
        .example(&["hexabase groups of bob@example.com"]),
    ],
};

const PRESET: &[Column] =
    &[Column::id("NAME", "name"), Column::text("SCOPE", "scope"), Column::text("RULES", "rules").wide()];

const ROLE: &[Column] = &[
    Column::text("NAME", "name"),
    Column::age("AGE", "created_at"),
    Column::text("RULES", "rules"),
    Column::id("ID", "id").wide(),
];

const RULE_HELP: &str = "Rule VERBS:RESOURCES, such as get,list:pods,deployments.apps; repeatable.";

pub(super) const ROLES: Group = Group {
    name: "roles",
    about: "Preset roles, and custom roles of a project.",
    operations: &[
        Operation::list("presets", "List the preset roles.", ws!("/roles"), PRESET)
            .unpaged()
            .example(&["hexabase roles presets"]),
        Operation::list(
            "list",
            "List the custom roles of a project.",
            ws!("/projects/{project}/roles"),
            ROLE,
        )
        .example(&["hexabase roles list --project web"]),
        Operation::get("get", "Show a custom role.", ws!("/projects/{project}/roles/{role}"), ROLE)
            .of(&["role"])
            .example(&["hexabase roles get deployer --project web -o yaml"]),
        Operation::post("create", "Create a custom role.", ws!("/projects/{project}/roles"), ROLE)
            .with(&[
                Argument::field("name", "NAME", "Name: a DNS label.", Form::Text, "name").positional(),
                Argument::field("rule", "RULE", RULE_HELP, Form::Rules, "rules").required(),
            ])
            .example(&[
                "hexabase roles create deployer --project web --rule get,list,patch:deployments.apps",
            ]),
        Operation::patch("update", "Change a custom role.", ws!("/projects/{project}/roles/{role}"), ROLE)
            .of(&["role"])
            .with(&[
                Argument::field("name", "NAME", "New name.", Form::Text, "name"),
                Argument::field("rule", "RULE", RULE_HELP, Form::Rules, "rules"),
            ])
            .example(&["hexabase roles update deployer --project web --rule get:pods"]),
        Operation::delete(
            "delete",
            "Delete a custom role.",
            ws!("/projects/{project}/roles/{role}"),
            "deleted",
        )
        .of(&["role"])
        .example(&["hexabase roles delete deployer --project web"]),
    ],
};

const ASSIGNMENT: &[Column] = &[
    Column::id("ID", "id"),
    Column::text("ROLE", "role"),
    Column::id("GROUP", "group_id"),
    Column::id("PROJECT", "project_id"),
    Column::age("AGE", "created_at"),
];

pub(super) const ASSIGNMENTS: Group = Group {
    name: "assignments",
    about: "Roles that groups have in a workspace or a project.",
    operations: &[
        Operation::list(
            "list",
            "List the role assignments of a workspace or project.",
            ws!("/role-assignments"),
            ASSIGNMENT,
        )
        .or_in_project(ws!("/projects/{project}/role-assignments"))
        .example(&["hexabase assignments list --project web"]),
        Operation::post("create", "Assign a role to a group.", ws!("/role-assignments"), ASSIGNMENT)
            .or_in_project(ws!("/projects/{project}/role-assignments"))
            .with(&[
                Argument::field(
                    "group",
                    "GROUP",
                    "Group, by name or id.",
                    Form::Reference("group"),
                    "group_id",
                )
                .required(),
                Argument::field(
                    "role",
                    "ROLE",
                    "Preset role, or custom role of the project.",
                    Form::Role,
                    "role",
                )
                .required(),
            ])
            .example(&["hexabase assignments create --project web --group developers --role project-editor"]),
        Operation::delete(
            "delete",
            "Remove a role assignment.",
            ws!("/role-assignments/{assignment}"),
            "removed",
        )
        .or_in_project(ws!("/projects/{project}/role-assignments/{assignment}"))
        .of(&["assignment"])
        .example(&["hexabase assignments delete asg_01h455vb4pex5vsknk084sn02q --project web"]),
    ],
};
