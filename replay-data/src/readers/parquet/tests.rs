use crate::readers::{Availability, Format, Item, Options, StaySource, open, scratch::Scratch, survey};
use ::parquet::arrow::ArrowWriter;
use arrow::{
    array::{
        ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int64Array, RecordBatch,
        StringArray, TimestampMicrosecondArray, TimestampSecondArray,
    },
    datatypes::Int32Type,
};
use bedwatch_schemas::event::{Body, Event};
use std::{path::PathBuf, sync::Arc};

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

fn numbers(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<Float64Array>())
}

/// Seconds since 2026-01-01T00:00Z.
fn times(secs: &[Option<i64>]) -> ArrayRef {
    let micros = secs.iter().map(|s| s.map(|s| (1_767_225_600 + s) * 1_000_000));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn write(dir: &Scratch, name: &str, columns: &[(&str, ArrayRef)]) -> PathBuf {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, column)| (*name, column.clone(), true)),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    dir.file(name, &bytes)
}

/// Arrival as a clock, time as a clock, what; faults as text.
fn said(source: &StaySource) -> Vec<String> {
    let clock = |micros: i64| {
        let secs = micros / 1_000_000 - 1_767_225_600;
        format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60)
    };
    let one = |event: Event| {
        let what = match event.body {
            Body::Numeric(n) => format!("{} {:.3} {:?}", n.signal.name(), n.value, n.status),
            Body::NoReading { signal, reason } => format!("{} {reason:?}", signal.name()),
            Body::Medication(m) => format!("{} {:?} {:?}", m.drug.name(), m.action, m.dose.map(|d| d.value)),
            Body::Adt(adt) => format!("{:?}", adt.kind),
            other => format!("{other:?}"),
        };
        format!("{} {} {what}", clock(event.arrival.as_micros()), clock(event.event_time.as_micros()))
    };
    let items = source.read().unwrap().map(|item| match item {
        Ok(Item::Event(event)) => one(event),
        Ok(_) => panic!("not an event"),
        Err(e) => e.to_string(),
    });
    items.collect()
}

#[test]
fn a_long_table() {
    let dir = Scratch::new("parquet");
    let path = write(
        &dir,
        "x.parquet",
        &[
            (
                "patient",
                texts(&[Some("b"), Some("a"), Some("b"), Some("b"), None, Some("b"), Some("b"), Some("b")]),
            ),
            ("time", times(&[Some(60), Some(0), Some(0), Some(120), Some(0), None, Some(180), Some(240)])),
            (
                "code",
                texts(&[
                    Some("2524-7"),
                    Some("heart_rate"),
                    Some("MDC_TEMP_BODY"),
                    Some("creatinine"),
                    Some("lactate"),
                    Some("lactate"),
                    Some("lactate"),
                    Some("of nobody"),
                ]),
            ),
            (
                "value",
                numbers(&[
                    Some(18.015_6),
                    Some(80.0),
                    Some(98.6),
                    Some(f64::NAN),
                    Some(1.0),
                    Some(1.0),
                    Some(f64::INFINITY),
                    Some(1.0),
                ]),
            ),
            (
                "unit",
                texts(&[Some("mg/dL"), Some("/min"), Some("[degF]"), Some("mg/dL"), None, None, None, None]),
            ),
            ("available_at", times(&[Some(3_600), None, Some(-60), None, None, None, None, None])),
        ],
    );
    let found = survey(&path, &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| (s.name.as_str(), s.format)).collect();
    // A name is printed: it holds no patient's id.
    assert_eq!(names, [("x-00001", Format::Parquet), ("x-00002", Format::Parquet)]);
    assert_eq!(found.stays[0].read().unwrap().availability, Availability::PartlyRecorded);
    assert_eq!(
        said(&found.stays[0]),
        [
            "x-00001, record 4: bad record: the patient is none, too long or holds a control character",
            "00:00:00 00:00:00 heart_rate 80.000 Final",
        ]
    );
    let second = said(&found.stays[1]);
    assert_eq!(
        second[..2],
        [
            "x-00002, record 5: bad record: the time is none",
            "x-00002, record 6: bad record: the value is no number",
        ]
    );
    // Available before its time: known at its time. 98.6 F are 37 C; lactate is mmol/L.
    assert_eq!(second[2], "00:00:00 00:00:00 temperature 37.000 Final");
    assert_eq!(second[3], "00:02:00 00:02:00 creatinine Empty");
    assert!(second[4].starts_with("01:00:00 00:01:00 lactate "), "{}", second[4]);
    assert_eq!(second.len(), 5);
    let counts = found.stays[1].read().unwrap().counts;
    assert_eq!(counts, [("parquet.signal_not_known", 1)].into());
}

