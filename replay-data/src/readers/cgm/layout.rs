//! Which column of a glucose table holds what.

use bedwatch_schemas::unit::Unit;

use crate::readers::lines::fields;

/// Whose export a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// Dexcom Clarity: rows of several event types.
    Clarity,
    /// LibreView: rows of several record types, each with columns of its own.
    LibreView,
    /// A table whose rows are all readings.
    Other,
}

/// The columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// What parts the fields.
    pub delimiter: char,
    /// How many columns there are.
    pub columns: usize,
    /// Whose reading it is.
    pub id: Option<usize>,
    /// When it was.
    pub time: usize,
    /// The glucose: of LibreView the historic one.
    value: usize,
    /// LibreView: the scanned glucose.
    scan: Option<usize>,
    /// The unit that the header names.
    pub unit: Option<Unit>,
    /// Whose export it is.
    pub export: Export,
    /// Clarity's `Event Type`, LibreView's `Record Type`.
    kind: Option<usize>,
}

impl Layout {
    /// The layout that a line gives as a header; `None` where it is none.
    pub fn of(line: &str) -> Option<Self> {
        [',', ';', '\t'].into_iter().find_map(|delimiter| Self::parted(line, delimiter))
    }

    fn parted(line: &str, delimiter: char) -> Option<Self> {
        let names: Vec<String> = fields(line, delimiter).iter().map(|f| f.to_lowercase()).collect();
        let find = |ok: &dyn Fn(&str) -> bool| names.iter().position(|n| ok(n));
        let time = find(&|n| {
            matches!(n, "time" | "timestamp" | "datetime" | "date_time" | "date time" | "device timestamp")
                || n.starts_with("timestamp (")
        })?;
        let glucose = |words: &[&str]| {
            let columns = names.iter().enumerate();
            columns.into_iter().find_map(|(i, n)| Some((i, unit_of(n, words)?)))
        };
        let (record_type, event_type) = (find(&|n| n == "record type"), find(&|n| n == "event type"));
        let columns = names.len();
        let id = find(&|n| {
            matches!(n, "id" | "subject" | "subject_id" | "patient" | "patient_id" | "patientid" | "ptid")
        });
        if let (Some(kind), Some((value, unit))) = (record_type, glucose(&["historic glucose"])) {
            let scan = glucose(&["scan glucose"]).filter(|(_, of)| *of == unit).map(|(i, _)| i);
            let export = Export::LibreView;
            return Some(Self { delimiter, columns, id, time, value, scan, unit, export, kind: Some(kind) });
        }
        let words = ["gl", "glucose", "glucose value", "sensor glucose", "cgm glucose", "sgv"];
        let (value, unit) = glucose(&words)?;
        let export = if event_type.is_some() { Export::Clarity } else { Export::Other };
        Some(Self { delimiter, columns, id, time, value, scan: None, unit, export, kind: event_type })
    }

    /// The column of the sensor's glucose in a row; `None` where the row is of another kind.
    pub fn glucose(&self, fields: &[String]) -> Option<usize> {
        let kind = self.kind.map(|i| fields[i].as_str());
        match (self.export, kind) {
            (Export::Other, _)
            | (_, None)
            | (Export::Clarity, Some("EGV"))
            | (Export::LibreView, Some("0")) => Some(self.value),
            (Export::LibreView, Some("1")) => self.scan,
            _ => None,
        }
    }
}

/// The unit of a column whose name is one of the words, where it names one; `None` for another column.
fn unit_of(name: &str, words: &[&str]) -> Option<Option<Unit>> {
    let name = name.replace('_', " ");
    let (word, unit) = match name.find(['(', '[']) {
        Some(i) => (&name[..i], Some(name[i + 1..].trim_end_matches([')', ']']))),
        None => match ["mg/dl", "mg dl", "mmol/l", "mmol l"].iter().find(|u| name.ends_with(**u)) {
            Some(u) => (&name[..name.len() - u.len()], Some(&name[name.len() - u.len()..])),
            None => (name.as_str(), None),
        },
    };
    if !words.contains(&word.trim()) {
        return None;
    }
    if word.trim() == "gl" && unit.is_none() {
        return Some(Some(Unit::MgPerDl));
    }
    match unit.map(|u| u.trim().replace(' ', "/")).as_deref() {
        None => Some(None),
        Some("mg/dl") => Some(Some(Unit::MgPerDl)),
        Some("mmol/l") => Some(Some(Unit::MmolPerL)),
        // A unit that is not known: this is no column to read.
        Some(_) => None,
    }
}
