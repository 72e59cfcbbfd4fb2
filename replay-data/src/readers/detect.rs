//! Which format a file has, by its content.

use std::{io::Read, path::Path};

use super::{
    cgm, cinc2012, edf,
    error::{Error, Fault},
    hl7,
    lines::latin,
    parquet,
    place::Place,
    psv, safe_name, wfdb,
};

/// A format read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// CinC 2019 stays, pipe-separated.
    Psv,
    /// CinC 2012 stays, `Time,Parameter,Value`.
    Cinc2012,
    /// HL7 v2 messages or batches.
    Hl7v2,
    /// One FHIR R4 resource or Bundle in JSON.
    Fhir,
    /// FHIR R4 resources, one a line.
    FhirNdjson,
    /// EDF, EDF+ or BDF.
    Edf,
    /// A WFDB record, by its header.
    Wfdb,
    /// A glucose table.
    CgmCsv,
    /// MIMIC-III tables, by their folder.
    Mimic3,
    /// MIMIC-IV tables, by their folder.
    Mimic4,
    /// eICU tables, by their folder.
    Eicu,
    /// Tables in Parquet.
    Parquet,
    /// A FHIR bulk export, by its folder.
    FhirBulk,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 13] = [
        Self::Psv,
        Self::Cinc2012,
        Self::Hl7v2,
        Self::Fhir,
        Self::FhirNdjson,
        Self::Edf,
        Self::Wfdb,
        Self::CgmCsv,
        Self::Mimic3,
        Self::Mimic4,
        Self::Eicu,
        Self::Parquet,
        Self::FhirBulk,
    ];

    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Psv => "psv",
            Self::Cinc2012 => "cinc2012",
            Self::Hl7v2 => "hl7",
            Self::Fhir => "fhir",
            Self::FhirNdjson => "fhir-ndjson",
            Self::Edf => "edf",
            Self::Wfdb => "wfdb",
            Self::CgmCsv => "cgm",
            Self::Mimic3 => "mimic3",
            Self::Mimic4 => "mimic4",
            Self::Eicu => "eicu",
            Self::Parquet => "parquet",
            Self::FhirBulk => "fhir-bulk",
        }
    }

    /// Finds a format by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// The usual ends of file names, lower case.
    const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Psv => &["psv"],
            // `.txt` may be anything, the outcomes among it; tables are found by their folder.
            Self::Cinc2012 | Self::Mimic3 | Self::Mimic4 | Self::Eicu | Self::FhirBulk => &[],
            Self::Hl7v2 => &["hl7", "er7"],
            Self::Fhir => &["json"],
            Self::FhirNdjson => &["ndjson"],
            Self::Edf => &["edf", "bdf", "rec"],
            Self::Wfdb => &["hea"],
            Self::CgmCsv => &["csv"],
            Self::Parquet => &["parquet"],
        }
    }

    /// Whether a file's name ends as this format's usually do.
    pub(super) fn fits(self, path: &Path) -> bool {
        let end = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        end.is_some_and(|e| self.extensions().contains(&e.as_str()))
    }
}

/// Bytes looked at.
const HEAD: u64 = 64 << 10;

/// The format of a file, by its content; its name decides only where damaged content leaves it open.
///
/// # Errors
/// When the file cannot be read or follows no format known.
pub fn detect(path: &Path) -> Result<Format, Error> {
    detect_at(&path.into())
}

/// [`detect`], of a file that may be a member of an archive.
pub(super) fn detect_at(place: &Place) -> Result<Format, Error> {
    let path = place.path();
    let name = safe_name(path);
    let mut head = Vec::new();
    let file = place.open().map_err(|e| Error::io(&name, &e))?;
    file.take(HEAD).read_to_end(&mut head).map_err(|e| Error::io(&name, &e))?;
    if parquet::begins(&head) {
        // What its columns are stands at its end.
        return match parquet::is_table(place) {
            Ok(true) => Ok(Format::Parquet),
            Ok(false) => Err(Error::file(&name, Fault::Unrecognised)),
            Err(fault) => Err(Error::file(&name, fault)),
        };
    }
    by_content(&head, path).ok_or_else(|| Error::file(&name, Fault::Unrecognised))
}