#[test]
fn units_that_are_not_told_or_do_not_fit_are_counted() {
    let dir = Scratch::new("parquet");
    let path = write(
        &dir,
        "x.parquet",
        &[
            ("patient", Arc::new(Int64Array::from(vec![7; 5])) as ArrayRef),
            (
                "time",
                texts(&[
                    Some("2026-01-01 00:00"),
                    Some("2026-01-01T00:00:01Z"),
                    Some("yesterday"),
                    Some("2026-01-01 00:00"),
                    Some("2026-01-01 00:00"),
                ]),
            ),
            (
                "signal",
                texts(&[
                    Some("lactate"),
                    Some("lactate"),
                    Some("lactate"),
                    Some("lactate"),
                    Some("arterial_ph"),
                ]),
            ),
            ("value", Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0, 7.5])) as ArrayRef),
            ("unit", texts(&[None, Some("mmHg"), Some("mmol/L"), Some("furlong"), None])),
        ],
    );
    let sources = open(&path, &Options::default()).unwrap();
    assert_eq!(
        said(&sources[0]),
        ["x-00001, record 2: bad record: the time is none", "00:00:00 00:00:00 arterial_ph 7.500 Final",]
    );
    assert_eq!(sources[0].read().unwrap().availability, Availability::EventTimeOnly);
    let counts = sources[0].read().unwrap().counts;
    let want =
        [("parquet.no_unit", 1), ("parquet.unit_not_known", 1), ("parquet.unit_of_another_quantity", 1)];
    assert_eq!(counts, want.into());
}

#[test]
fn a_wide_table_is_known_when_its_minute_is_over() {
    let dir = Scratch::new("parquet");
    let minute = 1_767_225_600 / 60;
    let path = write(
        &dir,
        "x.parquet",
        &[
            ("patient", texts(&[Some("a"), Some("a"), Some("a")])),
            ("minute", Arc::new(Int64Array::from(vec![Some(minute + 1), Some(minute), None])) as ArrayRef),
            ("heart_rate", Arc::new(Float32Array::from(vec![Some(81.0), None, Some(1.0)])) as ArrayRef),
            ("resp_rate", Arc::new(Float32Array::from(vec![Some(14.0), None, Some(1.0)])) as ArrayRef),
            ("words", texts(&[Some("x"), None, None])),
            // Texts of numbers are read, what is neither is counted.
            ("spo2", texts(&[Some("97"), None, None])),
            ("lactate", texts(&[Some("high"), None, None])),
            ("etco2", Arc::new(BooleanArray::from(vec![Some(true), None, None])) as ArrayRef),
        ],
    );
    let sources = open(&path, &Options::default()).unwrap();
    assert_eq!(
        said(&sources[0]),
        [
            "x-00001, record 0: bad record: the value is no number",
            "x-00001, record 2: bad record: the time is none",
            "00:02:00 00:01:00 heart_rate 81.000 Final",
            "00:02:00 00:01:00 resp_rate 14.000 Final",
            "00:02:00 00:01:00 spo2 97.000 Final",
        ]
    );
    let stay = sources[0].read().unwrap();
    let counts = [("parquet.column_of_neither_numbers_nor_texts", 1), ("parquet.row_without_values", 1)];
    assert_eq!((stay.counts, stay.availability), (counts.into(), Availability::EventTimeOnly));
}

