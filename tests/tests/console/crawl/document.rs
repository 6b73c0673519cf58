//! Pages as a parser of HTML reads them.

use scraper::{ElementRef, Html, Selector};

/// Attributes whose values are ids of elements of the same page.
const REFERENCES: [&str; 11] = [
    "aria-activedescendant",
    "aria-controls",
    "aria-describedby",
    "aria-details",
    "aria-labelledby",
    "commandfor",
    "data-filter",
    "for",
    "form",
    "list",
    "popovertarget",
];

/// Parts of a page that lead to other addresses, and those that a page must have.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Texts of the elements `title` of the document.
    pub titles: Vec<String>,
    /// Texts of the headings of the first level.
    pub headings: Vec<String>,
    /// Ids of elements, in order.
    pub ids: Vec<String>,
    /// Ids that attributes name, each with the attribute.
    pub references: Vec<(&'static str, String)>,
    /// Addresses of links, images, scripts, stylesheets and refreshes.
    pub links: Vec<String>,
    /// Forms, in order.
    pub forms: Vec<Form>,
}

/// Form with the values that it sends if the user changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// `get`, `post`, or another method that no form should have.
    pub method: String,
    /// Addresses that the form and its buttons lead to; empty for that of the page.
    pub actions: Vec<String>,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        let html = Html::parse_document(text);
        let mut document = Self::default();
        for element in html.root_element().descendants().filter_map(ElementRef::wrap) {
            document.read(element);
        }
        document
    }

    fn read(&mut self, element: ElementRef<'_>) {
        self.ids.extend(element.attr("id").map(str::to_owned));
        for name in REFERENCES {
            let ids = element.attr(name).unwrap_or_default().split_ascii_whitespace();
            self.references.extend(ids.map(|id| (name, id.to_owned())));
        }
        match element.value().name() {
            // Titles of drawings are no titles of the page.
            "title" if element.value().name.ns.ends_with("xhtml") => self.titles.push(text_of(element)),
            "h1" => self.headings.push(text_of(element)),
            "a" | "area" | "link" | "use" => self.links.extend(element.attr("href").map(str::to_owned)),
            "img" | "script" | "iframe" | "source" => {
                self.links.extend(element.attr("src").map(str::to_owned))
            }
            "meta" => {
                let content = element.attr("content").unwrap_or_default();
                self.links.extend(content.split_once(";url=").map(|(_, url)| url.to_owned()));
            }
            "form" => self.forms.push(Form::read(element)),
            _ => {}
        }
    }
}

impl Form {
    fn read(form: ElementRef<'_>) -> Self {
        let action = form.attr("action").unwrap_or_default();
        let mut read = Self {
            method: form.attr("method").unwrap_or("get").to_ascii_lowercase(),
            actions: vec![action.to_owned()],
            fields: Vec::new(),
        };
        for control in form.descendants().filter_map(ElementRef::wrap) {
            read.actions.extend(control.attr("formaction").map(str::to_owned));
            let name = control.attr("name").filter(|_| control.attr("disabled").is_none());
            if let (Some(name), Some(value)) = (name, value_of(control)) {
                read.fields.push((name.to_owned(), value));
            }
        }
        read
    }
}

/// Value that a control sends; `None` for a control that sends none, such as an unchecked box.
fn value_of(control: ElementRef<'_>) -> Option<String> {
    let value = || control.attr("value").unwrap_or_default().to_owned();
    match (control.value().name(), control.attr("type").unwrap_or("text")) {
        ("input", "checkbox" | "radio") => control.attr("checked").map(|_| value()),
        ("input", "submit" | "button" | "image" | "file") => None,
        ("input", _) => Some(value()),
        ("textarea", _) => Some(text_of(control)),
        ("select", _) => {
            let options: Vec<_> = control.select(&selector("option:not([disabled])")).collect();
            let chosen = options.iter().find(|option| option.attr("selected").is_some());
            let option = *chosen.or(options.first())?;
            Some(option.attr("value").map_or_else(|| text_of(option), str::to_owned))
        }
        _ => None,
    }
}

pub(super) fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap()
}

fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().trim().to_owned()
}

#[test]
fn a_document_names_its_links_its_ids_and_the_values_of_its_forms() {
    let document = Document::parse(
        "<title>T</title><svg><title>drawing</title><use href='/i.svg#x'/></svg><h1 id=a>One <b>two</b></h1>
        <a href=/a>a</a><img src=/b><script src=/c></script><meta http-equiv=refresh content='0;url=/d'>
        <form action=/find><input name=q value=1><input type=checkbox name=c value=2>
        <input type=checkbox name=d value=3 checked><select name=s><option value=4 disabled><option value=5></select>
        <textarea name=t>6</textarea><input name=off value=7 disabled><button formaction=/other name=b value=8></form>
        <label for='missing'></label><p aria-describedby='a missing'>",
    );
    assert_eq!(document.titles, ["T"]);
    assert_eq!(document.headings, ["One two"]);
    assert_eq!(document.ids, ["a"]);
    let missing = "missing".to_owned();
    let expected =
        [("for", missing.clone()), ("aria-describedby", "a".to_owned()), ("aria-describedby", missing)];
    assert_eq!(document.references, expected);
    assert_eq!(document.links, ["/i.svg#x", "/a", "/b", "/c", "/d"]);
    let fields = [("q", "1"), ("d", "3"), ("s", "5"), ("t", "6")];
    let form = Form {
        method: "get".to_owned(),
        actions: vec!["/find".to_owned(), "/other".to_owned()],
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    };
    assert_eq!(document.forms, [form]);
}
