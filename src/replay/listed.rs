//! A replay by row, for whoever compares two: `labels.parquet` (every truth with the risk it was given),
//! `events.csv` (every event with what the alerts did for it) and `stays.csv` (every source with its
//! hours and alerts).

use std::{fmt::Write, fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use bedwatch_schemas::alert::Phase;
use parquet::arrow::ArrowWriter;

use super::{
    Outcome,
    tables::quoted,
    validation::{alarms, truths},
};

/// The name of the file of truths.
pub const LABELS: &str = "labels.parquet";
/// The name of the file of events.
pub const EVENTS: &str = "events.csv";
/// The name of the file of sources.
pub const STAYS: &str = "stays.csv";

/// The columns of [`EVENTS`].
pub const EVENT_COLUMNS: &str = "definition,kind,source,at,over,foretold,seen,lead_hours";
/// The columns of [`STAYS`].
pub const STAY_COLUMNS: &str = "source,site,data,patient_hours,clinical_alerts,technical_alerts";

/// Writes the three files.
///
/// # Errors
/// When one cannot be written.
pub fn write(outcomes: &[Outcome], folder: &Path) -> anyhow::Result<()> {
    labels(outcomes, &folder.join(LABELS))?;
    std::fs::write(folder.join(EVENTS), events(outcomes))?;
    std::fs::write(folder.join(STAYS), stays(outcomes))?;
    Ok(())
}

fn labels(outcomes: &[Outcome], path: &Path) -> anyhow::Result<()> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("head", DataType::Utf8, false),
        Field::new("per", DataType::Utf8, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("at", time, true),
        Field::new("truth", DataType::Boolean, false),
        Field::new("risk", DataType::Float32, false),
        Field::new("operating_point", DataType::Float32, false),
    ]));
    let rows = truths(outcomes);
    let text = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows.len()).map(of)))
    };
    let at: TimestampMicrosecondArray = rows.iter().map(|r| r.at.map(|t| t.as_micros())).collect();
    let columns: Vec<ArrayRef> = vec![
        text(&|i| rows[i].head.to_owned()),
        text(&|i| rows[i].per.to_owned()),
        text(&|i| rows[i].source.clone()),
        Arc::new(at.with_timezone("UTC")),
        Arc::new(rows.iter().map(|r| Some(r.truth)).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|r| Some(r.risk)).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|r| Some(r.operating_point)).collect::<Float32Array>()),
    ];
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.close()?;
    Ok(())
}

fn events(outcomes: &[Outcome]) -> String {
    let mut out = format!("{EVENT_COLUMNS}\n");
    for row in alarms::listed(outcomes) {
        let lead = row.lead_hours.map_or(String::new(), |l| l.to_string());
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{lead}",
            row.definition.name(),
            row.kind,
            quoted(&row.source),
            row.event.at,
            row.event.over,
            row.lead_hours.is_some(),
            row.seen,
        );
    }
    out
}

fn stays(outcomes: &[Outcome]) -> String {
    let mut out = format!("{STAY_COLUMNS}\n");
    for o in outcomes {
        let raised = |technical: bool| {
            let of = |a: &&bedwatch_schemas::alert::Alert| {
                a.phase == Phase::Raised && a.kind.is_technical() == technical
            };
            o.alerts.iter().filter(of).count()
        };
        let data: String = o.data.iter().map(|b| format!("{b:02x}")).collect();
        let (name, site) = (quoted(&o.name), quoted(&o.site));
        let _ = writeln!(out, "{name},{site},{data},{},{},{}", o.hours(), raised(false), raised(true));
    }
    out
}
