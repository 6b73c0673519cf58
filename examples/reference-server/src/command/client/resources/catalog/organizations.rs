//! Organizations and the people in them.

use serde_json::{Value, json};

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation, Output, Wait};
use crate::command::client::output::{Column, field};

const ORGANIZATION: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("DISPLAY NAME", "display_name"),
    Column::text("PLAN", "plan_id"),
    Column::text("ROLE", "role"),
    Column::age("AGE", "created_at"),
    Column::text("SUSPENDED", "suspension.reason").wide(),
    Column::id("ID", "id").wide(),
];

const ROLES: &[&str] = &["owner", "admin", "billing", "member"];

pub(super) const ORGANIZATIONS: Group = Group {
    name: "organizations",
    about: "Organizations that you belong to.",
    operations: &[
        Operation::list("list", "List your organizations.", "/organizations", ORGANIZATION)
            .example(&["hexabase organizations list"]),
        Operation::get("get", "Show an organization.", org!(""), ORGANIZATION)
            .of_selected(&["organization"])
            .example(&["hexabase organizations get acme -o yaml"]),
        Operation::get(
            "overview",
            "Show counts, limits and the cost of the month.",
            org!("/overview"),
            OVERVIEW,
        )
        .of_selected(&["organization"])
        .example(&["hexabase organizations overview acme"]),
        Operation::post("create", "Create an organization, which you own.", "/organizations", ORGANIZATION)
            .with(&[
                Argument::field("name", "NAME", "Name: a DNS label.", Form::Text, "name").positional(),
                Argument::field(
                    "display-name",
                    "TEXT",
                    "Name for display [default: the name].",
                    Form::Text,
                    "display_name",
                )
                .default_of("name"),
            ])
            .example(&["hexabase organizations create acme --display-name 'Acme Corp.'"]),
        Operation::patch("update", "Change the display name of an organization.", org!(""), ORGANIZATION)
            .of(&["organization"])
            .with(&[Argument::field("display-name", "TEXT", "Name for display.", Form::Text, "display_name")])
            .example(&["hexabase organizations update acme --display-name 'Acme'"]),
        Operation::delete("delete", "Delete an organization.", org!(""), "deleted")
            .of(&["organization"])
            .with(&[Argument::query("cascade", "", "Delete its workspaces, too.", Form::True, "cascade")])
            .confirmed()
            .awaiting(Wait::OrganizationDeleted)
            .example(&["hexabase organizations delete acme --cascade --wait"]),
        Operation::get("search", "Search workspaces, projects, groups and members.", org!("/search"), &[])
            .output(Output::Rows(FOUND, found_objects))
            .with(&[Argument::query("text", "TEXT", "Part of a name or e-mail address.", Form::Text, "q")
                .positional()])
            .example(&["hexabase organizations search shop"]),
    ],
};

const OVERVIEW: &[Column] = &[
    Column::text("PLAN", "plan_id"),
    Column::text("WORKSPACES", "workspaces.used"),
    Column::text("LIMIT", "workspaces.limit"),
    Column::text("MEMBERS", "members.used"),
    Column::text("LIMIT", "members.limit"),
    Column::text("COST OF MONTH", "month_to_date_cost"),
    Column::text("INVITATIONS", "invitations").wide(),
    Column::text("SERVICE ACCOUNTS", "service_accounts").wide(),
    Column::id("ID", "organization_id").wide(),
];

const FOUND: &[Column] =
    &[Column::text("KIND", "kind"), Column::text("NAME", "name"), Column::id("ID", "id")];

