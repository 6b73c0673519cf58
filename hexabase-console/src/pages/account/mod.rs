//! Pages of the account of the user.

mod linked_accounts;
mod profile;
mod security;
mod sessions;
mod token_new;
mod tokens;

use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    vec![
        show(urls::ACCOUNT, Access::Session, profile::show),
        submit(urls::ACCOUNT, Access::Session, profile::submit),
        show(urls::TOKENS, Access::Session, tokens::show),
        submit(urls::TOKENS, Access::Session, tokens::revoke),
        show(urls::NEW_TOKEN, Access::Session, token_new::show),
        submit(urls::NEW_TOKEN, Access::Session, token_new::submit),
        show(urls::SESSIONS, Access::Session, sessions::show),
        submit(urls::SESSIONS, Access::Session, sessions::submit),
        show(urls::SECURITY, Access::Session, security::show),
        submit(urls::SECURITY, Access::Session, linked_accounts::submit),
    ]
}
