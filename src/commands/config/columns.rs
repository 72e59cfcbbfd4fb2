//! `bedwatch config columns`: the dictionary that the site's expressions are checked against.

use bedwatch_schemas::column::{Column, Measure};
use serde::Serialize;

use crate::terminal;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// Only columns whose name or meaning holds this text.
    text: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    /// `number` or `truth`.
    kind: &'static str,
    /// UCUM; empty for a pure number and for true and false.
    unit: String,
    meaning: &'static str,
}

impl Row {
    fn of(column: Column) -> Self {
        let info = column.info();
        let kind = if info.measure == Measure::Truth { "truth" } else { "number" };
        Self { name: &info.name, kind, unit: info.measure.ucum(), meaning: &info.meaning }
    }
}

pub(in crate::commands) fn run(args: &Args) -> anyhow::Result<()> {
    let text = args.text.as_deref().unwrap_or("").to_lowercase();
    let is_asked = |row: &Row| row.name.contains(&text) || row.meaning.to_lowercase().contains(&text);
    for row in Column::all().map(Row::of).filter(is_asked) {
        if args.json {
            terminal::result(&serde_json::to_string(&row)?);
        } else {
            let unit = if row.kind == "truth" { "truth" } else { &row.unit };
            terminal::result(&format!("{:<40} {unit:<12} {}", row.name, row.meaning));
        }
    }
    Ok(())
}