/// Returns the found objects of all kinds.
fn found_objects(results: &Value) -> Vec<Value> {
    let kinds = [
        ("workspace", "workspaces", "id", "name"),
        ("project", "projects", "id", "name"),
        ("group", "groups", "id", "name"),
        ("member", "members", "user.id", "user.name"),
    ];
    let of_kind = |(kind, list, id, name): (&'static str, &'static str, &'static str, &'static str)| {
        let items = field(results, list).as_array().cloned().unwrap_or_default();
        items
            .into_iter()
            .map(move |item| json!({ "kind": kind, "id": field(&item, id), "name": field(&item, name) }))
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

const MEMBER: &[Column] = &[
    Column::text("NAME", "user.name"),
    Column::text("EMAIL", "user.email"),
    Column::text("ROLE", "role"),
    Column::text("KIND", "user.kind"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "user.id").wide(),
];

const MEMBERSHIP: &[Column] =
    &[Column::id("USER", "user_id"), Column::text("ROLE", "role"), Column::age("AGE", "created_at")];

pub(super) const MEMBERS: Group = Group {
    name: "members",
    about: "Members of an organization.",
    operations: &[
        Operation::list("list", "List the members of an organization.", org!("/members"), MEMBER)
            .with(&[
                Argument::query("search", "TEXT", "Part of the name or e-mail address.", Form::Text, "q"),
                Argument::query("role", "ROLE", "Role of the members.", Form::Text, "role").one_of(ROLES),
            ])
            .example(&["hexabase members list --role owner"]),
        Operation::put(
            "update",
            "Change the role of a member.",
            org!("/members/{user}"),
            Output::Object(MEMBERSHIP),
        )
        .of(&["user"])
        .with(&[Argument::field("role", "ROLE", "New role.", Form::Text, "role").one_of(ROLES).required()])
        .example(&["hexabase members update bob@example.com --role admin"]),
        Operation::delete(
            "delete",
            "Remove a member from an organization.",
            org!("/members/{user}"),
            "removed",
        )
        .of(&["user"])
        .example(&["hexabase members delete bob@example.com", "hexabase members delete me"]),
    ],
};

const INVITATION: &[Column] = &[
    Column::text("EMAIL", "email"),
    Column::text("ROLE", "role"),
    Column::age("EXPIRES", "expires_at"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id").wide(),
];

const RECEIVED: &[Column] = &[
    Column::text("ORGANIZATION", "organization"),
    Column::text("ROLE", "role"),
    Column::age("EXPIRES", "expires_at"),
    Column::id("ID", "id"),
];

pub(super) const INVITATIONS: Group = Group {
    name: "invitations",
    about: "Invitations to an organization.",
    operations: &[
        Operation::list(
            "list",
            "List the open invitations of an organization.",
            org!("/invitations"),
            INVITATION,
        )
        .example(&["hexabase invitations list"]),
        Operation::post("create", "Invite a person by mail.", org!("/invitations"), INVITATION)
            .with(&[
                Argument::field("email", "EMAIL", "E-mail address of the person.", Form::Text, "email")
                    .positional(),
                Argument::field("role", "ROLE", "Role of the new member.", Form::Text, "role")
                    .one_of(ROLES)
                    .required(),
            ])
            .example(&["hexabase invitations create bob@example.com --role member"]),
        Operation::delete(
            "delete",
            "Withdraw an invitation.",
            org!("/invitations/{invitation}"),
            "withdrawn",
        )
        .of(&["invitation"])
        .example(&["hexabase invitations delete bob@example.com"]),
        Operation::get("received", "List the invitations that you have received.", "/auth/me", &[])
            .output(Output::Rows(RECEIVED, |me| {
                field(me, "invitations").as_array().cloned().unwrap_or_default()
            }))
            .example(&["hexabase invitations received"]),
        Operation::post(
            "accept",
            "Accept an invitation that you have received.",
            "/invitations/accept",
            ORGANIZATION,
        )
        .with(&[Argument::field("invitation", "ID", "Id of the invitation.", Form::Text, "invitation_id")
            .positional()])
        .example(&["hexabase invitations accept inv_01h455vb4pex5vsknk084sn02q"]),
    ],
};

const PLAN: &[Column] = &[
    Column::id("ID", "id"),
    Column::text("NAME", "name"),
    Column::text("MONTHLY", "price.monthly"),
    Column::text("WORKSPACES", "limits.workspaces"),
    Column::text("CPU", "quota.cpu"),
    Column::text("MEMORY", "quota.memory"),
    Column::text("STORAGE", "quota.storage"),
    Column::text("ISOLATION", "isolation").wide(),
    Column::text("KUBERNETES", "kubernetes_versions").wide(),
    Column::text("DESCRIPTION", "description").wide(),
];

pub(super) const PLANS: Group = Group {
    name: "plans",
    about: "Plans that workspaces and organizations can have.",
    operations: &[Operation::list("list", "List the plans.", "/plans", PLAN)
        .unpaged()
        .example(&["hexabase plans list -o wide"])],
};

const EVENT: &[Column] = &[
    Column::age("AGE", "at"),
    Column::text("ACTION", "action"),
    Column::text("RESOURCE", "resource"),
    Column::id("USER", "actor.user_id"),
    Column::text("ADDRESS", "address").wide(),
    Column::text("DEVICE", "device").wide(),
    Column::text("REQUEST", "request_id").wide(),
];

pub(super) const AUDIT: Group = Group {
    name: "audit",
    about: "Audit log of an organization.",
    operations: &[Operation::list(
        "list",
        "List the changes in an organization, newest first.",
        org!("/audit-events"),
        EVENT,
    )
    .with(&[
        Argument::query("actor", "USER", "Member who made the change.", Form::Reference("user"), "actor"),
        Argument::query("action", "ACTION", "Action, such as workspace.create.", Form::Text, "action"),
        Argument::query("resource", "RESOURCE", "Changed object, as in the column.", Form::Text, "resource"),
        Argument::query(
            "since",
            "TIME",
            "Earliest time (RFC 3339), or its age such as 7d.",
            Form::PastTime,
            "since",
        ),
        Argument::query(
            "until",
            "TIME",
            "Latest time (RFC 3339), or its age such as 1h.",
            Form::PastTime,
            "until",
        ),
    ])
    .example(&["hexabase audit list --since 7d --action workspace.create"])],
};
