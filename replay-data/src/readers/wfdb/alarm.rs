//! The alarm that a record of CinC 2015 ends with, and whether experts found it true.
//!
//! Every record of that challenge is five minutes and its monitor's alarm stands at 5:00 (Clifford et al.,
//! CinC 2015:273). Its name is the header's first comment, the verdict the second; where the header has
//! none, a table of labels beside the record (or beside its archive) is asked: `record,alarm,true_alarm`.

use std::path::Path;

use bedwatch_schemas::time::{EventTime, Span};

use super::header::Header;
use crate::readers::{
    AlarmKind, MonitorAlarm,
    lines::{csv_fields, latin},
    place::{Place, length},
};

/// Where the alarm stands in a record.
const ALARM_AT: Span = Span::minutes(5);
/// The longest table of labels read, in bytes.
const MAX_TABLE: u64 = 4 << 20;

/// An alarm as it was found, and whether header and table say different things of it.
pub struct Found {
    pub alarm: MonitorAlarm,
    pub disagree: bool,
}

/// The alarm of the record at `place`; `None` where its header names none.
pub fn find(place: &Place, header: &Header, start: EventTime) -> Option<Found> {
    let kind = kind(header)?;
    let said = header.comments.iter().find_map(|c| match c.as_str() {
        "True alarm" => Some(true),
        "False alarm" => Some(false),
        _ => None,
    });
    let listed = listed(place, kind);
    let disagree = said.zip(listed).is_some_and(|(said, listed)| said != listed);
    Some(Found { alarm: MonitorAlarm { at: start + ALARM_AT, kind, truth: said.or(listed) }, disagree })
}

/// Whether a header names an alarm.
pub fn is_named(header: &Header) -> bool {
    kind(header).is_some()
}

fn kind(header: &Header) -> Option<AlarmKind> {
    AlarmKind::from_name(header.comments.first()?)
}

/// The verdict of the first table that lists the record with that alarm.
fn listed(place: &Place, kind: AlarmKind) -> Option<bool> {
    let record = place.path().file_stem()?.to_string_lossy().into_owned();
    place.neighbours().iter().filter(|p| is_table(p.path())).find_map(|table| {
        let mut input = table.open().ok()?;
        if length(&mut input).ok()? > MAX_TABLE {
            return None;
        }
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).ok()?;
        verdict_in(&latin(&bytes), &record, kind)
    })
}

/// Whether a file's name is one of a table of labels.
pub fn is_table(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.contains("label") && name.ends_with(".csv")
}

fn verdict_in(text: &str, record: &str, kind: AlarmKind) -> Option<bool> {
    let mut lines = text.lines();
    let header = csv_fields(lines.next()?);
    let column = |name: &str| header.iter().position(|n| n.trim() == name);
    let (of, alarm, truth) = (column("record")?, column("alarm")?, column("true_alarm")?);
    lines.map(csv_fields).find_map(|row| {
        let field = |i: usize| row.get(i).map(|v| v.trim());
        if field(of)? != record || AlarmKind::from_name(field(alarm)?)? != kind {
            return None;
        }
        match field(truth)? {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_record_and_alarm() {
        let table = "record,alarm,true_alarm\nv1l,Ventricular_Tachycardia,1\r\nv2s,Ventricular_Tachycardia,0\n\
                     v3s,Asystole,1\nv4s,Ventricular_Tachycardia,?\nv5s,Ventricular_Tachycardia\n\"v6s\",\"Ventricular_Tachycardia\",\"1\"\n";
        let cases = [
            ("v1l", Some(true)),
            ("v2s", Some(false)),
            ("v3s", None),
            ("v4s", None),
            ("v5s", None),
            ("v6s", Some(true)),
            ("v1", None),
        ];
        for (record, want) in cases {
            assert_eq!(verdict_in(table, record, AlarmKind::VentricularTachycardia), want, "{record}");
        }
        assert_eq!(verdict_in("record,true_alarm\nv1l,1\n", "v1l", AlarmKind::VentricularTachycardia), None);
        assert_eq!(verdict_in("", "v1l", AlarmKind::VentricularTachycardia), None);
    }

    #[test]
    fn tables_by_name() {
        for (name, want) in [
            ("a/cinc2015-vtach-labels.csv", true),
            ("Labels.CSV", true),
            ("labels.txt", false),
            ("bidmc_01_Signals.csv", false),
            ("", false),
        ] {
            assert_eq!(is_table(Path::new(name)), want, "{name}");
        }
    }
}