/// What `features export` writes of a stay, read as one; its hours only repeat the rest.
#[test]
fn the_tables_of_an_export_are_one_set() {
    let dir = Scratch::new("parquet");
    let codes = ["admit", "norepinephrine", "culture_taken", "lactate", "merge", "norepinephrine", "x"];
    let kinds = ["adt", "medication", "microbiology", "lab", "adt", "medication", "diary"];
    let keyed: DictionaryArray<Int32Type> = kinds.into_iter().collect();
    write(
        &dir,
        "out/events.parquet",
        &[
            ("patient", texts(&[Some("a"); 7])),
            ("at", times(&[Some(0), Some(10), Some(20), Some(30), Some(40), Some(50), Some(60)])),
            ("arrival", times(&[Some(0), Some(10), Some(20), Some(90), Some(40), Some(50), Some(60)])),
            ("kind", Arc::new(keyed) as ArrayRef),
            ("name", texts(&codes.map(Some))),
            (
                "action",
                texts(&[None, Some("rate_set"), None, Some("corrected"), None, Some("stopped"), None]),
            ),
            ("value", numbers(&[None, Some(0.1), None, Some(2.5), None, None, None])),
            ("unit", texts(&[None, Some("ug/kg/min"), None, Some("mmol/L"), None, None, None])),
        ],
    );
    for (name, column) in [("minutes", "minute"), ("hours", "hour")] {
        write(
            &dir,
            &format!("out/{name}.parquet"),
            &[
                ("patient", texts(&[Some("a"), Some("b")])),
                (column, Arc::new(Int64Array::from(vec![1_767_225_600 / 60; 2])) as ArrayRef),
                ("heart_rate", Arc::new(Float32Array::from(vec![81.0, 60.0])) as ArrayRef),
            ],
        );
    }
    write(
        &dir,
        "out/eeg.parquet",
        &[("patient", texts(&[Some("a")])), ("delta_power", numbers(&[Some(1.0)]))],
    );
    let found = survey(dir.path(), &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["out-00001", "out-00002"]);
    let others: Vec<_> = found.others.iter().map(|o| o.path.file_name().unwrap().to_string_lossy()).collect();
    assert_eq!(others, ["eeg.parquet", "hours.parquet"]);
    assert_eq!(
        said(&found.stays[0]),
        [
            "00:00:00 00:00:00 Admit",
            "00:00:10 00:00:10 norepinephrine RateSet Some(0.1)",
            "00:00:20 00:00:20 Microbiology(CultureTaken)",
            "00:00:50 00:00:50 norepinephrine Stopped None",
            "00:01:00 00:00:00 heart_rate 81.000 Final",
            "00:01:30 00:00:30 lactate 2.500 Corrected",
        ]
    );
    let counts = found.stays[0].read().unwrap().counts;
    assert_eq!(counts, [("parquet.kind_not_known", 1), ("parquet.name_not_known", 1)].into());
}

#[test]
fn columns_of_another_kind_are_refused_by_name() {
    let dir = Scratch::new("parquet");
    let cases: [(&str, ArrayRef, &str); 2] = [
        (
            "value",
            Arc::new(BooleanArray::from(vec![true])),
            "x-00001, file: bad header: its column value holds no numbers",
        ),
        (
            "value",
            Arc::new(TimestampSecondArray::from(vec![1])),
            "x-00001, file: bad header: its column value holds no numbers",
        ),
    ];
    for (name, column, want) in cases {
        let path = write(
            &dir,
            "x.parquet",
            &[
                ("patient", texts(&[Some("x")])),
                ("time", times(&[Some(0)])),
                ("signal", texts(&[Some("lactate")])),
                (name, column),
                ("unit", texts(&[None])),
            ],
        );
        let error = open(&path, &Options::default()).unwrap()[0].read().map(drop).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
}

/// Cut or damaged anywhere it is refused, or told of: never a panic, never silence about lost rows.
#[test]
fn a_damaged_table_is_told_of() {
    let dir = Scratch::new("parquet");
    let rows = 300;
    let path = write(
        &dir,
        "whole.parquet",
        &[
            ("patient", texts(&vec![Some("a"); rows])),
            ("time", times(&(0..rows as i64).map(Some).collect::<Vec<_>>())),
            ("signal", texts(&vec![Some("heart_rate"); rows])),
            ("value", numbers(&(0..rows).map(|i| Some(60.0 + i as f64 / 10.0)).collect::<Vec<_>>())),
            ("unit", texts(&vec![Some("/min"); rows])),
        ],
    );
    let whole = std::fs::read(&path).unwrap();
    let options = Options { format: Some(Format::Parquet), ..Options::default() };
    // Rows that are told or counted, and faults; nothing where the file is refused.
    let read = |bytes: &[u8]| -> Option<(usize, usize)> {
        let path = dir.file("x.parquet", bytes);
        let (mut rows, mut faults) = (0, 0);
        for source in open(&path, &options).ok()? {
            let stay = source.read().ok()?;
            rows += stay.counts.values().sum::<u64>() as usize;
            for item in stay {
                match item {
                    Ok(_) => rows += 1,
                    Err(_) => faults += 1,
                }
            }
        }
        Some((rows, faults))
    };
    assert_eq!(read(&whole), Some((rows, 0)));
    for end in (0..whole.len()).step_by(61) {
        assert_eq!(read(&whole[..end]), None, "cut at {end}");
        let mut damaged = whole.clone();
        damaged[end] ^= 0x55;
        if let Some((told, faults)) = read(&damaged) {
            assert!(told == rows || faults > 0, "byte {end}: {told} of {rows} rows, no fault");
        }
    }
}

/// A wide table of one row for each patient.
fn wide(dir: &Scratch, name: &str, patients: &[&str], second: i64) -> PathBuf {
    let column = |_: &&str| Some(second);
    write(
        dir,
        name,
        &[
            ("patient", texts(&patients.iter().copied().map(Some).collect::<Vec<_>>())),
            ("time", times(&patients.iter().map(column).collect::<Vec<_>>())),
            ("heart_rate", numbers(&vec![Some(80.0); patients.len()])),
        ],
    )
}

#[test]
fn the_parts_of_a_table_are_one_set_and_tables_of_other_names_are_others() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["set/part-0.parquet", "set/part-1.parquet"], &["set-00001", "set-00002"]),
        (&["set/2019.parquet", "set/2020.parquet"], &["set-00001", "set-00002"]),
        (&["set/part-9-a.parquet", "set/part-10-a.parquet"], &["set-00001", "set-00002"]),
        (&["set/north.parquet", "set/south.parquet"], &["north-00001", "south-00001", "south-00002"]),
        (&["one/part-0.parquet", "two/part-0.parquet"], &["part-0-00001", "part-0-00001~2", "part-0-00002"]),
    ];
    for (files, want) in cases {
        let dir = Scratch::new("parquet");
        wide(&dir, files[0], &["a"], 60);
        wide(&dir, files[1], &["a", "b"], 0);
        let sources = open(dir.path(), &Options::default()).unwrap();
        let names: Vec<_> = sources.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, want, "{files:?}");
        if want.len() == 2 {
            let beats = |clock: &str| format!("{clock} {clock} heart_rate 80.000 Final");
            assert_eq!(said(&sources[0]), [beats("00:00:00"), beats("00:01:00")], "{files:?}");
            assert_eq!(sources[0].files().len(), 2);
        }
    }
    // Other columns are another table.
    let dir = Scratch::new("parquet");
    wide(&dir, "set/part-0.parquet", &["a"], 60);
    write(
        &dir,
        "set/part-1.parquet",
        &[("patient", texts(&[Some("a")])), ("time", times(&[Some(0)])), ("spo2", numbers(&[Some(97.0)]))],
    );
    assert_eq!(open(dir.path(), &Options::default()).unwrap().len(), 2);
}

