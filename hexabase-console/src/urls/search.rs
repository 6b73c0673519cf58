//! Address of the search.

use super::urls;

urls! {
    /// Search over the organizations of the user.
    SEARCH search() = "/console/search";
}
