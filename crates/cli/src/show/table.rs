//! Tables without borders: one line a row, as wide as the terminal; elsewhere as wide as they are.

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Row, Table, presets};

/// A table as text. The cells must be plain already. The first `whole` columns are never cut; a
/// column that is empty is left out.
pub(crate) fn table<const N: usize>(header: [&str; N], whole: usize, rows: impl IntoIterator<Item = [String; N]>) -> String {
    text(&build(header, whole, rows.into_iter().collect()))
}

/// Columns of the terminal; none if stdout is no terminal, or one that does not say.
pub(super) fn width() -> Option<usize> {
    Table::new().width().map(usize::from).filter(|columns| *columns > 0)
}

fn build<const N: usize>(header: [&str; N], whole: usize, rows: Vec<[String; N]>) -> Table {
    let mut table = Table::new();
    if width().is_none() {
        table.force_no_tty();
    }
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(one_line(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold))));
    let empty = |at: usize| rows.iter().all(|row| row.get(at).is_none_or(String::is_empty));
    let empty: Vec<_> = (0..N).map(empty).collect();
    for row in rows {
        table.add_row(one_line(row));
    }
    for ((at, column), empty) in table.column_iter_mut().enumerate().zip(empty) {
        column.set_padding((0, 2));
        if empty {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if at < whole {
            // An id or a name that is cut cannot be copied.
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

fn one_line(row: impl Into<Row>) -> Row {
    let mut row = row.into();
    row.max_height(1);
    row
}

fn text(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 3]> {
        let long = "builds and runs the platform on which models are trained".to_owned();
        vec![["mlops-engineer".to_owned(), "context".to_owned(), long], ["qa".to_owned(), "exec".to_owned(), "tests".to_owned()]]
    }

    #[test]
    fn elsewhere_nothing_is_cut() {
        let mut table = build(["name", "handler", "description"], 2, rows());
        table.force_no_tty();
        insta::assert_snapshot!(text(&table), @r"
        name            handler  description
        mlops-engineer  context  builds and runs the platform on which models are trained
        qa              exec     tests
        ");
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let rows = [["a".to_owned(), String::new(), "b".to_owned()], ["c".to_owned(), String::new(), "d".to_owned()]];
        let mut table = build(["one", "two", "three"], 1, rows.to_vec());
        table.force_no_tty();
        insta::assert_snapshot!(text(&table), @r"
        one  three
        a    b
        c    d
        ");
    }

    #[test]
    fn on_a_terminal_a_row_is_one_line_and_its_first_columns_whole() {
        let mut table = build(["name", "handler", "description"], 2, rows());
        table.force_no_tty().set_width(48);
        insta::assert_snapshot!(text(&table), @r"
        name            handler  description
        mlops-engineer  context  builds and runs the…
        qa              exec     tests
        ");
    }
}
