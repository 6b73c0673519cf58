use maud::{Markup, html};

use super::field::Field;
use super::name;

/// Node of a tree, such as a group or project.
#[derive(Debug, Clone)]
pub struct TreeNode {
    /// Name, usually with a link.
    pub label: Markup,
    /// Facts beside the name.
    pub facts: Markup,
    /// Nodes below this one.
    pub children: Vec<TreeNode>,
}

/// Tree as nested lists. `label` names it for assistive technology.
#[must_use]
pub fn tree(label: &str, nodes: &[TreeNode]) -> Markup {
    html! { ul class="tree" aria-label=(label) { (items(nodes)) } }
}

fn items(nodes: &[TreeNode]) -> Markup {
    html! {
        @for node in nodes {
            li {
                div class="node" {
                    span class="node-name" { (node.label) }
                    div class="node-facts" { (node.facts) }
                }
                @if !node.children.is_empty() { ul { (items(&node.children)) } }
            }
        }
    }
}

/// Node of a tree to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeChoice {
    /// Value in the form.
    pub value: String,
    /// Name.
    pub label: String,
    /// Reason for which the node cannot be chosen; `None` if it can.
    pub refusal: Option<String>,
    /// Nodes below this one.
    pub children: Vec<TreeChoice>,
}

/// Field that chooses one node of a tree. The control of the field is not used.
#[must_use]
pub fn tree_choice(field: &Field, nodes: &[TreeChoice]) -> Markup {
    let error_id = field.error.as_ref().map(|_| format!("{}-error", field.id));
    html! {
        fieldset class="field" id=(field.id) tabindex="-1" aria-describedby=[error_id.as_deref()] {
            legend { (field.label) }
            @if let Some(hint) = &field.hint { p class="hint" { (hint) } }
            @if let (Some(error), Some(id)) = (&field.error, &error_id) { p class="error" id=(id) { (error) } }
            ul class="tree choice-tree" { (choices(field, nodes)) }
        }
    }
}

fn choices(field: &Field, nodes: &[TreeChoice]) -> Markup {
    html! {
        @for node in nodes {
            li {
                label class="node" {
                    input type="radio" name=(field.name) value=(node.value) checked[field.values.contains(&node.value)]
                        disabled[node.refusal.is_some()];
                    span { (name(&node.label)) }
                    @if let Some(refusal) = &node.refusal { span class="reason" { (refusal) } }
                }
                @if !node.children.is_empty() { ul { (choices(field, &node.children)) } }
            }
        }
    }
}
