//! Templates that turn notifications into text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use hexabase_core::error::{Error, Result};
use hexabase_core::model::{Currency, Money};
use hexabase_core::name::Language;
use hexabase_core::notifier::{Envelope, Notification};
use jiff::Timestamp;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, context};

use crate::embedded;
use crate::mail::{MailRenderer, RenderedMail};

/// First line of a text template, before the subject.
const SUBJECT: &str = "Subject: ";
/// Maximum size of a template file, in bytes.
const MAX_TEMPLATE_SIZE: u64 = 256 * 1024;
/// Maximum number of files in a directory of templates.
const MAX_FILES: usize = 1_000;

/// Values that all templates can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateConfig {
    /// Name of the product, at most 64 characters on one line; `product_name` in templates.
    pub product_name: String,
    /// URL under which users reach the platform; `public_url` in templates.
    pub public_url: String,
}

impl TemplateConfig {
    /// Returns the configuration of a product that users reach under this URL, with the name `Hexabase`.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        Self { product_name: "Hexabase".to_owned(), public_url: public_url.trim_end_matches('/').to_owned() }
    }
}

/// Mail templates in the syntax of Jinja.
///
/// A notification of kind `invitation` in English is rendered by `en/invitation.txt`, of which the first line is the
/// subject, and `en/invitation.html`, in which values are escaped. The variables are the fields of the
/// [`Notification`], `product_name`, `public_url` and `language`. Two filters format values: `{{ until |
/// date("%Y-%m-%d %H:%M UTC") }}` and `{{ cost | money }}`. An unknown variable is an error.
pub struct Templates {
    environment: Environment<'static>,
    languages: BTreeSet<String>,
    config: TemplateConfig,
}

impl fmt::Debug for Templates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Templates")
            .field("languages", &self.languages)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Templates {
    /// Creates the built-in templates, in English and Japanese.
    ///
    /// # Errors
    /// `Invalid` for a product name that is empty, longer than 64 characters, or has control characters.
    pub fn new(config: TemplateConfig) -> Result<Self> {
        Self::from_sources(config, BTreeMap::new())
    }

    /// Creates the built-in templates, of which the files in a directory replace those of the same name, such as
    /// `layout.html` or `en/invitation.txt`. A directory with all templates in a further language adds it. All templates
    /// are read once, and checked by rendering samples.
    ///
    /// # Errors
    /// As [`Self::new`], and `Invalid` if a file cannot be read, is too large or no template, or lacks its subject.
    pub fn with_directory(config: TemplateConfig, directory: &Path) -> Result<Self> {
        Self::from_sources(config, read_directory(directory)?)
    }

    fn from_sources(config: TemplateConfig, overrides: BTreeMap<String, String>) -> Result<Self> {
        let name = &config.product_name;
        let is_valid = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !is_valid {
            return Err(Error::invalid("product_name", "must be 1 to 64 characters without line breaks"));
        }
        let mut sources: BTreeMap<_, _> = embedded::TEMPLATES.iter().copied().map(owned).collect();
        let has_overrides = !overrides.is_empty();
        sources.extend(overrides);
        let languages = sources.keys().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
        let names: Vec<String> = sources.keys().cloned().collect();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        environment.add_filter("date", date);
        environment.add_filter("money", money);
        // Templates are parsed when they are first used.
        environment.set_loader(move |name| Ok(sources.get(name).cloned()));
        let templates = Self { environment, languages, config };
        // Tests check the built-in ones, so that a server can start without parsing them.
        if has_overrides {
            templates.check(&names)?;
        }
        Ok(templates)
    }

    /// Parses all templates, and renders all samples in all languages.
    fn check(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.environment.get_template(name).map_err(|error| invalid_template(name, &error))?;
        }
        for language in &self.languages {
            for sample in Notification::samples() {
                self.render_in(language, &sample)?;
            }
        }
        Ok(())
    }

    /// Languages of which there are templates.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(String::as_str)
    }

    fn render_in(&self, language: &str, notification: &Notification) -> Result<RenderedMail> {
        let kind = notification.kind();
        let values = context! {
            product_name => &self.config.product_name,
            public_url => &self.config.public_url,
            language => language,
            ..Value::from(Serde(notification)),
        };
        let render = |name: String| {
            let template = self.environment.get_template(&name);
            let rendered = template.and_then(|template| template.render(values.clone()));
            rendered.map_err(|error| invalid_template(&name, &error))
        };
        let (text, html) =
            (render(format!("{language}/{kind}.txt"))?, render(format!("{language}/{kind}.html"))?);
        let (subject, text) = split_subject(&text).ok_or_else(|| {
            let message =
                format!("{language}/{kind}.txt must begin with a line \"Subject: …\" and an empty line");
            Error::invalid("mail_templates", message)
        })?;
        Ok(RenderedMail { subject: subject.to_owned(), text: text.to_owned(), html: Some(html) })
    }
}

