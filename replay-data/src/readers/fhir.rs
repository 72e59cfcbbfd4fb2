//! FHIR R4 JSON files: one resource or Bundle, or one resource a line (NDJSON).
//!
//! Only times are looked at. A record arrives at the latest of `issued` (when a version was made
//! available, R4 Observation.issued), its effective time and the start of its period, or its end where the
//! encounter is finished; a Bundle at the latest of its entries. Broken JSON becomes a record all the same:
//! the decoder dead-letters it.
//!
//! A folder of a bulk export, a file a resource type, is read patient by patient: [`bulk`].

pub(super) mod bulk;

use std::io::{BufReader, Read, Seek, SeekFrom};

use bedwatch_schemas::{event::Stream, time::EventTime};
use serde::Deserialize;

use super::{
    Format, Stay,
    error::{At, Error},
    indexed::{Entry, MAX_RECORD, Records},
    lines::Lines,
    place::{Input, Place, length},
    stamps,
};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Times {
    status: Option<String>,
    issued: Option<String>,
    effective_date_time: Option<String>,
    effective_instant: Option<String>,
    effective_period: Period,
    authored_on: Option<String>,
    period: Period,
    entry: Vec<BundleEntry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Period {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BundleEntry {
    resource: Times,
}

impl Times {
    fn latest(&self) -> Option<EventTime> {
        let own = [
            &self.issued,
            &self.effective_date_time,
            &self.effective_instant,
            &self.effective_period.start,
            &self.effective_period.end,
            &self.authored_on,
            &self.period.start,
        ];
        // A finished encounter tells of its end.
        let end = self.period.end.as_ref().filter(|_| self.status.as_deref() == Some("finished"));
        let own = own.into_iter().flatten().chain(end).filter_map(|t| date_time(t));
        own.chain(self.entry.iter().filter_map(|e| e.resource.latest())).max()
    }
}

/// A FHIR dateTime to the day at least; a day alone is its beginning in UTC.
fn date_time(text: &str) -> Option<EventTime> {
    if text.len() == 10 { stamps::iso(&format!("{text}T00:00:00Z")) } else { stamps::iso(text) }
}

fn time_of(json: &[u8]) -> Option<EventTime> {
    let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
    serde_json::from_slice::<Times>(json).ok()?.latest()
}

/// Indexes the resources of a file; their bytes are read when they are asked for.
pub(super) fn read(place: &Place, name: &str, base: EventTime, format: Format) -> Result<Stay, Error> {
    let io = |e: std::io::Error| Error::io(name, &e);
    let mut file = place.open().map_err(io)?;
    let length = length(&mut file).map_err(io)?;
    let mut faults = Vec::new();
    let entries = if format == Format::FhirNdjson {
        let bom = bom_of(&mut file).map_err(io)?;
        let lines = Lines::new(BufReader::new(&mut file), MAX_RECORD as usize);
        let mut entries: Vec<Entry> = Vec::new();
        for line in lines {
            let line = line.map_err(io)?;
            let number = line.number as i64 - 1;
            match &line.bytes {
                Some(json) if json.trim_ascii().is_empty() => {}
                Some(json) => {
                    let bom = if line.start == 0 { bom } else { 0 };
                    let (start, length) = (line.start + bom, json.len() as u64);
                    entries.push(Entry { number, start, length, at: time_of(json) });
                }
                None => faults.push(Err(Error::record(name, At::Line(line.number), "it is over 64 MiB"))),
            }
        }
        entries
    } else {
        let mut json = Vec::new();
        file.by_ref().take(MAX_RECORD).read_to_end(&mut json).map_err(io)?;
        vec![Entry { number: 0, start: 0, length, at: time_of(&json) }]
    };
    let records = Records::new(name, file, Stream::Fhir, base, entries);
    Ok(Stay::new(name, format, Box::new(faults.into_iter().chain(records))))
}

/// Bytes of a byte-order mark, which belongs to no record; the input stands at its beginning afterwards.
fn bom_of(file: &mut Input) -> std::io::Result<u64> {
    let mut head = [0; 3];
    let bom = file.read_exact(&mut head).is_ok() && head == *b"\xEF\xBB\xBF";
    file.seek(SeekFrom::Start(0))?;
    Ok(if bom { 3 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases: [(&str, Option<&str>); 9] = [
            (
                r#"{"status":"finished","period":{"start":"2012-09-17","end":"2012-09-18T01:00:00Z"}}"#,
                Some("2012-09-18T01:00:00Z"),
            ),
            (
                r#"{"effectiveDateTime":"2013-04-02T09:30:10+01:00","issued":"2013-04-03T15:30:10+01:00"}"#,
                Some("2013-04-03T14:30:10Z"),
            ),
            (r#"{"effectiveDateTime":"2012-09-17"}"#, Some("2012-09-17T00:00:00Z")),
            (r#"{"effectiveDateTime":"2012"}"#, None),
            (
                r#"{"effectivePeriod":{"start":"2012-09-17T01:00:00Z","end":"2012-09-17T02:00:00Z"}}"#,
                Some("2012-09-17T02:00:00Z"),
            ),
            (r#"{"period":{"start":"2012-09-17","end":"2100-01-01"}}"#, Some("2012-09-17T00:00:00Z")),
            (
                r#"{"entry":[{"resource":{"effectiveDateTime":"2012-09-17"}},{},{"resource":{"issued":"2012-09-18T00:00:00Z"}}]}"#,
                Some("2012-09-18T00:00:00Z"),
            ),
            (r#"{"issued":5}"#, None),
            (r#"{"issued":"#, None),
        ];
        for (json, want) in cases {
            assert_eq!(time_of(json.as_bytes()).map(|t| t.to_string()).as_deref(), want, "{json}");
        }
    }
}
