//! All organizations of the installation.

use clap::Subcommand;
use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Organization, OrganizationSummary};
use hexabase_core::page::PageRequest;
use hexabase_core::search::SearchText;
use serde_json::{Value, json};

use super::{LIST_LIMIT, print_items};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List organizations, oldest first, at most 1,000.
    List {
        /// Part of the id, name or display name, in any case [default: all organizations].
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Suspend an organization: its workspaces are suspended and new ones are rejected. Nothing is deleted.
    Suspend {
        /// Id of the organization.
        #[arg(value_name = "ORGANIZATION")]
        id: OrganizationId,

        /// Reason that the members see [default: none].
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Resume an organization. Workspaces that are suspended for another reason stay suspended.
    Resume {
        /// Id of the organization.
        #[arg(value_name = "ORGANIZATION")]
        id: OrganizationId,
    },
}

impl Action {
    pub(super) async fn execute(self, platform: &Platform, json: bool) -> Result<()> {
        let admin = platform.organization_admin();
        match self {
            Self::List { search } => {
                let text = search.as_deref().map(SearchText::parse).transpose()?;
                print_items(json, &list(platform, text.as_ref()).await?, summary_line, summary_json)
            }
            Self::Suspend { id, reason } => {
                let suspended = admin.suspend(None, id, reason.as_deref()).await?.value;
                let line = |organization: &Organization| format!("{} is suspended", organization.id);
                print_items(json, &[suspended], line, |organization| json!(organization))
            }
            Self::Resume { id } => {
                let resumed = admin.resume(None, id).await?.value;
                let line = |organization: &Organization| format!("{} is resumed", organization.id);
                print_items(json, &[resumed], line, |organization| json!(organization))
            }
        }
    }
}

async fn list(platform: &Platform, text: Option<&SearchText>) -> Result<Vec<OrganizationSummary>> {
    let (mut found, mut page) = (Vec::new(), PageRequest::largest());
    loop {
        let next = platform.organization_admin().list(text, &page).await?;
        found.extend(next.items);
        match next.next {
            Some(position) if found.len() < LIST_LIMIT => {
                page = PageRequest::new(PageRequest::MAX_LIMIT, Some(position));
            }
            _ => return Ok(found),
        }
    }
}

fn summary_line(summary: &OrganizationSummary) -> String {
    let OrganizationSummary { organization, members, workspaces, .. } = summary;
    let suspended = match &organization.suspension {
        Some(suspension) => format!(", suspended since {}", suspension.since),
        None => String::new(),
    };
    format!(
        "{} {} on {}, {members} members, {workspaces} workspaces{suspended}",
        organization.id, organization.name, organization.plan_id
    )
}

fn summary_json(summary: &OrganizationSummary) -> Value {
    json!({
        "organization": summary.organization,
        "members": summary.members,
        "workspaces": summary.workspaces,
        "billing_standing": summary.standing,
        "subscription": summary.subscription,
    })
}
