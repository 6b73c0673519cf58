use std::collections::HashMap;
use std::sync::LazyLock;

use maud::{Markup, PreEscaped, html};

/// Drawings of the icons, each a `<symbol>` with an id.
const DRAWINGS: &str = include_str!("../assets/icons.svg");

/// Defines the icons with the ids of their drawings.
macro_rules! icons {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// Icon of the console. The text beside an icon, or the label of its button, has the meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Icon { $($(#[$doc])* $name,)* }

        impl Icon {
            /// All icons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the id of the drawing.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }
        }
    };
}

icons! {
    /// Alert rules.
    Bell = "bell",
    /// Direction of a link to the next level.
    Chevron = "chevron",
    /// Completed.
    Check = "check",
    /// Close.
    Close = "close",
    /// Copy.
    Copy = "copy",
    /// Billing.
    Card = "card",
    /// Usage and metrics.
    Chart = "chart",
    /// Command line.
    Terminal = "terminal",
    /// Workspace.
    Cube = "cube",
    /// Project.
    Folder = "folder",
    /// Settings.
    Gear = "gear",
    /// Groups.
    Group = "group",
    /// Overview.
    House = "house",
    /// Roles.
    Key = "key",
    /// Audit log.
    List = "list",
    /// Navigation.
    Menu = "menu",
    /// Further actions.
    More = "more",
    /// Create.
    Plus = "plus",
    /// Search.
    Search = "search",
    /// Host clusters.
    Server = "server",
    /// Security.
    Shield = "shield",
    /// Logs.
    Text = "text",
    /// User.
    User = "user",
    /// Needs attention.
    Warning = "warning",
}

/// Icon, hidden from assistive technology. It is part of the page: one request fewer than a sprite, and no address that a
/// component would need.
#[must_use]
pub fn icon(icon: Icon) -> Markup {
    static BY_ID: LazyLock<HashMap<&'static str, &'static str>> =
        LazyLock::new(|| drawings(DRAWINGS).collect());
    let drawing = BY_ID.get(icon.id()).copied().unwrap_or_default();
    html! { svg class="icon" viewBox="0 0 16 16" aria-hidden="true" { (PreEscaped(drawing)) } }
}

/// Returns ids and contents of the symbols of a sprite.
fn drawings(sprite: &str) -> impl Iterator<Item = (&str, &str)> {
    sprite.split("<symbol id=\"").skip(1).filter_map(|symbol| {
        let (id, rest) = symbol.split_once('"')?;
        let content = rest.split_once('>')?.1.split_once("</symbol>")?.0;
        Some((id, content))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_icon_has_a_drawing_and_each_drawing_an_icon() {
        let drawn: BTreeSet<_> = drawings(DRAWINGS).map(|(id, _)| id).collect();
        let named: BTreeSet<_> = Icon::ALL.iter().map(|icon| icon.id()).collect();
        assert_eq!(drawn, named);
    }

    #[test]
    fn drawings_are_shapes_only() {
        for forbidden in ["style", "script", "href", "xlink", "fill=\"#", "stroke=\"#"] {
            assert!(!DRAWINGS.contains(forbidden), "{forbidden}");
        }
    }
}