fn by_content(head: &[u8], path: &Path) -> Option<Format> {
    if edf::is_edf(head) {
        return Some(Format::Edf);
    }
    if hl7::begins(head) {
        return Some(Format::Hl7v2);
    }
    let text = latin(head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head));
    let first = text.lines().next().unwrap_or_default();
    if psv::is_header(first) {
        return Some(Format::Psv);
    }
    if cinc2012::is_header(first) {
        return Some(Format::Cinc2012);
    }
    if let Some(format) = json(&text) {
        return Some(format);
    }
    if cgm::is_table(&text) {
        return Some(Format::CgmCsv);
    }
    if Format::Wfdb.fits(path) && wfdb::is_header(&text) {
        return Some(Format::Wfdb);
    }
    // Damaged: the dead letters must hear of it, so the name is believed.
    let binary = head.iter().filter(|b| **b == 0).count() > 0;
    let damaged = [Format::Hl7v2, Format::Fhir, Format::FhirNdjson].into_iter().find(|f| f.fits(path));
    let damaged = damaged.filter(|f| *f != Format::Fhir || text.contains("resourceType"));
    damaged.filter(|_| !binary && !head.is_empty())
}

/// FHIR JSON names its `resourceType`; one whole object on the first of several lines is NDJSON.
fn json(text: &str) -> Option<Format> {
    let text = text.trim_start();
    if !text.starts_with(['{', '[']) || !text.contains("resourceType") {
        return None;
    }
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let first = lines.next()?;
    let second = lines.next();
    let whole = first.starts_with('{') && first.ends_with('}') && first.len() > 2;
    Some(if whole && second.is_some_and(|l| l.starts_with('{')) { Format::FhirNdjson } else { Format::Fhir })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let mut edf = vec![b' '; 512];
        edf[0] = b'0';
        edf[252] = b'1';
        let cases: [(&str, &[u8], Option<Format>); 20] = [
            ("a.txt", &edf, Some(Format::Edf)),
            ("a.edf", b"0       short", None),
            ("a.csv", b"HR|Temp|ICULOS\n1|2|3\n", Some(Format::Psv)),
            ("a.csv", b"Time,Parameter,Value\r\n00:00,RecordID,1\r\n", Some(Format::Cinc2012)),
            ("a.txt", b"RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n", None),
            ("a.psv", b"PredictedProbability|PredictedLabel\n", None),
            ("a.txt", b"MSH|^~\\&|A\rPID|1\r", Some(Format::Hl7v2)),
            ("a.txt", b"\n\nFHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|\r", Some(Format::Hl7v2)),
            ("a.hl7", b"no message at all", Some(Format::Hl7v2)),
            ("a.md", b"no message at all", None),
            ("a.json", b"{\n \"resourceType\": \"Observation\"", Some(Format::Fhir)),
            ("a.json", b"// x\n{\"resourceType\": 1}", Some(Format::Fhir)),
            ("a.json", b"{\"name\": 1}", None),
            ("a.json", b"{\"resourceType\":\"A\"}\n{\"resourceType\":\"B\"}\n", Some(Format::FhirNdjson)),
            ("a.csv", b"id,time,gl\nx,2015-06-06 16:50:27,153\n", Some(Format::CgmCsv)),
            ("a.csv", b"id,meal,mealtime\n", None),
            ("a.hea", b"# c\n100 2 360 650000\n100.dat 212 200\n", Some(Format::Wfdb)),
            ("a.txt", b"100 2 360 650000\n", None),
            ("a.hl7", b"", None),
            ("a.hl7", b"\0\0", None),
        ];
        for (path, content, want) in cases {
            assert_eq!(by_content(content, Path::new(path)), want, "{path} {}", latin(content));
        }
    }
}
