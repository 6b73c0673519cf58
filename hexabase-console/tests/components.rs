//! Golden markup of the components in both languages, and properties of the stylesheet.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../examples/gallery/pages.rs"]
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use hexabase_console::components::Theme;
use hexabase_console::language::{Language, Texts};

const STYLESHEET: &str = include_str!("../src/assets/console.css");
const ICONS: &str = include_str!("../src/assets/icons.svg");

/// Markup with one element a line.
fn lines(markup: &str) -> String {
    markup.replace("><", ">\n<")
}

#[test]
fn components_render_as_recorded_in_both_languages() {
    let english = pages::specimens(&Texts::new(Language::English));
    let japanese = pages::specimens(&Texts::new(Language::Japanese));
    for ((name, english), (_, japanese)) in english.into_iter().zip(japanese) {
        let markup = format!("{}\n\n{}\n", lines(&english.into_string()), lines(&japanese.into_string()));
        insta::assert_snapshot!(name, markup);
    }
}

#[test]
fn the_shell_renders_as_recorded() {
    let page = pages::page(Language::English, Theme::Dark).into_string();
    let (head, rest) = page.split_once("<section").unwrap();
    let (_, foot) = rest.rsplit_once("</section>").unwrap();
    insta::assert_snapshot!("shell", lines(&format!("{head}{foot}")));
}

#[test]
fn hostile_names_are_escaped_and_isolated() {
    for language in [Language::English, Language::Japanese, Language::Pseudo] {
        for (name, specimen) in pages::specimens(&Texts::new(language)) {
            let markup = specimen.into_string();
            assert!(!markup.contains("<img"), "{name}");
            assert!(!markup.contains("\"'&"), "{name}");
            assert!(!markup.contains("style=") && !markup.contains(" onerror=\""), "{name}");
        }
    }
}

#[test]
fn ids_are_unique_and_references_lead_to_them() {
    let page = pages::page(Language::English, Theme::System).into_string();
    let values = |attribute: &str| {
        let marker = format!(" {attribute}=\"");
        let values = page.split(&marker).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
        values.flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let ids = values("id");
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    for attribute in ["for", "aria-describedby", "aria-labelledby", "popovertarget", "commandfor", "list"] {
        for id in values(attribute) {
            assert!(unique.contains(&id), "{attribute}={id}");
        }
    }
}

#[test]
fn the_pseudo_locale_leaves_no_plain_english_of_the_components() {
    let page = pages::page(Language::Pseudo, Theme::System).into_string();
    for text in
        ["Skip", "Cancel", "Undo", "Search", "Remove the", "Values", "completed of", "Type ", "unlimited"]
    {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.contains("⟦Šķíþ ţó ţĥé çóñţéñţ⟧"));
}

fn gzipped(content: &str) -> usize {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}

#[test]
fn stylesheet_and_icons_are_within_their_budgets() {
    assert!(gzipped(STYLESHEET) <= 8 * 1024, "{} bytes", gzipped(STYLESHEET));
    assert!(gzipped(ICONS) <= 4 * 1024, "{} bytes", gzipped(ICONS));
}

/// Colours of the tokens in the light and the dark scheme.
fn colours() -> BTreeMap<&'static str, [[f64; 3]; 2]> {
    let parse = |hex: &str| {
        let hex = hex.trim().strip_prefix('#').filter(|hex| hex.len() == 6)?;
        let channel = |start: usize| u8::from_str_radix(&hex[start..start + 2], 16).ok().map(f64::from);
        Some([channel(0)?, channel(2)?, channel(4)?])
    };
    let token = |line: &'static str| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": light-dark(")?;
        let (light, dark) = value.strip_suffix(");")?.split_once(',')?;
        Some((name, [parse(light)?, parse(dark)?]))
    };
    STYLESHEET.lines().filter_map(token).collect()
}

/// Contrast of two colours (WCAG 2.2, definition of contrast ratio).
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour.map(|channel| {
            let share = channel / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn colours_have_enough_contrast_in_both_schemes() {
    let colours = colours();
    let grounds = ["ground", "surface", "sunken"];
    let mut pairs = Vec::new();
    for text in ["text", "muted", "accent"] {
        pairs.extend(grounds.map(|ground| (text, ground, 4.5)));
    }
    for (tone, ground) in [
        ("good", "good-ground"),
        ("busy", "busy-ground"),
        ("warning", "warning-ground"),
        ("bad", "bad-ground"),
    ] {
        pairs.extend([
            (tone, ground, 4.5),
            (tone, "surface", 4.5),
            ("text", ground, 4.5),
            ("muted", ground, 4.5),
        ]);
    }
    pairs.extend([
        ("accent", "busy-ground", 4.5),
        ("on-fill", "accent-fill", 4.5),
        ("on-fill", "danger-fill", 4.5),
    ]);
    pairs.extend(grounds.map(|ground| ("line-strong", ground, 3.0)));
    for series in ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"] {
        pairs.push((series, "surface", 3.0));
    }
    pairs.extend([("series-1", "sunken", 3.0), ("series-5", "sunken", 3.0), ("bad", "sunken", 3.0)]);
    for (front, back, least) in pairs {
        for (scheme, index) in [("light", 0), ("dark", 1)] {
            let ratio = contrast(colours[front][index], colours[back][index]);
            assert!(ratio >= least, "{front} on {back} in the {scheme} scheme: {ratio:.2} < {least}");
        }
    }
}

#[test]
fn each_class_of_the_components_is_styled_or_documented() {
    let page = pages::page(Language::English, Theme::System).into_string();
    let classes: BTreeSet<_> = page
        .split("class=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .flat_map(|(classes, _)| classes.split(' '))
        .filter(|class| !class.is_empty())
        .collect();
    let unstyled: Vec<_> =
        classes.into_iter().filter(|class| !STYLESHEET.contains(&format!(".{class}"))).collect();
    assert!(unstyled.is_empty(), "{unstyled:?}");
}
