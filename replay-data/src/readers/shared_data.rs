//! Real files under the shared data folder: read whole, and some values against independent truths.
//! Skipped by name where the folder is absent.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use std::sync::Arc;

use bedwatch_schemas::{
    event::Body,
    waveform::{WaveformBlock, WaveformKind},
};

use super::*;

/// A folder of the shared data, or a printed line that says what is skipped.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BEDWATCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {folder} of the shared data is absent");
    None
}

/// What the stays under a path held.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    stays: usize,
    refused: Vec<String>,
    numerics: usize,
    no_readings: usize,
    admissions: usize,
    blocks: usize,
    records: usize,
    faults: Vec<String>,
    labelled: usize,
    counts: BTreeMap<&'static str, u64>,
}

fn tally(path: &Path) -> Tally {
    let mut t = Tally::default();
    for source in open(path, &Options::default()).unwrap() {
        let stay = match source.read() {
            Ok(stay) => stay,
            Err(e) => {
                t.refused.push(e.to_string());
                continue;
            }
        };
        t.stays += 1;
        t.labelled += usize::from(stay.labels.is_some());
        for (name, n) in &stay.counts {
            *t.counts.entry(name).or_default() += n;
        }
        let mut last = None;
        for item in stay {
            let item = match item {
                Ok(item) => item,
                Err(e) => {
                    t.faults.push(e.to_string());
                    continue;
                }
            };
            assert!(last <= Some(item.arrival()), "{}: arrival goes back", source.name);
            last = Some(item.arrival());
            match item {
                Item::Record { .. } => t.records += 1,
                Item::Event(e) => match e.body {
                    Body::Numeric(_) => t.numerics += 1,
                    Body::NoReading { .. } => t.no_readings += 1,
                    Body::Adt(_) => t.admissions += 1,
                    Body::Waveform(b) => {
                        assert!(b.channels.iter().all(|c| c.samples.len() == b.len()) && !b.is_empty());
                        t.blocks += 1;
                    }
                    _ => panic!("an event no reader makes"),
                },
            }
        }
    }
    println!("{}: {t:?}", path.file_name().unwrap().to_string_lossy());
    t
}

/// The PROVENANCE file says 100 and 200 stays; values are counted by a plain split of the text.
#[test]
fn every_sepsis_stay() {
    for (folder, stays) in [("sepsis-cinc2019/sample-setA", 100), ("sepsis-cinc2019/sample-setB", 200)] {
        let Some(path) = shared(folder) else { continue };
        let mut values = 0;
        for file in std::fs::read_dir(&path).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let rows = text.lines().skip(1).flat_map(|row| row.split('|').take(34));
            values += rows.filter(|v| v.trim() != "NaN").count();
        }
        let t = tally(&path);
        assert_eq!((t.stays, t.admissions, t.labelled), (stays, stays, stays));
        assert_eq!(t.numerics + t.no_readings, values);
        assert!(t.refused.is_empty() && t.faults.is_empty() && t.counts.is_empty());
    }
}

/// Sets a and b of CinC 2012 have 4,000 stays each, 554 and 568 of them deaths (PROVENANCE). The part
/// at hand is packed (`archive/tests.rs`), so this runs where someone has unpacked it beside its outcomes.
#[test]
fn every_mortality_stay() {
    for (set, rows, deaths) in [("set-a", 1_757_980, 554), ("set-b", 1_762_535, 568)] {
        let Some(path) = shared(&format!("icu-mortality-cinc2012/{set}")) else { continue };
        let t = tally(&path);
        assert!(t.refused.is_empty() && t.faults.is_empty() && t.counts.is_empty(), "{t:?}");
        assert_eq!((t.stays, t.admissions, t.labelled), (4_000, 4_000, 4_000));
        assert!(t.numerics + t.no_readings < rows, "descriptors are no measurements");
        let died = |s: &StaySource| matches!(s.read().unwrap().labels, Some(Labels::Stay { death: true }));
        assert_eq!(open(&path, &Options::default()).unwrap().iter().filter(|s| died(s)).count(), deaths);
    }
}

