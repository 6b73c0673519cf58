//! Documents: parsing, validation of each document by itself, and their written form.

use std::collections::BTreeMap;
use std::fmt;

use hexabase_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

use super::object::{Key, Kind, Spec};
use super::spec::{
    AlertRuleSpec, GroupMemberSpec, GroupSpec, MemberSpec, OrganizationSpec, ProjectSpec, RoleAssignmentSpec,
    RoleSpec, ServiceAccountSpec, Specification, WorkspaceSpec, canonical,
};

/// API version of documents.
const API_VERSION: &str = "hexabase.ai/v1alpha1";
/// Maximum number of documents.
pub(super) const MAX_DOCUMENTS: usize = 5_000;
/// Maximum nesting of a document.
const MAX_DEPTH: usize = 32;
/// Maximum number of problems that are reported at once.
pub(super) const MAX_PROBLEMS: usize = 50;

/// Position of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) file: String,
    /// Line, beginning at 1.
    pub(super) line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// Problem of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    pub(super) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.origin, self.message)
    }
}

/// Object that a document describes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Desired {
    pub(super) spec: Spec,
    pub(super) origin: Origin,
}

/// Objects that the documents describe.
pub(super) type DesiredObjects = BTreeMap<Key, Desired>;

/// Beginning of each document.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
}

/// Names of the object and of its parents.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

/// Document of one kind.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<S> {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
}

/// Parses the documents of all files.
///
/// # Errors
/// Every problem with its file and line.
pub(super) fn parse(files: &[(String, String)]) -> std::result::Result<DesiredObjects, Vec<Problem>> {
    let (mut desired, mut problems) = (DesiredObjects::new(), Vec::new());
    let mut count = 0;
    for (file, text) in files {
        for (first_line, document) in split(text) {
            let at = |line: usize| Origin { file: file.clone(), line };
            let origin = at(first_line);
            count += 1;
            if count > MAX_DOCUMENTS {
                let message = format!(
                    "there are more than {MAX_DOCUMENTS} documents; apply fewer organizations at once"
                );
                problems.push(Problem { origin, message });
                return Err(problems);
            }
            match parse_document(document) {
                Ok((key, spec)) => match desired.get(&key) {
                    Some(first) => {
                        let message = format!("{key} is already described at {}", first.origin);
                        problems.push(Problem { origin, message });
                    }
                    None => {
                        desired.insert(key, Desired { spec, origin });
                    }
                },
                Err((line, message)) => {
                    let line = line.map_or(first_line, |line| first_line + line.saturating_sub(1));
                    problems.push(Problem { origin: at(line), message });
                }
            }
        }
    }
    if problems.is_empty() { Ok(desired) } else { Err(problems) }
}

/// Splits a stream into documents, each with the line of its first content. Documents without content are skipped.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut first_line, mut position) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = position + line.len();
        // YAML 1.2, section 9.1.2: a marker at the beginning of a line ends every document.
        let is_marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
            || line.trim_end() == "...";
        if is_marker {
            documents.extend(skip_comments(first_line, &text[start..position]));
            (start, first_line) = (end, index + 2);
        }
        position = end;
    }
    documents.extend(skip_comments(first_line, &text[start..]));
    documents
}

/// Skips the blank lines and comments at the beginning of a document; `None` if nothing else is in it.
fn skip_comments(mut first_line: usize, mut text: &str) -> Option<(usize, &str)> {
    while let Some(line) = text.split_inclusive('\n').next() {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') {
            return Some((first_line, text));
        }
        text = &text[line.len()..];
        first_line += 1;
    }
    None
}

/// Line of a document, beginning at 1, and the problem in it.
type DocumentProblem = (Option<usize>, String);

fn parse_document(text: &str) -> std::result::Result<(Key, Spec), DocumentProblem> {
    let header: Header = read_yaml(text)?;
    let line_of = |field: &str| text.lines().position(|line| line.starts_with(field)).map(|line| line + 1);
    if header.api_version != API_VERSION {
        let message = format!("apiVersion must be {API_VERSION}");
        return Err((line_of("apiVersion"), message));
    }
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == header.kind) else {
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        let message = format!("{:?} is no kind; kinds are {}", header.kind, kinds.join(", "));
        return Err((line_of("kind"), message));
    };
    match kind {
        Kind::Organization => parse_kind::<OrganizationSpec>(kind, text),
        Kind::Member => parse_kind::<MemberSpec>(kind, text),
        Kind::ServiceAccount => parse_kind::<ServiceAccountSpec>(kind, text),
        Kind::Workspace => parse_kind::<WorkspaceSpec>(kind, text),
        Kind::Group => parse_kind::<GroupSpec>(kind, text),
        Kind::GroupMember => parse_kind::<GroupMemberSpec>(kind, text),
        Kind::Project => parse_kind::<ProjectSpec>(kind, text),
        Kind::Role => parse_kind::<RoleSpec>(kind, text),
        Kind::RoleAssignment => parse_kind::<RoleAssignmentSpec>(kind, text),
        Kind::AlertRule => parse_kind::<AlertRuleSpec>(kind, text),
    }
}

