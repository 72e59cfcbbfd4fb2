use std::io::Write;

use super::*;
use crate::readers::{Options, StaySource, scratch::Scratch, survey};

const PATIENTS: &str = concat!(
    r#"{"resourceType":"Patient","id":"b","gender":"female","birthDate":"1950-01-01","meta":{"lastUpdated":"2030-01-01T00:00:00Z"}}"#,
    "\n\n",
    r#"{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2030-01-01T00:00:00Z"}}"#,
    "\n",
    r#"{"resourceType":"Patient","id":""}"#,
    "\n",
);

fn observation(patient: &str, times: &str) -> String {
    format!(r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/{patient}"}}{times}}}"#) + "\n"
}

/// Arrival, and what of the resource tells it from others.
fn records(source: &StaySource) -> Vec<(String, String)> {
    let items = source.read().unwrap().map(|item| match item {
        Ok(Item::Record { stream: Stream::Fhir, at, key: None, payload, .. }) => {
            (at.as_event_time().to_string(), String::from_utf8(payload).unwrap())
        }
        Ok(_) => panic!("not a record"),
        Err(e) => (String::new(), e.to_string()),
    });
    items.collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_stay_a_patient_in_the_order_of_availability() {
    let dir = Scratch::new("bulk");
    dir.file("Patient.ndjson", PATIENTS.as_bytes());
    let labs = [
        observation("b", r#","effectiveDateTime":"2026-01-01T05:00:00Z","issued":"2026-01-01T09:00:00Z""#),
        observation(
            "b",
            r#","effectiveDateTime":"2026-01-01T06:00:00Z","meta":{"lastUpdated":"2030-01-01T00:00:00Z"}"#,
        ),
        observation("b", r#","meta":{"lastUpdated":"2026-01-01T07:00:00Z"}"#),
        observation("b", ""),
        observation("c", r#","effectiveDateTime":"2026-01-01T06:00:00Z""#),
        "not json\n".to_owned(),
        r#"{"resourceType":"Observation","status":"final"}"#.to_owned() + "\n",
    ];
    dir.file("Observation.000.ndjson.gz", &packed(&labs.concat()));
    let encounter = |status: &str| {
        format!(
            r#"{{"resourceType":"Encounter","status":"{status}","subject":{{"reference":"Patient/b"}},"period":{{"start":"2026-01-01T04:00:00Z","end":"2026-01-03T00:00:00Z"}}}}"#
        ) + "\n"
    };
    let encounters = "\u{feff}".to_owned() + &encounter("in-progress") + &encounter("finished");
    dir.file("Encounter.ndjson", encounters.as_bytes());
    dir.file("Practitioner.ndjson", b"{\"resourceType\":\"Practitioner\",\"id\":\"p\"}\n");
    dir.file("export.log", b"not a file of the export");
    let found = survey(dir.path(), &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| (s.name.as_str(), s.format)).collect();
    let folder = safe_name(dir.path());
    let want = [format!("{folder}-00001"), format!("{folder}-00002")];
    assert_eq!(names, [(want[0].as_str(), Format::FhirBulk), (want[1].as_str(), Format::FhirBulk)]);
    assert_eq!(found.others.len(), 1);
    let first = records(&found.stays[0]);
    let faults: Vec<_> = first.iter().filter(|(at, _)| at.is_empty()).map(|(_, why)| why.as_str()).collect();
    assert_eq!(
        faults,
        [
            "Observation.000.ndjson, line 6: bad record: it is no JSON object with a resourceType",
            "Observation.000.ndjson, line 7: bad record: it does not say whose it is",
            "Patient, line 4: bad record: it does not say whose it is",
        ]
    );
    let whole: Vec<_> = first.iter().filter(|(at, _)| !at.is_empty()).collect();
    assert_eq!(
        whole,
        [&("2000-01-01T00:00:00Z".to_owned(), r#"{"id":"a","resourceType":"Patient"}"#.to_owned())]
    );
    let counts = found.stays[0].read().unwrap().counts;
    assert_eq!(counts, [(NOBODYS, 1), (UNKNOWN, 1)].into());
    let second = records(&found.stays[1]);
    let order: Vec<_> = second.iter().map(|(at, json)| (&at[11..16], json.contains("\"Patient\""))).collect();
    let want = [
        ("04:00", true),
        ("04:00", false),
        ("04:00", false),
        ("06:00", false),
        ("07:00", false),
        ("09:00", false),
        ("00:00", false),
    ];
    assert_eq!(order, want);
    assert!(second[1].1.contains("in-progress") && second[6].1.contains("finished"));
    assert_eq!(second[2].1, observation("b", "").trim());
    assert_eq!(found.stays[1].read().unwrap().counts, [(NO_TIME, 1)].into());
}

#[test]
fn a_folder_of_mixed_files_is_no_export() {
    let dir = Scratch::new("bulk");
    let mixed = PATIENTS.lines().next().unwrap().to_owned() + "\n" + &observation("b", "");
    dir.file("one.ndjson", mixed.as_bytes());
    dir.file("Observation.ndjson", observation("b", "").as_bytes());
    let is_folder = |dir: &Scratch| is_folder(&dir.path().into());
    assert!(!is_folder(&dir));
    let one = Scratch::new("bulk");
    one.file("Patient.ndjson", PATIENTS.as_bytes());
    assert!(!is_folder(&one));
    one.file("Patient.2.ndjson", PATIENTS.as_bytes());
    assert!(!is_folder(&one), "patients alone are no stays");
    one.file("Observation.ndjson", observation("b", "").as_bytes());
    assert!(is_folder(&one));
    one.file("text.ndjson", b"no resource\n");
    assert!(!is_folder(&one), "a file of something else");
}

/// Servers write a file for every type that was asked for, also where there is nothing of it.
#[test]
fn a_file_without_a_resource_decides_nothing() {
    let cut = &packed(&observation("a", ""))[..12];
    let cases: [(&str, &[u8]); 5] = [
        ("Condition.ndjson", b""),
        ("Condition.ndjson", b"\n \n"),
        ("Condition.ndjson.gz", b""),
        ("Condition.ndjson.gz", &packed("")),
        ("Condition.ndjson.gz", cut),
    ];
    for (name, bytes) in cases {
        let dir = Scratch::new("bulk");
        dir.file("Patient.ndjson", PATIENTS.as_bytes());
        dir.file("Observation.ndjson", observation("b", "").as_bytes());
        dir.file(name, bytes);
        let found = survey(dir.path(), &Options::default()).unwrap();
        let formats: Vec<_> = found.stays.iter().map(|s| s.format).collect();
        assert_eq!(formats, [Format::FhirBulk; 2], "{name}: {bytes:?}");
        assert!(found.others.is_empty(), "{:?}", found.others);
    }
}

/// Unpacked it would be read; a mixture of the files as one stay would be another patient's.
#[test]
fn an_export_in_an_archive_is_refused_by_name() {
    let dir = Scratch::new("bulk");
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in
        [("set/Patient.ndjson", PATIENTS.to_owned()), ("set/Observation.ndjson", observation("b", ""))]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let path = dir.file("export.tar", &tar.into_inner().unwrap());
    let error = survey(&path, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "set, file: not supported: a FHIR bulk export within an archive; unpack it and name its folder"
    );
}

#[test]
fn what_breaks_off_is_told_apart_from_what_cannot_be_written() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let whole = packed("0123456789");
    let mut out = Vec::new();
    assert!(unpack(&mut MultiGzDecoder::new(&whole[..]), &mut out).unwrap());
    assert_eq!(out, b"0123456789");
    assert!(!unpack(&mut MultiGzDecoder::new(&whole[..whole.len() - 4]), &mut out).unwrap());
    let full = unpack(&mut MultiGzDecoder::new(&whole[..]), &mut Full).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_packed_file_that_breaks_off_is_told_and_read_so_far() {
    let dir = Scratch::new("bulk");
    dir.file("Patient.ndjson", PATIENTS.as_bytes());
    let many: String = (0..3_000)
        .map(|i| {
            observation(
                "a",
                &format!(r#","effectiveDateTime":"2026-01-01T05:00:00Z","id":"{}""#, i * 7_919 % 3_000),
            )
        })
        .collect();
    let whole = packed(&many);
    dir.file("Observation.ndjson.gz", &whole[..whole.len() / 2]);
    let found = survey(dir.path(), &Options::default()).unwrap();
    let got = records(&found.stays[0]);
    let told: Vec<_> = got.iter().filter(|(at, _)| at.is_empty()).map(|(_, why)| why.as_str()).collect();
    assert_eq!(told[0], "Observation.ndjson, file: bad record: the packed file breaks off");
    let read = got.iter().filter(|(_, json)| json.contains("Observation\",\"subject")).count();
    assert!((100..3_000).contains(&read), "{read}");
}