/// Row 3 of p000001 in set A, read by eye: HR 97, O2Sat 95, SBP 98, MAP 75.33, Resp 19, second hour.
#[test]
fn a_sepsis_row_by_eye() {
    let Some(path) = shared("sepsis-cinc2019/sample-setA/p000001.psv") else { return };
    let stay = open(&path, &Options::default()).unwrap()[0].read().unwrap();
    let second: Vec<_> = stay
        .filter_map(|i| match i {
            Ok(Item::Event(Event { body: Body::Numeric(n), provenance, event_time, .. }))
                if provenance.offset == 2 =>
            {
                Some((event_time.to_string(), n.signal.name(), n.value))
            }
            _ => None,
        })
        .collect();
    let at = "2000-01-01T01:00:00Z";
    let want = [
        ("heart_rate", 97.0),
        ("spo2", 95.0),
        ("nibp_systolic", 98.0),
        ("nibp_mean", 75.33),
        ("resp_rate", 19.0),
    ];
    assert_eq!(second, want.map(|(s, v)| (at.to_owned(), s, v)));
}

/// The PROVENANCE file gives the readings of each file; series are the distinct ids.
#[test]
fn every_glucose_series() {
    for file in ["cgm/iglu_hall.csv", "cgm/iglu_5_subject.csv"] {
        let Some(path) = shared(file) else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let rows = text.lines().skip(1).count();
        let ids: std::collections::BTreeSet<_> =
            text.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect();
        let t = tally(&path);
        assert_eq!((t.stays, t.numerics + t.no_readings), (ids.len(), rows));
        assert!(t.faults.is_empty() && t.refused.is_empty());
    }
}

#[test]
fn every_edf_file() {
    let Some(path) = shared("eeg") else { return };
    let t = tally(&path);
    assert_eq!(t.stays, 25);
    assert!(t.refused.is_empty(), "{:?}", t.refused);
    let Some(path) = shared("eeg/iiic") else { return };
    let t = tally(&path);
    // 16 segments of 50 s, each with EEG and EKG blocks; every one carries its label.
    assert_eq!((t.stays, t.blocks, t.labelled), (16, 16 * 50 * 2, 16));
    assert!(t.faults.is_empty() && t.counts.is_empty());
}

/// The first block of a kind, of the stay at a path.
fn first_block(path: &Path, kind: WaveformKind) -> Option<Arc<WaveformBlock>> {
    let stay = open(path, &Options::default()).unwrap()[0].read().unwrap();
    stay.filter_map(Result::ok).find_map(|item| match item {
        Item::Event(Event { body: Body::Waveform(b), .. }) if b.kind == kind => Some(b),
        _ => None,
    })
}

/// EDF values against plain arithmetic on the file's bytes (GPD_sample2: 21 signals, 200 samples).
#[test]
fn edf_values_by_plain_arithmetic() {
    let Some(path) = shared("eeg/iiic/GPD_sample2.edf") else { return };
    let bytes = std::fs::read(&path).unwrap();
    let text = |at: usize, n: usize| std::str::from_utf8(&bytes[at..at + n]).unwrap().trim();
    let signals: usize = text(252, 4).parse().unwrap();
    let block = first_block(&path, WaveformKind::Eeg).unwrap();
    assert_eq!((block.channels.len(), block.len(), block.rate.hz()), (19, 200, 200.0));
    assert_eq!(block.start.to_string(), "2000-01-01T00:00:00Z");
    for (i, channel) in block.channels.iter().enumerate() {
        let column = |at: usize| -> f64 { text(256 + at * signals + i * 8, 8).parse().unwrap() };
        let (pmin, pmax, dmin, dmax) = (column(104), column(112), column(120), column(128));
        let first = 256 * (signals + 1) + i * 400;
        for (n, got) in channel.samples.iter().enumerate() {
            let word = f64::from(i16::from_le_bytes([bytes[first + 2 * n], bytes[first + 2 * n + 1]]));
            let want = pmin + (word - dmin) * (pmax - pmin) / (dmax - dmin);
            assert!((f64::from(*got) - want).abs() < 1e-2, "{}: {got} {want}", channel.label);
        }
    }
}

/// MIT-BIH 100 begins at -0.145 mV in MLII and -0.065 mV in V5 (the record's published first sample).
#[test]
fn the_first_samples_of_mit_bih_100() {
    let Some(path) = shared("waveforms/wfdb-samples/100.hea") else { return };
    let block = first_block(&path, WaveformKind::Ecg).unwrap();
    let first: Vec<_> = block.channels.iter().map(|c| (c.label.as_str(), c.samples[0])).collect();
    assert_eq!(block.rate.hz(), 360.0);
    for ((label, got), (name, want)) in first.into_iter().zip([("MLII", -0.145_f32), ("V5", -0.065)]) {
        assert_eq!(label, name);
        assert!((got - want).abs() < 1e-6, "{label}: {got}");
    }
    let t = tally(&path);
    // 650,000 frames at 360 Hz: 1,805 whole seconds and the rest.
    assert_eq!((t.blocks, t.labelled), (1_806, 1));
    assert!(t.faults.is_empty() && t.counts.is_empty());
}

