//! Selection of an object by its id or by one of its names.

use hexabase_core::error::{Error, ErrorKind, Result};
use strsim::jaro_winkler;

/// Minimum similarity of a name that is proposed instead of an unknown one.
const MIN_SIMILARITY: f64 = 0.8;
/// Maximum number of objects that an error lists.
const MAX_LISTED: usize = 10;

/// Object that a user can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::command) struct Candidate {
    /// Id of the object.
    pub(in crate::command) id: String,
    /// Names of the object, the most common one first.
    pub(in crate::command) names: Vec<String>,
    /// Description of the context of the object, such as its organization; empty if the kind needs none.
    pub(in crate::command) context: String,
}

impl Candidate {
    fn describe(&self) -> String {
        let name = self.names.first().map_or("", String::as_str);
        match self.context.is_empty() {
            true => format!("{name} ({})", self.id),
            false => format!("{name} of {} ({})", self.context, self.id),
        }
    }
}

/// Returns the object that `wanted` identifies: the one with that id, or else the only one with that name. `kind` is the
/// noun for the object, and `remedy` the command that lists all.
///
/// # Errors
/// - `NotFound` if there is none, with similar names.
/// - `Invalid` if there are several, with their ids.
pub(in crate::command) fn select<'a>(
    kind: &str,
    remedy: &str,
    candidates: &'a [Candidate],
    wanted: &str,
) -> Result<&'a Candidate> {
    if let Some(found) = candidates.iter().find(|candidate| candidate.id == wanted) {
        return Ok(found);
    }
    let has_name = |candidate: &&Candidate| candidate.names.iter().any(|name| name == wanted);
    let found: Vec<&Candidate> = candidates.iter().filter(has_name).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let similar = similar(candidates, wanted);
            let similar = similar.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            let message =
                format!("there is no {kind} {wanted:?} that you can access{similar}; {remedy} lists all");
            Err(Error::new(ErrorKind::NotFound, message))
        }
        several => {
            let mut listed: Vec<String> =
                several.iter().take(MAX_LISTED).map(|candidate| candidate.describe()).collect();
            if several.len() > MAX_LISTED {
                listed.push(format!("and {} more", several.len() - MAX_LISTED));
            }
            let message =
                format!("{wanted:?} is the name of several; use one of these ids: {}", listed.join(", "));
            Err(Error::invalid(kind, message))
        }
    }
}

/// Returns the most similar name.
fn similar<'a>(candidates: &'a [Candidate], wanted: &str) -> Option<&'a str> {
    let names = candidates.iter().flat_map(|candidate| &candidate.names);
    let scored = names.map(|name| (jaro_winkler(name, wanted), name.as_str()));
    let best = scored.max_by(|(first, _), (second, _)| first.total_cmp(second))?;
    (best.0 >= MIN_SIMILARITY).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, names: &[&str]) -> Candidate {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Candidate { id: id.to_owned(), names, context: String::new() }
    }

    #[test]
    fn ids_come_before_names_and_ambiguous_names_list_their_ids() {
        let all = [
            candidate("grp_1", &["developers"]),
            candidate("grp_2", &["developers", "dev@example.com"]),
            candidate("grp_3", &["grp_1"]),
        ];
        let select = |wanted: &str| select("group", "hexabase groups list", &all, wanted);
        assert_eq!(select("grp_1").unwrap().id, "grp_1");
        assert_eq!(select("dev@example.com").unwrap().id, "grp_2");
        let error = select("developers").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        for id in ["grp_1", "grp_2"] {
            assert!(error.to_string().contains(&format!("developers ({id})")), "{error}");
        }
        let error = select("develpers").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        for part in ["did you mean developers?", "hexabase groups list lists all"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(!select("x").unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn long_lists_of_candidates_are_cut() {
        let all: Vec<Candidate> =
            (0..14).map(|number| candidate(&format!("ws_{number}"), &["shop"])).collect();
        let error = select("workspace", "", &all, "shop").unwrap_err().to_string();
        assert!(
            error.contains("ws_9") && !error.contains("ws_10") && error.contains("and 4 more"),
            "{error}"
        );
    }
}
