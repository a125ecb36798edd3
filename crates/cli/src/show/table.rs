//! Tables without borders: one line a row, as wide as the terminal; elsewhere as wide as they are.

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Row, Table, presets};

/// A table as text. The cells must be plain already; the first column is never cut.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    text(&build(header, rows))
}

/// Columns of the terminal; none if stdout is no terminal.
pub(super) fn width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

fn build<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // An id or a name that is cut cannot be copied.
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

fn text(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [[String; 3]; 2] {
        let long = "builds and runs the platform on which models are trained".to_owned();
        [["mlops-engineer".to_owned(), "context".to_owned(), long], ["qa".to_owned(), "exec".to_owned(), "tests".to_owned()]]
    }

    #[test]
    fn elsewhere_nothing_is_cut() {
        let mut table = build(["name", "handler", "description"], rows());
        table.force_no_tty();
        insta::assert_snapshot!(text(&table), @r"
        name            handler  description
        mlops-engineer  context  builds and runs the platform on which models are trained
        qa              exec     tests
        ");
    }

    #[test]
    fn on_a_terminal_a_row_is_one_line_and_its_first_column_whole() {
        let mut table = build(["name", "handler", "description"], rows());
        table.force_no_tty().set_width(48);
        insta::assert_snapshot!(text(&table), @r"
        name            handler  description
        mlops-engineer  context  builds and runs the…
        qa              exec     tests
        ");
    }
}
