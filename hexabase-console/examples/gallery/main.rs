//! Writes pages with all components, to look at them in a browser: `cargo run -p hexabase-console --example gallery --
//! <directory>`. One page for each language and theme, beside a copy of the stylesheet.

mod pages;

use std::path::PathBuf;
use std::{env, fs, io};

use hexabase_console::components::Theme;
use hexabase_console::language::Language;

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "target/gallery".into()));
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("console.css"), include_str!("../../src/assets/console.css"))?;
    for language in [Language::English, Language::Japanese, Language::Pseudo] {
        for theme in [Theme::Light, Theme::Dark] {
            let name = format!("{}-{}.html", language.tag(), theme.as_str().unwrap_or_default());
            fs::write(directory.join(name), pages::page(language, theme).into_string())?;
        }
    }
    Ok(())
}
