//! The part of LogQL that the stand-in understands (<https://grafana.com/docs/loki/latest/query/log_queries/>).

use std::collections::BTreeMap;

use regex_lite::Regex;

/// Labels, or structured metadata.
pub(super) type Labels = BTreeMap<String, String>;

/// Comparison of a label with a value.
struct Matcher {
    label: String,
    is_equal: bool,
    value: String,
}

impl Matcher {
    fn matches(&self, labels: &Labels) -> bool {
        (labels.get(&self.label).map_or("", String::as_str) == self.value) == self.is_equal
    }
}

enum Stage {
    Contains(String),
    Matches(Regex),
    Label(Matcher),
}

/// Parsed query.
pub(super) struct Query {
    selector: Vec<Matcher>,
    stages: Vec<Stage>,
}

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    /// The text of Loki's response, which has the status 400.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut input = Input { text, position: 0 };
        input.expect("{")?;
        let mut selector = vec![input.matcher()?];
        while !input.accept("}") {
            input.expect(",")?;
            selector.push(input.matcher()?);
        }
        let selects = |matcher: &Matcher| matcher.is_equal && !matcher.value.is_empty();
        if !selector.iter().any(selects) {
            let message = "queries require at least one regexp or equality matcher that does not have an \
                           empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but \
                           app=~\".+\" will";
            return Err(format!("parse error : {message}"));
        }
        let mut stages = Vec::new();
        while !input.is_at_end() {
            stages.push(if input.accept("|=") {
                Stage::Contains(input.literal()?)
            } else if input.accept("|~") {
                let column = input.position + 1;
                let expression = input.literal()?;
                // Line filters match `.` with every character.
                let regex = Regex::new(&format!("(?s){expression}")).map_err(|error| {
                    format!(
                        "parse error at line 1, col {column}: error parsing regexp: {error}: `{expression}`"
                    )
                })?;
                Stage::Matches(regex)
            } else {
                input.expect("|")?;
                Stage::Label(input.matcher()?)
            });
        }
        Ok(Self { selector, stages })
    }

    /// `true` if the query selects a stream.
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        self.selector.iter().all(|matcher| matcher.matches(labels))
    }

    /// `true` if a line of a selected stream passes the pipeline; `labels` includes the structured metadata.
    pub(super) fn passes(&self, labels: &Labels, line: &str) -> bool {
        self.stages.iter().all(|stage| match stage {
            Stage::Contains(text) => line.contains(text),
            Stage::Matches(regex) => regex.is_match(line),
            Stage::Label(matcher) => matcher.matches(labels),
        })
    }
}

struct Input<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Input<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.position..];
        let trimmed = rest.trim_start();
        self.position += rest.len() - trimmed.len();
        trimmed
    }

    fn is_at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    fn accept(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.position += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.accept(token) { Ok(()) } else { Err(self.syntax_error()) }
    }

    fn syntax_error(&mut self) -> String {
        let unexpected =
            self.rest().chars().next().map_or_else(|| "$end".to_owned(), |letter| letter.to_string());
        format!("parse error at line 1, col {}: syntax error: unexpected {unexpected}", self.position + 1)
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if length == 0 {
            return Err(self.syntax_error());
        }
        self.position += length;
        let is_equal = !self.accept("!=");
        if is_equal {
            self.expect("=")?;
        }
        Ok(Matcher { label: rest[..length].to_owned(), is_equal, value: self.literal()? })
    }

    /// Reads a string literal of Go.
    fn literal(&mut self) -> Result<String, String> {
        if self.accept("`") {
            let rest = &self.text[self.position..];
            let end = rest.find('`').ok_or_else(|| self.syntax_error())?;
            self.position += end + 1;
            return Ok(rest[..end].to_owned());
        }
        self.expect("\"")?;
        let mut value = String::new();
        loop {
            match self.letter()? {
                '"' => return Ok(value),
                '\n' => return Err(self.syntax_error()),
                '\\' => value.push(self.escaped()?),
                letter => value.push(letter),
            }
        }
    }

    fn letter(&mut self) -> Result<char, String> {
        let letter = self.text[self.position..].chars().next().ok_or_else(|| self.syntax_error())?;
        self.position += letter.len_utf8();
        Ok(letter)
    }

    fn escaped(&mut self) -> Result<char, String> {
        let digits = match self.letter()? {
            letter @ ('"' | '\\') => return Ok(letter),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(self.syntax_error()),
        };
        let code = self.text[self.position..].get(..digits);
        let letter = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
        self.position += digits;
        letter.ok_or_else(|| "parse error : invalid char escape".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn queries_of_the_documentation_select_what_it_says() {
        let app = labels(&[("app", "mysql"), ("name", "mysql-backup")]);
        for (query, selects) in [
            (r#"{app="mysql",name="mysql-backup"}"#, true),
            (r#"{app="mysql", name!=""}"#, true),
            (r#"{app="mysql",other!=""}"#, false),
            (r#"{app="mysq"}"#, false),
        ] {
            assert_eq!(Query::parse(query).unwrap().selects(&app), selects, "{query}");
        }
        for (stages, passes) in [
            (r#" |= "error""#, true),
            (r#" |= "Error""#, false),
            (r#" |~ "tsdb-ops.*io:2003""#, true),
            (r#" |~ "^io""#, false),
            (r#" |= "error" |~ `io:\d+` | name="mysql-backup""#, true),
            (r#" | name="other""#, false),
            (r#" |= "io:2003" | pod="""#, true),
        ] {
            let query = Query::parse(&format!("{{app=\"mysql\"}}{stages}")).unwrap();
            assert_eq!(query.passes(&app, "error tsdb-ops\nio:2003"), passes, "{stages}");
        }
    }

    #[test]
    fn malformed_queries_are_rejected_as_by_loki() {
        for (query, message) in [
            ("", "parse error at line 1, col 1: syntax error: unexpected $end"),
            (r#"{app=~"a"}"#, "parse error at line 1, col 6: syntax error: unexpected ~"),
            (r#"{app!=""}"#, "parse error : queries require at least one regexp or equality matcher"),
            (r#"{app="a"} |~ "b(""#, "error parsing regexp: "),
            (r#"{app="a} |= "b""#, "syntax error"),
            ("{app=\"a\"} |= \"b\nc\"", "syntax error"),
            (r#"{app="a"} | json"#, "syntax error"),
        ] {
            let error = Query::parse(query).err().unwrap();
            assert!(error.contains(message), "{query}: {error}");
        }
    }
}
