use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use intl_memoizer::concurrent::IntlLangMemoizer;
use unic_langid::LanguageIdentifier;

use super::{Language, pseudo};
use crate::numbers::grouped;

/// Value of a variable in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg<'a> {
    /// Text, such as a name that a user chose.
    Text(&'a str),
    /// Number, by which a text selects its plural form.
    Count(u64),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Arg<'_> {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Arg<'_> {
    fn from(count: usize) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

/// Texts of the console in one language.
///
/// Keys are those of the files in `src/locales`; tests check that each key in the code has a text in each language. A
/// key without a text yields the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    language: Language,
}

impl Texts {
    /// Returns the texts of a language.
    #[must_use]
    pub const fn new(language: Language) -> Self {
        Self { language }
    }

    /// Returns the language.
    #[must_use]
    pub const fn language(self) -> Language {
        self.language
    }

    /// Returns a text without variables.
    #[must_use]
    pub fn text(self, key: &str) -> String {
        self.format(key, None)
    }

    /// Returns a text with its variables. Right-to-left values are isolated from the sentence, and characters that change
    /// the direction of text are replaced.
    #[must_use]
    pub fn text_with(self, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
        let mut values = FluentArgs::with_capacity(args.len());
        for (name, arg) in args {
            match arg {
                Arg::Text(text) => values.set(*name, self.value(text)),
                Arg::Count(count) => values.set(*name, *count),
            }
        }
        self.format(key, Some(&values))
    }

    /// Returns a value as it appears in a text.
    fn value(self, text: &str) -> Cow<'_, str> {
        match self.language {
            Language::Pseudo => Cow::Owned(pseudo::marked(&isolated(text))),
            Language::English | Language::Japanese => isolated(text),
        }
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = bundle(self.language);
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        // Errors name variables that are not set, which then appear as `{$name}`; the tests of the keys find those.
        let text = bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned();
        if self.language == Language::Pseudo { pseudo::bracketed(&text) } else { text }
    }
}

type Bundle = FluentBundle<FluentResource>;

fn bundle(language: Language) -> &'static Bundle {
    static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| load(Language::English));
    static JAPANESE: LazyLock<Bundle> = LazyLock::new(|| load(Language::Japanese));
    static PSEUDO: LazyLock<Bundle> = LazyLock::new(|| load(Language::Pseudo));
    match language {
        Language::English => &ENGLISH,
        Language::Japanese => &JAPANESE,
        Language::Pseudo => &PSEUDO,
    }
}

macro_rules! locale {
    ($language:literal) => {
        locale!($language:
            "access.ftl"
            "account.ftl"
            "billing.ftl"
            "components.ftl"
            "observe.ftl"
            "operators.ftl"
            "pages.ftl"
            "search.ftl"
            "vocabulary.ftl"
        )
    };
    ($language:literal: $($file:literal)*) => {
        &[$((concat!($language, "/", $file), include_str!(concat!("../locales/", $language, "/", $file)))),*]
    };
}

/// Returns the files of a language with their names.
pub(super) const fn sources(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::English | Language::Pseudo => locale!("en"),
        Language::Japanese => locale!("ja"),
    }
}

fn load(language: Language) -> Bundle {
    let locale: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Values are isolated here, and only where it changes something: marks around each value would be copied, searched
    // and read aloud.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(formatted));
    if language == Language::Pseudo {
        bundle.set_transform(Some(pseudo::accented));
    }
    for (_, source) in sources(language) {
        // A file with an error keeps its valid messages; a test parses all files strictly.
        let resource = FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// Formats whole numbers with groups of digits, as both languages write them.
fn formatted(value: &FluentValue<'_>, _: &IntlLangMemoizer) -> Option<String> {
    match value {
        FluentValue::Number(number) if number.value.fract() == 0.0 && number.value >= 0.0 => {
            Some(grouped(&number.as_string()))
        }
        _ => None,
    }
}

/// Returns a value that cannot change the direction of the text around it.
fn isolated(value: &str) -> Cow<'_, str> {
    if value.is_ascii() {
        return Cow::Borrowed(value);
    }
    let safe: String =
        value.chars().map(|c| if is_direction_mark(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    Cow::Owned(if safe.chars().any(is_right_to_left) { format!("\u{2068}{safe}\u{2069}") } else { safe })
}

const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `true` for characters of the blocks of right-to-left scripts.
const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}
