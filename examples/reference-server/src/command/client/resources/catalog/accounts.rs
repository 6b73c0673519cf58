//! API tokens and service accounts.

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation};
use crate::command::client::output::Column;

const TOKEN: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("SCOPES", "scopes"),
    Column::age("EXPIRES", "expires_at"),
    Column::age("USED", "used_at"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id").wide(),
];

/// Created token. Its secret is shown this once, and is never shortened.
const CREATED_TOKEN: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("SCOPES", "scopes"),
    Column::age("EXPIRES", "expires_at"),
    Column::id("ID", "id"),
    Column::id("SECRET", "secret"),
];

const SCOPES: Argument = Argument::field(
    "scopes",
    "SCOPES",
    "Scopes, separated by commas, such as workspaces:read,projects:write; all for every scope.",
    Form::List,
    "scopes",
)
.required();

const EXPIRES: Argument = Argument::field(
    "expires",
    "TIME",
    "Expiry time (RFC 3339), or the lifetime such as 90d [default: none].",
    Form::FutureTime,
    "expires_at",
);

const NAME: Argument = Argument::field("name", "NAME", "Name for display.", Form::Text, "name").positional();

pub(super) const TOKENS: Group = Group {
    name: "tokens",
    about: "Your API tokens, for scripts and CI jobs.",
    operations: &[
        Operation::list("list", "List your API tokens.", "/me/tokens", TOKEN)
            .example(&["hexabase tokens list"]),
        Operation::post(
            "create",
            "Create an API token. Its secret is shown once.",
            "/me/tokens",
            CREATED_TOKEN,
        )
        .with(&[NAME, SCOPES, EXPIRES])
        .example(&["hexabase tokens create ci --scopes workspaces:read,clusters:access --expires 90d"]),
        Operation::delete("delete", "Revoke an API token.", "/me/tokens/{token}", "revoked")
            .of(&["token"])
            .example(&["hexabase tokens delete ci"]),
    ],
};

const ACCOUNT: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("ROLE", "role"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id"),
    Column::id("CREATED BY", "created_by").wide(),
];

pub(super) const SERVICE_ACCOUNTS: Group = Group {
    name: "service-accounts",
    about: "Service accounts of an organization, for automation.",
    operations: &[
        Operation::list("list", "List the service accounts.", org!("/service-accounts"), ACCOUNT)
            .example(&["hexabase service-accounts list"]),
        Operation::get(
            "get",
            "Show a service account.",
            org!("/service-accounts/{service-account}"),
            ACCOUNT,
        )
        .of(&["service-account"])
        .example(&["hexabase service-accounts get deployer"]),
        Operation::post("create", "Create a service account.", org!("/service-accounts"), ACCOUNT)
            .with(&[
                Argument::field("name", "NAME", "Name: a DNS label.", Form::Text, "name").positional(),
                Argument::field(
                    "role",
                    "ROLE",
                    "Role in the organization [default: member].",
                    Form::Text,
                    "role",
                )
                .one_of(&["admin", "billing", "member"]),
            ])
            .example(&["hexabase service-accounts create deployer --role member"]),
        Operation::list(
            "tokens",
            "List the API tokens of a service account.",
            org!("/service-accounts/{service-account}/tokens"),
            TOKEN,
        )
        .of(&["service-account"])
        .example(&["hexabase service-accounts tokens deployer"]),
        Operation::post(
            "create-token",
            "Create an API token of a service account. Its secret is shown once.",
            org!("/service-accounts/{service-account}/tokens"),
            CREATED_TOKEN,
        )
        .of(&["service-account"])
        .with(&[NAME, SCOPES, EXPIRES])
        .example(&[
            "hexabase service-accounts create-token deployer ci --scopes clusters:access --expires 90d",
        ]),
        Operation::delete(
            "delete-token",
            "Revoke an API token of a service account.",
            org!("/service-accounts/{service-account}/tokens/{service-account-token}"),
            "revoked",
        )
        .of(&["service-account", "service-account-token"])
        .example(&["hexabase service-accounts delete-token deployer ci"]),
        Operation::delete(
            "delete",
            "Delete a service account with its tokens.",
            org!("/service-accounts/{service-account}"),
            "deleted",
        )
        .of(&["service-account"])
        .example(&["hexabase service-accounts delete deployer"]),
    ],
};
