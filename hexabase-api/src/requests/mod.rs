//! Requests that several areas share, and requests from HTML forms.
//!
//! The bodies and queries of all operations are in the module `requests` of their area: those of workspaces in
//! [`workspaces::requests`](crate::workspaces::requests), and so on. A request has the fields of its JSON form as texts,
//! and one function `parse` that validates all of them and returns the command of the platform. Its error lists every
//! invalid field by the name that the field has in JSON and in a form.
//!
//! So the handlers of the API and the forms of a console share their validation. [`from_form`] reads the same request from
//! a form:
//!
//! ```
//! use hexabase_api::requests::from_form;
//! use hexabase_api::workspaces::requests::NewWorkspace;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let json = r#"{ "name": "dev", "display_name": "Développement", "plan_id": "starter" }"#;
//! let from_json: NewWorkspace = serde_json::from_str(json)?;
//! // The user left the region empty.
//! let form = "csrf=4711&name=dev&display_name=D%C3%A9veloppement&plan_id=starter&region=";
//! let from_form: NewWorkspace = from_form(form.as_bytes())?;
//! assert_eq!(from_form.parse()?, from_json.parse()?);
//!
//! let rejected = hexabase_api::requests::from_form::<NewWorkspace>(b"name=&plan_id=")?.parse().unwrap_err();
//! let fields: Vec<&str> = rejected.violations().iter().map(|it| it.field.as_str()).collect();
//! assert_eq!(fields, ["name", "plan_id"]);
//! # Ok(()) }
//! ```
//!
//! Requests with lists of objects, such as the rules of a role, have no form.

mod fields;
mod form;

use hexabase_core::error::{Error, Result};
use hexabase_core::search::SearchText;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

pub use crate::schema::ResourceAmounts;
pub(crate) use fields::{nullable, parse_nullable, parse_optional, parse_text, parse_timestamp};
pub use form::{from_filter_form, from_form};
pub(crate) use form::{from_query, invalid_field};

/// Page of a list to return.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// Form of a list of nested resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ListView {
    /// Flat list.
    #[default]
    Flat,
    /// Tree.
    Tree,
}

/// Form of a list, and the page to return.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `flat` for a paginated list, or `tree` for all items at once, nested in `children`.
    #[serde(default)]
    pub view: ListView,
    /// Part of the name or display name, in any case; only with `view=flat`.
    #[param(min_length = 1, max_length = 100)]
    pub q: Option<String>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl ListQuery {
    /// Returns the page to return.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Returns the text to search for.
    ///
    /// # Errors
    /// `Invalid` for a text that cannot be searched for, and for one with a tree.
    pub fn parse(self) -> Result<Option<SearchText>> {
        if self.q.is_some() && self.view == ListView::Tree {
            return Err(Error::invalid("q", "cannot be combined with view=tree"));
        }
        parse_text(self.q.as_deref())
    }
}
