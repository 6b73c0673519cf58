//! Pages of organizations.

mod delete;
mod invite;
mod list;
mod member;
mod members;
mod new;
mod overview;
mod settings;

use hexabase_core::access::Action;

pub(super) use member::role_choices;

use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::ORGANIZATIONS, Access::Session, list::show),
        show(urls::NEW_ORGANIZATION, Access::Session, new::show),
        submit(urls::NEW_ORGANIZATION, Access::Session, new::submit),
        show(urls::ORGANIZATION, action(Action::OverviewRead), overview::show),
        show(urls::ORGANIZATION_SETTINGS, action(Action::OrganizationUpdate), settings::show),
        submit(urls::ORGANIZATION_SETTINGS, action(Action::OrganizationUpdate), settings::submit),
        show(urls::ORGANIZATION_DELETE, action(Action::OrganizationDelete), delete::show),
        submit(urls::ORGANIZATION_DELETE, action(Action::OrganizationDelete), delete::submit),
        show(urls::MEMBERS, action(Action::MembersRead), members::show),
        show(urls::INVITE, action(Action::InvitationCreate), invite::show),
        submit(urls::INVITE, action(Action::InvitationCreate), invite::submit),
        submit(urls::INVITATION, action(Action::InvitationsManage), members::submit_invitation),
        show(urls::MEMBER, action(Action::MembersRead), member::show),
        submit(urls::MEMBER, action(Action::MembersManage), member::submit),
    ]
}
