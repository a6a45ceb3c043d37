//! Text in columns.

/// A line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A name and its figures.
    Cells(Vec<String>),
    /// A name and why it has no figures; no column makes room for it.
    Remark(String, String),
}

/// The table as text, without a line end after its last line: names to the left, figures to the
/// right, two spaces between.
pub(crate) fn render(head: &[&str], lines: &[Line]) -> String {
    let head = Line::Cells(head.iter().map(|cell| (*cell).to_owned()).collect());
    let all: Vec<&Line> = std::iter::once(&head).chain(lines).collect();
    let widths = widths(&all);
    let texts: Vec<String> = all.iter().map(|line| text(line, &widths)).collect();
    texts.join("\n")
}

fn widths(lines: &[&Line]) -> Vec<usize> {
    let mut widths = Vec::new();
    for line in lines {
        let cells = match line {
            Line::Cells(cells) => cells.as_slice(),
            Line::Remark(name, _) => std::slice::from_ref(name),
        };
        widths.resize(widths.len().max(cells.len()), 0);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn text(line: &Line, widths: &[usize]) -> String {
    let first = widths.first().copied().unwrap_or(0);
    match line {
        Line::Remark(name, remark) => format!("{name:<first$}  {remark}"),
        Line::Cells(cells) => {
            let columns = cells.iter().zip(widths).enumerate();
            let padded = columns.map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        }
    }
}

/// A figure with as many decimals as help: three below ten, one below a thousand, else none.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.3}"),
        middle if middle < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(cells: &[&str]) -> Line {
        Line::Cells(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn columns_line_up_and_remarks_need_no_room() {
        let lines = [
            cells(&["a", "1000", "1.5"]),
            cells(&["für", "2", "10.25"]),
            Line::Remark("b".to_owned(), "a remark that is long".to_owned()),
        ];
        let expected = "\
row     n     ms
a    1000    1.5
für     2  10.25
b    a remark that is long";
        assert_eq!(render(&["row", "n", "ms"], &lines), expected);
        assert_eq!(render(&["a", "b"], &[]), "a  b");
    }

    #[test]
    fn figures_have_the_decimals_that_help() {
        assert_eq!(figure(0.8126), "0.813");
        assert_eq!(figure(13.37), "13.4");
        assert_eq!(figure(1860.4), "1860");
    }
}