fn read_yaml<T: serde::de::DeserializeOwned>(text: &str) -> std::result::Result<T, DocumentProblem> {
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: MAX_DEPTH } };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
        let message = error.without_snippet().to_string();
        let message = message.lines().next().unwrap_or_default();
        // The position in the document follows.
        (line, message.split_once(" at line ").map_or(message, |(reason, _)| reason).to_owned())
    })
}

fn parse_kind<S: Specification>(kind: Kind, text: &str) -> std::result::Result<(Key, Spec), DocumentProblem> {
    let document: Document<S> = read_yaml(text)?;
    let invalid = |error: Error| {
        let violations = error.violations().iter();
        let violations: Vec<String> =
            violations.map(|violation| format!("{} {}", violation.field, violation.message)).collect();
        let line = error.violations().first().and_then(|violation| {
            let field = violation.field.split(['.', '[']).next().unwrap_or_default();
            let is_field = |line: &str| line.trim_start().starts_with(&format!("{field}:"));
            text.lines().position(is_field).map(|line| line + 1)
        });
        (line, if violations.is_empty() { error.to_string() } else { violations.join("; ") })
    };
    let key = key_of(kind, document.metadata, &document.spec).map_err(invalid)?;
    let spec = canonical(document.spec, &key).map_err(invalid)?;
    Ok((key, spec))
}

/// Returns the key of a document. Exactly the names of its kind are required.
fn key_of<S: Specification>(kind: Kind, metadata: Metadata, spec: &S) -> Result<Key> {
    let Metadata { name, organization, workspace, project, group } = metadata;
    let required = |field: &str, value: Option<String>, is_required: bool| match (value, is_required) {
        (Some(value), true) => Ok(Some(value)),
        (None, false) => Ok(None),
        (None, true) => Err(Error::invalid(field, format!("is required in the metadata of the kind {kind}"))),
        (Some(_), false) => {
            Err(Error::invalid(field, format!("must be absent in the metadata of the kind {kind}")))
        }
    };
    let name = required("name", name, kind != Kind::RoleAssignment)?;
    let organization = required("organization", organization, kind != Kind::Organization)?;
    let workspace = required("workspace", workspace, kind.is_in_workspace())?;
    let group = required("group", group, kind == Kind::GroupMember)?;
    let project = match kind {
        Kind::RoleAssignment => project,
        _ => required("project", project, kind == Kind::Role)?,
    };
    let name = match (kind, name) {
        (_, Some(name)) if kind == Kind::Member || name.contains('@') => name.to_ascii_lowercase(),
        (_, Some(name)) => name,
        (_, None) => {
            let fields = serde_json::to_value(spec).unwrap_or_default();
            let part = |field: &str| fields[field].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", part("group"), part("role"))
        }
    };
    let organization = organization.unwrap_or_else(|| name.clone());
    Ok(Key { kind, organization, workspace, parent: project.or(group), name })
}

/// Writes objects as documents, in the order of their creation.
///
/// # Errors
/// `Unexpected` for a value that YAML cannot express.
pub(super) fn write<'a>(objects: impl Iterator<Item = (&'a Key, &'a Spec)>) -> Result<String> {
    let mut text = String::new();
    for (key, spec) in objects {
        let Key { kind, organization, workspace, parent, name } = key.clone();
        let metadata = Metadata {
            name: (kind != Kind::RoleAssignment).then_some(name),
            organization: (kind != Kind::Organization).then_some(organization),
            workspace,
            project: parent.clone().filter(|_| kind != Kind::GroupMember),
            group: parent.filter(|_| kind == Kind::GroupMember),
        };
        let is_default = |value: &serde_json::Value| match value {
            serde_json::Value::Null => true,
            serde_json::Value::Object(members) => members.is_empty(),
            serde_json::Value::Array(items) => items.is_empty(),
            _ => false,
        };
        let spec: Spec = spec
            .iter()
            .filter(|(_, value)| !is_default(value))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let document =
            Document { api_version: API_VERSION.to_owned(), kind: kind.as_str().to_owned(), metadata, spec };
        let document = serde_saphyr::to_string(&document)
            .map_err(|error| Error::unexpected("the document cannot be written").caused_by(error))?;
        text.push_str("---\n");
        text.push_str(document.trim_end());
        text.push('\n');
    }
    Ok(text)
}
