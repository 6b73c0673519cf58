//! Tables of text.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::columns::{Cell, Column, Tone};

/// Space between two columns.
const GAP: usize = 2;
/// Minimum width of a shortened column.
const MIN_WIDTH: usize = 8;

/// Properties of the terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Number of columns of the terminal; `None` for an unlimited width.
    pub(super) width: Option<usize>,
    pub(super) has_colors: bool,
}

/// Rows with one cell for each column.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [&'a Column],
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table<'_> {
    /// Returns the table as text without a final line break. To fit the terminal, the widest columns are shortened,
    /// except those of ids, states and times.
    pub(super) fn render(&self, style: Style) -> String {
        let widths = self.fitting_widths(style.width);
        let header =
            self.columns.iter().map(|column| Cell { text: column.header().to_owned(), tone: Tone::Plain });
        let mut lines =
            vec![render_line(&header.collect::<Vec<_>>(), &widths, style.has_colors.then_some("1"))];
        lines.extend(self.rows.iter().map(|row| match style.has_colors {
            true => render_colored(row, &widths),
            false => render_line(row, &widths, None),
        }));
        lines.join("\n")
    }

    fn fitting_widths(&self, available: Option<usize>) -> Vec<usize> {
        let width_of = |index: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.text.width());
            cells.chain(self.columns.get(index).map(|column| column.header().width())).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(width_of).collect();
        let Some(available) = available else { return widths };
        let available = available.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > available {
            let shortened = widths.iter_mut().zip(self.columns).filter(|(width, column)| {
                column.may_shorten() && **width > MIN_WIDTH.max(column.header().width())
            });
            match shortened.max_by_key(|(width, _)| **width) {
                Some((width, _)) => *width -= 1,
                None => break,
            }
        }
        widths
    }
}

fn render_line(cells: &[Cell], widths: &[usize], color: Option<&str>) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| pad(&cell.text, *width));
    let line = padded.collect::<Vec<_>>().join(&" ".repeat(GAP));
    let line = line.trim_end();
    color.map_or_else(|| line.to_owned(), |color| format!("\u{1b}[{color}m{line}\u{1b}[0m"))
}

fn render_colored(cells: &[Cell], widths: &[usize]) -> String {
    let colored = cells.iter().zip(widths).map(|(cell, width)| {
        let text = pad(&cell.text, *width);
        match cell.tone {
            Tone::Plain => text,
            Tone::Good => format!("\u{1b}[32m{text}\u{1b}[0m"),
            Tone::Bad => format!("\u{1b}[31m{text}\u{1b}[0m"),
            Tone::Pending => format!("\u{1b}[33m{text}\u{1b}[0m"),
        }
    });
    colored.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// Returns a text with exactly this width: shortened with `…`, or followed by spaces.
fn pad(text: &str, width: usize) -> String {
    if text.width() <= width {
        return format!("{text}{}", " ".repeat(width - text.width()));
    }
    let (mut shortened, mut used) = (String::new(), 0);
    for letter in text.chars() {
        let letter_width = letter.width().unwrap_or(0);
        if used + letter_width + 1 > width {
            break;
        }
        used += letter_width;
        shortened.push(letter);
    }
    format!("{shortened}…{}", " ".repeat(width.saturating_sub(used + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::text("NAME", "name"), Column::state("PHASE", "phase"), Column::id("ID", "id")];

    fn cell(text: &str, tone: Tone) -> Cell {
        Cell { text: text.to_owned(), tone }
    }

    fn render(name: &str, width: Option<usize>, has_colors: bool) -> String {
        let columns: Vec<&Column> = COLUMNS.iter().collect();
        let id = cell("ws_01h455vb4pex5vsknk084sn02q", Tone::Plain);
        let row = vec![cell(name, Tone::Plain), cell("ready", Tone::Good), id];
        Table { columns: &columns, rows: vec![row] }.render(Style { width, has_colors })
    }

    #[test]
    fn tables_fit_the_terminal_and_never_shorten_ids() {
        let full = render("a-name-with-24-letters", None, false);
        assert_eq!(
            full.lines().nth(1).unwrap(),
            "a-name-with-24-letters  ready  ws_01h455vb4pex5vsknk084sn02q"
        );
        let short = render("a-name-with-24-letters", Some(50), false);
        assert_eq!(short.lines().nth(1).unwrap(), "a-name-with…  ready  ws_01h455vb4pex5vsknk084sn02q");
        let tiny = render("a-name-with-24-letters", Some(20), false);
        assert_eq!(tiny.lines().nth(1).unwrap(), "a-name-…  ready  ws_01h455vb4pex5vsknk084sn02q");
        let wide = render("日本語の長い名前です", Some(50), false);
        assert_eq!(wide.lines().nth(1).unwrap(), "日本語の長…   ready  ws_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn colours_do_not_change_the_layout() {
        let plain = render("shop", None, false);
        let colored = render("shop", None, true);
        assert!(!plain.contains('\u{1b}') && colored.contains("\u{1b}[32mready\u{1b}[0m"), "{colored:?}");
        let mut stripped = colored;
        for code in ["\u{1b}[1m", "\u{1b}[32m", "\u{1b}[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }
}