impl MailRenderer for Templates {
    fn render(&self, envelope: &Envelope) -> Result<RenderedMail> {
        let default = Language::default();
        let is_known = self.languages.contains(envelope.language.as_str());
        let language = if is_known { &envelope.language } else { &default };
        // `Invalid` would mean that the recipient can never be reached, but an operator can correct a template.
        self.render_in(language.as_str(), &envelope.notification).map_err(|error| {
            Error::unexpected("rendering the notification failed; check the mail templates")
                .with("kind", envelope.notification.kind())
                .with("problem", error)
        })
    }
}

fn owned((name, source): (&str, &str)) -> (String, String) {
    (name.to_owned(), source.to_owned())
}

/// Splits a text into its subject and the rest.
fn split_subject(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let subject = first.strip_prefix(SUBJECT)?.trim();
    let body = rest.strip_prefix('\n')?;
    (!subject.is_empty() && !body.trim().is_empty()).then_some((subject, body))
}

/// Returns the error of a template. The error of the template engine is reduced to its kind, because it can quote values.
fn invalid_template(name: &str, error: &minijinja::Error) -> Error {
    let file = error.name().unwrap_or(name);
    let line = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
    let detail = match error.kind() {
        ErrorKind::SyntaxError => error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default(),
        ErrorKind::TemplateNotFound => format!(" (every language needs {name})"),
        _ => String::new(),
    };
    Error::invalid("mail_templates", format!("{file}{line}: {}{detail}", error.kind()))
}

/// Filter `date`: formats a time with a format string of `strftime`, in UTC.
fn date(at: &str, format: &str) -> Result<String, minijinja::Error> {
    let invalid = |_| minijinja::Error::new(ErrorKind::InvalidOperation, "invalid time or format");
    let at: Timestamp = at.parse().map_err(invalid)?;
    jiff::fmt::strtime::format(format, &at.to_zoned(jiff::tz::TimeZone::UTC)).map_err(invalid)
}

/// Filter `money`: formats an amount in the major unit of its currency, as in `20.01 USD`.
fn money(value: &Value) -> Result<String, minijinja::Error> {
    let invalid = || minijinja::Error::new(ErrorKind::InvalidOperation, "not an amount of money");
    let amount = value.get_attr("amount")?.as_i64().ok_or_else(invalid)?;
    let currency = value.get_attr("currency")?;
    let currency = currency.as_str().and_then(Currency::parse).ok_or_else(invalid)?;
    Ok(Money { amount, currency }.to_decimal_string())
}

/// Reads the templates in a directory: files `NAME.txt` and `NAME.html`, there and in directories named as a language.
fn read_directory(directory: &Path) -> Result<BTreeMap<String, String>> {
    let invalid = |path: &Path, problem: &dyn fmt::Display| {
        Error::invalid("mail_templates", format!("{}: {problem}", path.display()))
    };
    let entries = |path: &Path| -> Result<Vec<std::path::PathBuf>> {
        let read = std::fs::read_dir(path).and_then(|entries| {
            entries.take(MAX_FILES).map(|entry| entry.map(|entry| entry.path())).collect()
        });
        read.map_err(|error| invalid(path, &error))
    };
    let mut files = Vec::new();
    for path in entries(directory)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && Language::parse(&name).is_ok() {
            files.extend(entries(&path)?.into_iter().map(|file| (Some(name.clone()), file)));
        } else if path.is_file() {
            files.push((None, path));
        }
    }
    let mut sources = BTreeMap::new();
    for (language, path) in files {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !(name.ends_with(".txt") || name.ends_with(".html")) {
            continue;
        }
        let size = std::fs::metadata(&path).map_err(|error| invalid(&path, &error))?.len();
        if size > MAX_TEMPLATE_SIZE {
            return Err(invalid(&path, &format!("must not be larger than {MAX_TEMPLATE_SIZE} bytes")));
        }
        let source = std::fs::read_to_string(&path).map_err(|error| invalid(&path, &error))?;
        let name = language.map_or_else(|| name.to_owned(), |language| format!("{language}/{name}"));
        sources.insert(name, source.replace("\r\n", "\n"));
    }
    Ok(sources)
}