#[test]
fn every_wfdb_record() {
    if let Some(path) = shared("waveforms/cinc2015-sample") {
        let t = tally(&path);
        assert!(t.stays > 0 && t.refused.is_empty() && t.faults.is_empty(), "{t:?}");
        assert_eq!(t.labelled, t.stays);
    }
    let Some(path) = shared("waveforms/wfdb-samples") else { return };
    let t = tally(&path);
    assert!(t.stays > 30 && t.blocks > 10_000, "{t:?}");
    let known = |e: &String| e.contains("signal format 516") || e.contains("missing: signal file");
    assert!(t.refused.iter().all(known), "{:?}", t.refused);
}

/// Every message file becomes records; what stands in them is `ingest`'s to judge.
#[test]
fn every_hl7_and_fhir_file() {
    for (folder, least) in [("hl7v2", 163), ("fhir-r4", 299)] {
        let Some(path) = shared(folder) else { continue };
        let t = tally(&path);
        assert!(t.records >= least && t.records >= t.stays, "{t:?}");
        assert!(t.refused.is_empty() && t.faults.is_empty(), "{t:?}");
    }
}

/// What became of the rows of one table of eICU.
#[derive(Debug, Default, PartialEq)]
struct Account {
    /// Lines below the header, counted without the reader.
    rows: u64,
    /// Rows that became events or labels.
    read: u64,
    /// Rows left out by rule.
    left: BTreeMap<&'static str, u64>,
    broken: u64,
}

/// Reads one table of a folder alone, beside the table of stays.
fn account(folder: &Path, table: &str) -> Account {
    let scratch = scratch::Scratch::new("eicu-account");
    let name = |table: &str| format!("{table}.csv.gz");
    // A folder of eICU has vitals, be they none.
    let header =
        "patientunitstayid,observationoffset,noninvasivesystolic,noninvasivediastolic,noninvasivemean";
    let header = format!("{header}\n");
    if table != "vitalaperiodic" {
        scratch.file("vitalaperiodic.csv", header.as_bytes());
    }
    for table in ["patient", table] {
        std::os::unix::fs::symlink(folder.join(name(table)), scratch.path().join(name(table))).unwrap();
    }
    let file = std::io::BufReader::new(std::fs::File::open(folder.join(name(table))).unwrap());
    let lines = std::io::BufRead::lines(std::io::BufReader::new(flate2::bufread::MultiGzDecoder::new(file)));
    let mut account = Account { rows: lines.count() as u64 - 1, ..Account::default() };
    for source in open(scratch.path(), &Options::default()).unwrap() {
        let mut stay = source.read().unwrap();
        let person = ["eicu.table_absent", "eicu.age_above_89_taken_as_90", "eicu.no_age", "eicu.no_sex"];
        // Told all the same: a count of what is not as expected.
        let told = ["eicu.rate_told_without_its_unknown_unit"];
        for (reason, n) in std::mem::take(&mut stay.counts) {
            if !person.contains(&reason) && !told.contains(&reason) {
                *account.left.entry(reason).or_default() += n;
            }
        }
        let mut rows = std::collections::BTreeSet::new();
        for item in stay {
            match item {
                // The partition is the table, 0 that of the stays; an infusion's end is no row.
                Ok(Item::Event(e)) if e.provenance.partition > 0 && e.provenance.part != eicu::END_PART => {
                    rows.insert(e.provenance.offset);
                }
                Ok(_) => {}
                Err(_) => account.broken += 1,
            }
        }
        account.read += rows.len() as u64;
    }
    account
}

/// The PROVENANCE file gives the stays and the rows of the large tables. Every row is told, left out for a
/// reason or broken; of treatment and respiratoryCare some rows are labels alone.
#[test]
fn every_row_of_eicu_is_accounted_for() {
    let Some(folder) = shared("eicu-demo") else { return };
    let mut lacking = Vec::new();
    for (table, rows, read) in [
        ("vitalaperiodic", 178_492, 173_335),
        ("respiratorycharting", 134_075, 53_748),
        ("infusiondrug", 27_095, 13_465),
        ("medication", 49_610, 810),
        ("microlab", 316, 113),
        ("intakeoutput", 68_447, 25_922),
    ] {
        let account = account(&folder, table);
        let left: u64 = account.left.values().sum();
        println!("{table}: {account:?}");
        assert_eq!((account.rows, account.read, account.broken), (rows, read, 0), "{table}");
        if account.read + left + account.broken != rows {
            lacking.push(format!("{table}: {} + {left} + {} of {rows}", account.read, account.broken));
        }
    }
    assert!(lacking.is_empty(), "{lacking:?}");
}

