//! What a question may name.
//!
//! The five tables as they are, cut at `as_of`, and what follows from them: `measurements`, of several
//! words about one signal at one time the one that counts, by the rule the engine itself goes by
//! (`bedwatch_features::word`: a correction or withdrawal before a final result before a preliminary
//! one, then the later record of the log); `episodes`, each alert as it stands; `stays`, who was there.

use std::sync::Arc;

use arrow::datatypes::DataType;
use bedwatch_schemas::{event::Stream, time::EventTime};
use datafusion::{
    common::{Result, ScalarValue},
    datasource::{
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    prelude::{SessionContext, col, lit},
};

use super::reach::ROOT;
use crate::archive::{Table, tables::date};

/// The views that are no tables, with what they hold.
pub const VIEWS: [(&str, &str); 3] = [
    ("measurements", "of several words about one signal at one time the one that counts"),
    ("episodes", "each alert as it stands: when it was raised, seen and ended"),
    ("stays", "each patient's time in the archive, by source"),
];

/// Each alert by its first and its last message.
const EPISODES: &str = "
SELECT source, patient,
       last_value(unit ORDER BY sequence) AS unit,
       last_value(bed ORDER BY sequence) AS bed,
       alert,
       first_value(kind ORDER BY sequence) AS kind,
       first_value(technical ORDER BY sequence) AS technical,
       min(onset) AS onset,
       min(at) AS raised_at,
       first_value(priority ORDER BY sequence) AS priority,
       last_value(priority ORDER BY sequence) AS last_priority,
       last_value(phase ORDER BY sequence) AS phase,
       min(CASE WHEN phase = 'acknowledged' THEN at END) AS acknowledged_at,
       min(CASE WHEN phase IN ('resolved', 'expired') THEN at END) AS ended_at,
       max(escalations) AS escalations,
       last_value(last_feedback ORDER BY sequence) AS last_feedback,
       count(*) AS messages
FROM alerts GROUP BY source, patient, alert";

/// Who was there, from the first frame kept to the last.
const STAYS: &str = "
SELECT source, patient, last_value(unit ORDER BY at) AS unit, last_value(bed ORDER BY at) AS bed,
       min(at) AS first_at, max(at) AS last_at,
       (date_part('epoch', max(at)) - date_part('epoch', min(at))) / 86400.0 AS days
FROM frames GROUP BY source, patient";

/// The word that counts of each value; one that is withdrawn leaves none.
fn measurements() -> String {
    let order: Vec<String> =
        Stream::ALL.iter().enumerate().map(|(i, s)| format!("WHEN '{}' THEN {i}", s.name())).collect();
    format!(
        "
SELECT source, patient, unit, bed, kind, name, event_time, available, value, value_unit, detail, stream,
       log_partition, log_offset, log_part, date
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY source, patient, kind, name, event_time
        ORDER BY CASE detail WHEN 'preliminary' THEN 0 WHEN 'final' THEN 1 ELSE 2 END DESC,
                 CASE stream {} END DESC, log_partition DESC, log_offset DESC, log_part DESC
    ) AS nth
    FROM events
    WHERE kind IN ('vital', 'charted', 'lab') AND (plausible OR detail IN ('corrected', 'withdrawn'))
)
WHERE nth = 1 AND detail <> 'withdrawn' AND plausible",
        order.join(" ")
    )
}

/// Registers tables and views.
pub(super) async fn register(context: &SessionContext, as_of: Option<EventTime>) -> Result<()> {
    for table in Table::ALL {
        let listed = Arc::new(listing(table)?);
        let rows = match as_of {
            None => context.read_table(listed)?,
            Some(at) => context.read_table(listed)?.filter(known(table, at))?,
        };
        context.register_table(table.name(), rows.into_view())?;
    }
    for (name, sql) in [("measurements", &*measurements()), ("episodes", EPISODES), ("stays", STAYS)] {
        let view = context.sql(sql).await?.into_view();
        context.register_table(name, view)?;
    }
    Ok(())
}

fn listing(table: Table) -> Result<ListingTable> {
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
        .with_file_extension(".parquet")
        .with_table_partition_cols(vec![("date".to_owned(), DataType::Utf8)]);
    let url = ListingTableUrl::parse(format!("{ROOT}/{}/", table.name()))?;
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(table.schema());
    ListingTable::try_new(config)
}

/// What was known of a table at a moment; the date spares the files of later days.
fn known(table: Table, at: EventTime) -> datafusion::logical_expr::Expr {
    let moment = ScalarValue::TimestampMicrosecond(Some(at.as_micros()), Some("UTC".into()));
    let by_then = col(table.known_since()).lt_eq(lit(moment));
    match date(at) {
        Some(day) => by_then.and(col("date").lt_eq(lit(day))),
        None => by_then,
    }
}
