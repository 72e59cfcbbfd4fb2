//! The tables and their columns. `docs/archive.md` lists them; a test holds both together.
//!
//! The first columns are the same everywhere: `source` (the record of a replay, or `live`), `patient`
//! (the pseudonymous key), `unit` and `bed`. Times are microseconds in UTC.

mod alerts;
mod columns;
mod events;
mod frames;
mod risks;
mod withheld;

use arrow::datatypes::SchemaRef;
use bedwatch_schemas::time::EventTime;

pub(super) use alerts::batch as alerts;
pub use columns::Sourced;
pub(super) use events::batch as events;
pub(super) use frames::batch as frames;
pub(super) use risks::batch as risks;
pub(super) use withheld::batch as withheld;

/// A table of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What the engine was told: a row for each event, corrections and withdrawals too.
    Events,
    /// What it made of it: the columns of the frames kept.
    Frames,
    /// What models and scores said.
    Risks,
    /// What it told: a row for each message of an alert.
    Alerts,
    /// What it withheld: a row for each entry of the ledger.
    Withheld,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 5] = [Self::Events, Self::Frames, Self::Risks, Self::Alerts, Self::Withheld];

    /// The name of the table and of its folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Frames => "frames",
            Self::Risks => "risks",
            Self::Alerts => "alerts",
            Self::Withheld => "withheld",
        }
    }

    /// The table of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Its columns, without the date of its folders.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        match self {
            Self::Events => events::SCHEMA.clone(),
            Self::Frames => frames::SCHEMA.clone(),
            Self::Risks => risks::SCHEMA.clone(),
            Self::Alerts => alerts::SCHEMA.clone(),
            Self::Withheld => withheld::SCHEMA.clone(),
        }
    }

    /// The column that says since when a row was known: it gives the date of its folder.
    #[must_use]
    pub const fn known_since(self) -> &'static str {
        match self {
            Self::Events => "available",
            Self::Frames | Self::Risks | Self::Alerts | Self::Withheld => "at",
        }
    }

    /// The columns that name a row of a live archive: the same log gives the same names.
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Events => &["stream", "log_partition", "log_offset", "log_part"],
            Self::Frames | Self::Risks => &["patient", "at"],
            Self::Alerts => &["alert", "sequence"],
            Self::Withheld => &["alert", "sequence", "at", "fate"],
        }
    }

    /// Rows of a row group: what a writer and a reader hold at a time, some tens of MiB.
    pub(super) const fn group_rows(self) -> usize {
        match self {
            Self::Events | Self::Risks => 1 << 17,
            Self::Frames | Self::Withheld => 1 << 14,
            Self::Alerts => 1 << 12,
        }
    }
}

/// The day of a moment, as folders are named: `2026-11-24`. `None` before the year 0 and after 9999.
#[must_use]
pub fn date(at: EventTime) -> Option<String> {
    let text = chrono::DateTime::<chrono::Utc>::from_timestamp_micros(at.as_micros())?
        .format("%Y-%m-%d")
        .to_string();
    (text.len() == 10 && text.starts_with(|c: char| c.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_utc_and_only_those_of_four_digit_years() {
        let at = |text: &str| EventTime::parse_rfc3339(text).unwrap();
        for (moment, day) in [
            ("2026-11-24T23:59:59.999999Z", "2026-11-24"),
            ("2026-11-25T00:00:00Z", "2026-11-25"),
            ("2026-11-25T00:30:00+01:00", "2026-11-24"),
            ("1969-12-31T23:00:00Z", "1969-12-31"),
            ("9999-12-31T23:59:59Z", "9999-12-31"),
        ] {
            assert_eq!(date(at(moment)).as_deref(), Some(day));
        }
        for micros in [i64::MIN, i64::MIN / 2, i64::MAX, 253_402_300_800_000_000] {
            assert_eq!(date(EventTime::from_micros(micros)), None, "{micros}");
        }
    }

    #[test]
    fn the_documentation_names_every_column_view_and_question() {
        let text = include_str!("../../docs/archive.md");
        let has = |name: &str| text.contains(&format!("`{name}`"));
        for table in [Table::Events, Table::Alerts, Table::Withheld] {
            for field in table.schema().fields() {
                assert!(has(field.name()), "{} of {}", field.name(), table.name());
            }
        }
        let risks = Table::Risks.schema();
        for name in risks.fields().iter().map(|f| f.name().as_str()) {
            let is_score = bedwatch_schemas::score::ScoreKind::ALL.iter().any(|s| s.name() == name);
            let of_head = name.ends_with("_risk") || name.ends_with("_certainty");
            assert!(has(name) || is_score || of_head, "{name}");
        }
        let views = crate::archive::query::VIEWS.map(|(name, _)| name);
        let questions = crate::archive::query::shelf().iter().map(|q| q.name);
        for name in Table::ALL.map(Table::name).into_iter().chain(views).chain(questions) {
            assert!(has(name), "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_every_table_knows_when() {
        for table in Table::ALL {
            let schema = table.schema();
            let names: std::collections::BTreeSet<&String> =
                schema.fields().iter().map(|f| f.name()).collect();
            assert_eq!(names.len(), schema.fields().len(), "{}", table.name());
            assert!(schema.field_with_name(table.known_since()).is_ok());
            assert!(schema.field_with_name("date").is_err(), "the folder's own column");
            assert!(table.names().iter().all(|n| schema.field_with_name(n).is_ok()), "{}", table.name());
            assert_eq!(Table::from_name(table.name()), Some(table));
            let first: Vec<&str> = schema.fields().iter().take(4).map(|f| f.name().as_str()).collect();
            assert_eq!(first, ["source", "patient", "unit", "bed"]);
        }
        assert_eq!(Table::from_name("Events"), None);
    }
}