/// A time that has no place on the axis, one that is none, and one that is: only the first two rows are lost.
#[test]
fn a_cell_that_cannot_be_held_is_a_fault_of_its_row() {
    let dir = Scratch::new("parquet");
    let secs = TimestampSecondArray::from(vec![Some(i64::MAX / 1_000), None, Some(1_767_225_600)]);
    let path = write(
        &dir,
        "x.parquet",
        &[
            ("patient", texts(&[Some("a"), Some("a"), Some("b")])),
            ("time", Arc::new(secs) as ArrayRef),
            ("heart_rate", numbers(&[Some(80.0); 3])),
        ],
    );
    let sources = open(&path, &Options::default()).unwrap();
    let fault = |row: usize| format!("x-00001, record {row}: bad record: the time is none");
    assert_eq!(said(&sources[0]), [fault(0), fault(1)]);
    assert_eq!(said(&sources[1]), ["00:00:00 00:00:00 heart_rate 80.000 Final"]);
}

#[test]
fn a_file_that_cannot_be_read_fails_alone_and_is_told() {
    let dir = Scratch::new("parquet");
    wide(&dir, "good.parquet", &["a"], 0);
    wide(&dir, "part-0.parquet", &["a"], 0);
    let whole = std::fs::read(wide(&dir, "part-1.parquet", &["a"], 60)).unwrap();
    dir.file("part-1.parquet", &whole[..whole.len() - 9]);
    wide(&dir, "nobody.parquet", &[], 0);
    let want = [
        "nobody, file: missing: a row with a patient",
        "part-1, file: bad header: its footer cannot be read as Parquet",
    ];
    for format in [Some(Format::Parquet), None] {
        let found = survey(dir.path(), &Options { format, ..Options::default() }).unwrap();
        let names: Vec<_> = found.stays.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["good-00001", "part-0-00001"], "{format:?}");
        let why: Vec<_> = found.others.iter().map(|o| o.why.as_ref().unwrap().to_string()).collect();
        assert_eq!(why, want, "{format:?}");
    }
    // Alone it is the error.
    let alone = open(&dir.path().join("nobody.parquet"), &Options::default()).unwrap_err();
    assert_eq!(alone.to_string(), want[0]);
}
