use maud::{Markup, html};

/// Table of objects. On narrow screens each row is a card.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Caption.
    pub caption: String,
    /// `true` if the caption is for assistive technology only, because a heading precedes the table.
    pub is_caption_hidden: bool,
    /// Columns; the first one names the object of a row.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: Vec<Row>,
}

/// Column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub label: String,
    /// Alignment and content.
    pub kind: ColumnKind,
}

/// Content of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColumnKind {
    /// Text.
    #[default]
    Text,
    /// Numbers, aligned at the end.
    Number,
    /// Buttons; the heading is for assistive technology only.
    Actions,
}

/// Row of a table.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Cells, one for each column.
    pub cells: Vec<Markup>,
    /// Id of the row and the topic of its live updates; `None` for rows that do not change.
    pub live: Option<(String, String)>,
}

impl Column {
    /// Returns a column of text.
    #[must_use]
    pub fn text(label: impl Into<String>) -> Self {
        Self { label: label.into(), kind: ColumnKind::Text }
    }

    /// Returns a column of numbers.
    #[must_use]
    pub fn number(label: impl Into<String>) -> Self {
        Self { label: label.into(), kind: ColumnKind::Number }
    }

    /// Returns a column of buttons.
    #[must_use]
    pub fn actions(label: impl Into<String>) -> Self {
        Self { label: label.into(), kind: ColumnKind::Actions }
    }

    const fn class(&self) -> Option<&'static str> {
        match self.kind {
            ColumnKind::Text => None,
            ColumnKind::Number => Some("number"),
            ColumnKind::Actions => Some("row-actions"),
        }
    }
}

impl From<Vec<Markup>> for Row {
    fn from(cells: Vec<Markup>) -> Self {
        Self { cells, live: None }
    }
}

/// Table of objects.
#[must_use]
pub fn table(table: &Table) -> Markup {
    html! {
        div class="table" {
            table {
                caption class=[table.is_caption_hidden.then_some("hidden")] { (table.caption) }
                thead {
                    tr {
                        @for column in &table.columns {
                            th scope="col" class=[column.class()] {
                                @match column.kind {
                                    ColumnKind::Actions => { span class="hidden" { (column.label) } },
                                    _ => (column.label),
                                }
                            }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        @let (id, topic) = row.live.clone().unzip();
                        tr id=[id] data-live=[topic] {
                            @for (index, (column, cell)) in table.columns.iter().zip(&row.cells).enumerate() {
                                @if index == 0 {
                                    th scope="row" { (cell) }
                                } @else {
                                    td class=[column.class()] data-label=(column.label) { (cell) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
