//! Pages of service accounts.

mod account;
mod delete;
mod list;
mod new;
mod token_new;

use hexabase_api::html_pages::PageError;
use hexabase_core::access::Action;
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::{Member, Organization, ServiceAccount};

use crate::components::Link;
use crate::context::Context;
use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::SERVICE_ACCOUNTS, action(Action::ServiceAccountsManage), list::show),
        show(urls::NEW_SERVICE_ACCOUNT, action(Action::ServiceAccountCreate), new::show),
        submit(urls::NEW_SERVICE_ACCOUNT, action(Action::ServiceAccountCreate), new::submit),
        show(urls::SERVICE_ACCOUNT, action(Action::ServiceAccountsManage), account::show),
        submit(urls::SERVICE_ACCOUNT, action(Action::ServiceAccountsManage), account::revoke),
        show(urls::NEW_ACCOUNT_TOKEN, action(Action::ServiceAccountsManage), token_new::show),
        submit(urls::NEW_ACCOUNT_TOKEN, action(Action::ServiceAccountsManage), token_new::submit),
        show(urls::SERVICE_ACCOUNT_DELETE, action(Action::ServiceAccountsManage), delete::show),
        submit(urls::SERVICE_ACCOUNT_DELETE, action(Action::ServiceAccountsManage), delete::submit),
    ]
}

/// Service account of a page, and the user's membership of its organization.
struct VisibleAccount {
    membership: (Organization, Member),
    account: ServiceAccount,
    /// Membership of the account.
    member: Member,
}

impl VisibleAccount {
    /// Reads the service account of a page.
    ///
    /// # Errors
    /// `not_found` or `forbidden` according to the role of the user.
    async fn load(context: &Context, org: OrganizationId, id: UserId) -> Result<Self, PageError> {
        let membership = context.organization_for(org, Action::ServiceAccountsManage).await?;
        let (account, member) = context.platform().service_accounts().get(&context.caller, org, id).await?;
        Ok(Self { membership, account, member })
    }

    /// Returns the links to the list, and to the account itself for pages below it.
    fn ancestors(&self, context: &Context, is_below: bool) -> Vec<Link> {
        let (org, account) = (self.account.organization_id, &self.account);
        let list = Link::new(context.text("nav-service-accounts"), urls::service_accounts(org));
        let own = Link::new(account.name.as_str(), urls::service_account(org, account.id));
        std::iter::once(list).chain(is_below.then_some(own)).collect()
    }
}
