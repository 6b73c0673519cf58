//! Kinds of objects that arguments and paths refer to by name or id.

/// List in which the names of a kind are found.
#[derive(Debug)]
pub(super) struct NameList {
    /// Path with placeholders.
    pub(super) path: &'static str,
    /// Path of the id in an item.
    pub(super) id: &'static str,
    /// Paths of the names in an item.
    pub(super) names: &'static [&'static str],
    /// `true` if the server divides the list into pages.
    pub(super) is_paged: bool,
}

/// Kind of objects.
#[derive(Debug)]
pub(super) struct Reference {
    /// Placeholder in paths.
    pub(super) placeholder: &'static str,
    /// Noun in messages.
    pub(super) noun: &'static str,
    /// Command that lists the objects.
    pub(super) command: &'static str,
    /// Prefix of ids; empty if they have none.
    pub(super) prefix: &'static str,
    /// Lists with the names; empty if the objects have none.
    pub(super) lists: &'static [NameList],
}

const fn named(path: &'static str) -> NameList {
    NameList { path, id: "id", names: &["name"], is_paged: true }
}

/// All kinds.
pub(super) const REFERENCES: &[Reference] = &[
    Reference {
        placeholder: "organization",
        noun: "organization",
        command: "hexabase organizations list",
        prefix: "org_",
        lists: &[named("/organizations")],
    },
    Reference {
        placeholder: "workspace",
        noun: "workspace",
        command: "hexabase workspaces list",
        prefix: "ws_",
        lists: &[named("/organizations/{organization}/workspaces")],
    },
    Reference {
        placeholder: "project",
        noun: "project",
        command: "hexabase projects list",
        prefix: "prj_",
        lists: &[named("/organizations/{organization}/workspaces/{workspace}/projects")],
    },
    Reference {
        placeholder: "group",
        noun: "group",
        command: "hexabase groups list",
        prefix: "grp_",
        lists: &[named("/organizations/{organization}/workspaces/{workspace}/groups")],
    },
    Reference {
        placeholder: "user",
        noun: "member",
        command: "hexabase members list",
        prefix: "usr_",
        lists: &[
            NameList {
                path: "/organizations/{organization}/members",
                id: "user.id",
                names: &["user.email", "user.name"],
                is_paged: true,
            },
            named("/organizations/{organization}/service-accounts"),
        ],
    },
    Reference {
        placeholder: "service-account",
        noun: "service account",
        command: "hexabase service-accounts list",
        prefix: "usr_",
        lists: &[named("/organizations/{organization}/service-accounts")],
    },
    Reference {
        placeholder: "invitation",
        noun: "invitation",
        command: "hexabase invitations list",
        prefix: "inv_",
        lists: &[NameList {
            path: "/organizations/{organization}/invitations",
            id: "id",
            names: &["email"],
            is_paged: true,
        }],
    },
    Reference {
        placeholder: "role",
        noun: "role",
        command: "hexabase roles list --project PROJECT",
        prefix: "rol_",
        lists: &[named("/organizations/{organization}/workspaces/{workspace}/projects/{project}/roles")],
    },
    Reference {
        placeholder: "assignment",
        noun: "role assignment",
        command: "hexabase assignments list",
        prefix: "asg_",
        lists: &[],
    },
    Reference {
        placeholder: "rule",
        noun: "alert rule",
        command: "hexabase alerts rules",
        prefix: "alr_",
        lists: &[named("/organizations/{organization}/workspaces/{workspace}/alert-rules")],
    },
    Reference {
        placeholder: "silence",
        noun: "silence",
        command: "hexabase alerts silences",
        prefix: "",
        lists: &[],
    },
    Reference {
        placeholder: "task",
        noun: "task",
        command: "hexabase workspaces tasks",
        prefix: "tsk_",
        lists: &[],
    },
    Reference {
        placeholder: "node-pool",
        noun: "node pool",
        command: "hexabase node-pools list",
        prefix: "npl_",
        lists: &[NameList {
            path: "/organizations/{organization}/workspaces/{workspace}/node-pools",
            id: "id",
            names: &["name"],
            is_paged: false,
        }],
    },
    Reference {
        placeholder: "service-account-token",
        noun: "token",
        command: "hexabase service-accounts tokens SERVICE_ACCOUNT",
        prefix: "tok_",
        lists: &[named("/organizations/{organization}/service-accounts/{service-account}/tokens")],
    },
    Reference {
        placeholder: "token",
        noun: "API token",
        command: "hexabase tokens list",
        prefix: "tok_",
        lists: &[named("/me/tokens")],
    },
    Reference {
        placeholder: "invoice",
        noun: "invoice",
        command: "hexabase billing invoices",
        prefix: "in_",
        lists: &[NameList {
            path: "/organizations/{organization}/billing/invoices",
            id: "id",
            names: &["number"],
            is_paged: true,
        }],
    },
    Reference {
        placeholder: "payment-method",
        noun: "payment method",
        command: "hexabase billing payment-methods",
        prefix: "pm_",
        lists: &[NameList {
            path: "/organizations/{organization}/billing/payment-methods",
            id: "id",
            names: &["title"],
            is_paged: false,
        }],
    },
    Reference {
        placeholder: "metric",
        noun: "metric",
        command: "hexabase metrics get --help",
        prefix: "",
        lists: &[],
    },
];

/// Returns the kind of a placeholder.
pub(super) fn find(placeholder: &str) -> Option<&'static Reference> {
    REFERENCES.iter().find(|reference| reference.placeholder == placeholder)
}

impl Reference {
    /// `true` if a text has the form of an id of the kind, so that no list is needed.
    pub(super) fn is_id(&self, text: &str) -> bool {
        /// Number of characters after the prefix of the ids of Hexabase.
        const SUFFIX: usize = 26;
        let is_suffix = |rest: &str| {
            let is_stripe_id = ["in_", "pm_"].contains(&self.prefix);
            (is_stripe_id || rest.len() == SUFFIX) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        self.lists.is_empty()
            || (!self.prefix.is_empty() && text.strip_prefix(self.prefix).is_some_and(is_suffix))
    }
}

/// Returns the placeholders of a path, in their order.
pub(super) fn placeholders(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_of_a_list_is_a_kind() {
        for reference in REFERENCES {
            for list in reference.lists {
                assert!(placeholders(list.path).all(|name| find(name).is_some()), "{}", list.path);
            }
        }
    }

    #[test]
    fn only_complete_ids_need_no_list() {
        let workspace = find("workspace").unwrap();
        assert!(workspace.is_id("ws_01h455vb4pex5vsknk084sn02q"));
        for name in
            ["ws_shop", "shop", "ws_", "org_01h455vb4pex5vsknk084sn02q", "ws_01h455vb4pex5vsknk084sn02/"]
        {
            assert!(!workspace.is_id(name), "{name}");
        }
        assert!(find("assignment").unwrap().is_id("asg_1"));
    }
}
