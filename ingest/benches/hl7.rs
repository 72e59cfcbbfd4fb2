//! HL7 v2 decoding on one core: an ORU^R01 of 1.7 kB with 12 observations, from bytes to typed events,
//! with `hl7-parser` reading the same message in the same run. Throughput is payload bytes a second.
//!
//! The peer is measured twice: building its tree only, and building it and taking code, number, unit
//! and time text of each OBX out of it (which is less than an event: no signal, no unit conversion, no
//! calendar).

use std::{hint::black_box, time::Duration};

use bedwatch_ingest::{
    FUTURE_TOLERANCE, Record,
    hl7::{self, Config},
};
use bedwatch_schemas::{event::Stream, time::ArrivalTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Twelve laboratory results as a hospital's interface sends them (no real person).
fn laboratory() -> String {
    let results = [
        ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "139", "mmol/L", "136-145"),
        ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "4.1", "mmol/L", "3.5-5.1"),
        ("2075-0", "Chloride [Moles/volume] in Serum or Plasma", "103", "mmol/L", "98-107"),
        ("1963-8", "Bicarbonate [Moles/volume] in Serum", "24.5", "mmol/L", "22-29"),
        ("3094-0", "Urea nitrogen [Mass/volume] in Serum", "17", "mg/dL", "7-20"),
        ("2160-0", "Creatinine [Mass/volume] in Serum", "1.08", "mg/dL", "0.7-1.3"),
        ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "112", "mg/dL", "70-99"),
        ("2524-7", "Lactate [Moles/volume] in Serum", "1.6", "mmol/L", "0.5-2.2"),
        ("1975-2", "Bilirubin.total [Mass/volume] in Serum", "0.7", "mg/dL", "0.1-1.2"),
        ("6690-2", "Leukocytes [#/volume] in Blood", "11.2", "10*3/uL", "4.0-11.0"),
        ("718-7", "Hemoglobin [Mass/volume] in Blood", "12.9", "g/dL", "12.0-16.0"),
        ("777-3", "Platelets [#/volume] in Blood", "231", "10*3/uL", "150-400"),
    ];
    let mut text = String::from(
        "MSH|^~\\&|LAB|HOSPITAL|BEDWATCH|ICU|20260301021500+0000||ORU^R01^ORU_R01|MSG00001|P|2.5.1|||AL|NE\r\
         PID|1||P000042^^^HOSPITAL^MR||DOE^JANE||19610101|F|||1 MAIN ST^^SPRINGFIELD^IL^62701\r\
         PV1|1|I|ICU^2^B03||||||||||||||||V000042\r\
         ORC|RE|ORD0000001^HIS|FIL0000001^LAB||CM\r\
         OBR|1|ORD0000001^HIS|FIL0000001^LAB|24323-8^Comprehensive metabolic 2000 panel - Serum or Plasma^LN|||20260301020000+0000|||||||||1234^HIPPOCRATES^HAROLD|||||||||F\r",
    );
    for (n, (code, name, value, unit, range)) in results.iter().enumerate() {
        let flag = if *code == "6690-2" { "H" } else { "N" };
        text.push_str(&format!(
            "OBX|{}|NM|{code}^{name}^LN||{value}|{unit}|{range}|{flag}|||F|||20260301020000+0000\r",
            n + 1
        ));
    }
    text
}

/// One set of monitor numerics in IHE PCD-01 form.
fn monitor() -> String {
    let numerics = [
        ("147842^MDC_ECG_HEART_RATE^MDC", "82", "264864^MDC_DIM_BEAT_PER_MIN^MDC"),
        ("149530^MDC_PULS_OXIM_PULS_RATE^MDC", "83", "264864^MDC_DIM_BEAT_PER_MIN^MDC"),
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC", "97", "262688^MDC_DIM_PERCENT^MDC"),
        ("151562^MDC_RESP_RATE^MDC", "18", "264928^MDC_DIM_RESP_PER_MIN^MDC"),
        ("150033^MDC_PRESS_BLD_ART_SYS^MDC", "121", "266016^MDC_DIM_MMHG^MDC"),
        ("150034^MDC_PRESS_BLD_ART_DIA^MDC", "64", "266016^MDC_DIM_MMHG^MDC"),
        ("150035^MDC_PRESS_BLD_ART_MEAN^MDC", "83", "266016^MDC_DIM_MMHG^MDC"),
        ("150364^MDC_TEMP_BODY^MDC", "37.2", "268192^MDC_DIM_DEGC^MDC"),
    ];
    let mut text = String::from(
        "MSH|^~\\&|MONITOR|HOSPITAL|BEDWATCH|ICU|20260301021500+0000||ORU^R01^ORU_R01|MSG00002|P|2.6|||NE|AL|||||IHE_PCD_001\r\
         PID|1||P000042^^^HOSPITAL^MR\rPV1|1|I|ICU^2^B03\rOBR|1|||182777000^monitoring of patient^SCT|||20260301021500+0000\r\
         OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r",
    );
    for (n, (code, value, unit)) in numerics.iter().enumerate() {
        let n = n + 1;
        text.push_str(&format!(
            "OBX|{}|NM|{code}|1.1.1.{n}|{value}|{unit}|||||R|||20260301021500+0000\r",
            n + 1
        ));
    }
    text
}

/// What an integrator takes out of the peer's tree.
fn peer_values(text: &str) -> Vec<(String, f64, String, String)> {
    let message = hl7_parser::Message::parse(text).expect("the peer reads this message");
    let observations = message.segments().filter(|s| s.name == "OBX");
    observations
        .map(|obx| {
            let field = |n| obx.field(n).expect("the field stands in the message").raw_value();
            let code = field(3).split('^').next().unwrap_or_default();
            let value = field(5).parse().expect("the values are numbers");
            (code.to_owned(), value, field(6).to_owned(), field(14).to_owned())
        })
        .collect()
}

fn benches(c: &mut Criterion) {
    let arrival = ArrivalTime::parse_rfc3339("2026-03-01T02:15:01Z").expect("a constant that is a time");
    let config = Config::default();
    for (name, text, events) in [("laboratory", laboratory(), 12), ("monitor", monitor(), 8)] {
        let record = Record {
            stream: Stream::Hl7v2,
            partition: 0,
            offset: 0,
            arrival,
            key: None,
            payload: text.as_bytes(),
        };
        let decoded = hl7::decode(&record, &config, FUTURE_TOLERANCE);
        assert_eq!((decoded.events.len(), decoded.rejections.len()), (events, 0), "{name}");
        assert!(decoded.events[0].location.is_some());
        let mut group = c.benchmark_group(format!("hl7 {name} ({} bytes, {events} values)", text.len()));
        group.throughput(Throughput::Bytes(text.len() as u64)).measurement_time(Duration::from_secs(3));
        group.bench_function("bedwatch: bytes to events", |b| {
            b.iter(|| hl7::decode(black_box(&record), &config, FUTURE_TOLERANCE))
        });
        group.bench_function("bedwatch: index of segments", |b| {
            b.iter(|| hl7::lexer::segments(black_box(record.payload)));
        });
        group.bench_function("hl7-parser: tree", |b| {
            b.iter(|| hl7_parser::Message::parse(black_box(text.as_str())).is_ok());
        });
        if name == "laboratory" {
            group.bench_function("hl7-parser: tree and raw values", |b| {
                b.iter(|| peer_values(black_box(&text)))
            });
        }
        group.finish();
    }
}

criterion_group!(hl7_benches, benches);
criterion_main!(hl7_benches);