/// When each row was entered, by the table's number and the line: a plain reading of the columns of that name.
fn entered(folder: &Path) -> BTreeMap<(i32, u64), i64> {
    let mut found = BTreeMap::new();
    for (number, table, column) in [
        (4, "respiratorycharting", "respchartentryoffset"),
        (7, "medication", "drugorderoffset"),
        (10, "intakeoutput", "intakeoutputentryoffset"),
    ] {
        let file =
            std::io::BufReader::new(std::fs::File::open(folder.join(format!("{table}.csv.gz"))).unwrap());
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(flate2::bufread::MultiGzDecoder::new(file)));
        let names = lines.next().unwrap().unwrap();
        let column = names.split(',').position(|n| n == column).unwrap();
        for (line, text) in (2..).zip(lines) {
            let cells = lines::csv_fields(&text.unwrap());
            found.extend(cells[column].parse().ok().map(|minutes: i64| ((number, line), minutes)));
        }
    }
    found
}

#[test]
fn every_eicu_stay() {
    let Some(folder) = shared("eicu-demo") else { return };
    let sources = open(&folder, &Options::default()).unwrap();
    assert_eq!(sources.len(), 1_796);
    let (entered, mut late) = (entered(&folder), 0);
    let (mut failures, mut in_hospital) = (BTreeMap::<FailureKind, usize>::new(), 0);
    let (mut kinds, mut faults) = (BTreeMap::<&str, usize>::new(), 0);
    let (mut values, mut counts) = (BTreeMap::<&str, Vec<f64>>::new(), BTreeMap::<&str, u64>::new());
    for source in &sources {
        let mut stay = source.read().unwrap();
        let Some(Labels::Course(course)) = stay.labels.take() else { panic!("{}", source.name) };
        in_hospital += usize::from(course.death == Some(true));
        for failure in &course.failures {
            *failures.entry(failure.kind).or_default() += 1;
            assert!(failure.over >= failure.at && failure.at >= course.begins && failure.at <= course.ends);
        }
        stay.counts.iter().for_each(|(reason, n)| *counts.entry(reason).or_default() += n);
        let mut last = None;
        for item in stay {
            let Ok(Item::Event(event)) = item else {
                faults += 1;
                continue;
            };
            assert!(last <= Some(event.arrival) && event.arrival.as_event_time() >= event.event_time);
            last = Some(event.arrival);
            let row = (event.provenance.partition, event.provenance.offset as u64 + 1);
            if let Some(minutes) = entered.get(&row) {
                let at = Options::default().base + bedwatch_schemas::time::Span::minutes(*minutes);
                assert!(event.arrival.as_event_time() >= at, "{}: known before it was entered", source.name);
                late += 1;
            }
            let kind = match event.body {
                Body::Numeric(n) => {
                    if n.plausible {
                        values.entry(n.signal.name()).or_default().push(n.value);
                    }
                    "numeric"
                }
                Body::Medication(_) => "medication",
                Body::Adt(_) => "adt",
                Body::Microbiology(_) => "microbiology",
                _ => "other",
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert!(late > 50_000, "{late} with a time of entry");
    println!(
        "{late} with a time of entry, {kinds:?}, {faults} faults\n{failures:?}, {in_hospital} deaths\n{counts:?}"
    );
    for (signal, lowest, highest) in [
        ("nibp_systolic", 105.0, 135.0),
        ("nibp_diastolic", 55.0, 75.0),
        ("nibp_mean", 70.0, 90.0),
        ("resp_rate", 14.0, 24.0),
        ("spo2", 95.0, 100.0),
        ("fio2", 35.0, 60.0),
        ("urine_output", 50.0, 300.0),
        ("weight", 65.0, 100.0),
        ("height", 160.0, 180.0),
    ] {
        let values = values.get_mut(signal).unwrap();
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        println!("{signal}: {} values, median {median}", values.len());
        assert!((lowest..=highest).contains(&median), "{signal}: {median}");
    }
    assert_eq!((kinds["adt"], failures[&FailureKind::Death]), (2 * 1_796, 87));
    assert!(failures[&FailureKind::Vasopressor] > 150 && failures[&FailureKind::Ventilation] > 300);
}
