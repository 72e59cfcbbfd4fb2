use bedwatch_replay_data::readers::{Antibiotic, Culture, When};
use bedwatch_schemas::{
    event::Stream,
    ids::{PatientId, SourceId},
    medication::{Dose, Drug, InfusionAction},
    time::ArrivalTime,
    unit::Unit,
};

use super::*;

fn at(hours: f64) -> EventTime {
    EventTime::from_millis(1_700_006_400_000) + Span::minutes((hours * 60.0) as i64)
}

fn event(hours: f64, body: Body) -> Event {
    Event {
        patient: PatientId::new("p").unwrap(),
        encounter: None,
        location: None,
        source: SourceId::new("s").unwrap(),
        event_time: at(hours),
        // Whatever was known late is as true as what was known at once.
        arrival: ArrivalTime::from_micros(at(hours + 30.0).as_micros()),
        provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: 0, part: 0 },
        body,
    }
}

fn number(hours: f64, signal: Signal, value: f64) -> Event {
    event(hours, Body::Numeric(Numeric::new(signal, value)))
}

fn rate(hours: f64, value: f64) -> Event {
    let (drug, action) = (Drug::Norepinephrine, InfusionAction::RateSet);
    let dose = Some(Dose { value, unit: Unit::UgPerKgMin });
    event(hours, Body::Medication(Infusion { drug, action, dose }))
}

fn stay(hours: f64, infection: Infection) -> Retrospect {
    let course = Course {
        begins: at(0.0),
        ends: at(hours),
        death: None,
        failures: Vec::new(),
        infection: Some(infection),
    };
    Retrospect::new(Some(&Labels::Course(course))).unwrap()
}

fn points(events: &[Event], hours: f64) -> Vec<u8> {
    let mut retrospect = stay(hours, Infection::default());
    events.iter().for_each(|e| retrospect.note(e));
    retrospect.said.sort_by_key(|(at, provenance, _)| (*at, *provenance));
    retrospect.sofa(&mut SofaKnown::default()).iter().map(|s| s.points).collect()
}

#[test]
fn each_part_by_the_hour_from_what_was_true_then() {
    let cases: [(&str, Vec<Event>, [u8; 4]); 9] = [
        ("nothing is known", vec![], [0, 0, 0, 0]),
        ("platelets", vec![number(0.5, Signal::Platelets, 99.0)], [0, 2, 2, 2]),
        ("from before the stay", vec![number(-2.0, Signal::Creatinine, 2.0)], [2, 2, 2, 2]),
        ("at the very hour", vec![number(2.0, Signal::BilirubinTotal, 6.0)], [0, 0, 3, 3]),
        ("the coma score", vec![number(1.0, Signal::GcsTotal, 9.0)], [0, 3, 3, 3]),
        ("a drug for an hour", vec![rate(0.5, 0.2)], [0, 0, 4, 4]),
        (
            "oxygen on a mask",
            vec![number(0.2, Signal::Fio2, 50.0), number(0.5, Signal::Pao2, 80.0)],
            [0, 2, 2, 2],
        ),
        (
            "and once ventilated",
            vec![
                number(0.2, Signal::Fio2, 50.0),
                number(0.5, Signal::Pao2, 80.0),
                number(2.5, Signal::MechanicalVentilation, 1.0),
            ],
            [0, 2, 2, 3],
        ),
        (
            "not ventilated is no support",
            vec![
                number(0.2, Signal::Fio2, 50.0),
                number(0.5, Signal::Pao2, 80.0),
                number(0.5, Signal::MechanicalVentilation, 0.0),
            ],
            [0, 2, 2, 2],
        ),
    ];
    for (name, events, want) in cases {
        assert_eq!(points(&events, 3.0), want, "{name}");
        // The order in which it became known does not matter.
        let backwards: Vec<Event> = events.into_iter().rev().collect();
        assert_eq!(points(&backwards, 3.0), want, "{name}, backwards");
    }
}

#[test]
fn missing_parts_are_counted_as_such() {
    let mut retrospect = stay(10.0, Infection::default());
    retrospect.note(&number(0.5, Signal::Platelets, 99.0));
    retrospect.note(&number(8.0, Signal::GcsTotal, 15.0));
    let known = retrospect.finish().known;
    assert_eq!(known, SofaKnown { hours: 11, complete: 0, parts: [0, 10, 0, 0, 3, 0] });
}

#[test]
fn a_stay_has_its_onsets() {
    let infection = Infection {
        cultures: vec![Culture { taken: When::At(at(20.0)), is_blood: true }],
        antibiotics: vec![Antibiotic { begun: When::At(at(22.0)), until: at(100.0), is_intravenous: true }],
    };
    let mut retrospect = stay(60.0, infection);
    retrospect.note(&number(1.0, Signal::Platelets, 200.0));
    retrospect.note(&number(17.5, Signal::Platelets, 80.0));
    let sepsis = retrospect.finish();
    assert_eq!(sepsis.onset(Version::Seymour2016).time(), Some(at(20.0)));
    assert_eq!(sepsis.onset(Version::Cinc2019).time(), Some(at(18.0)));
}

/// A stay from 10:15 on, whose labels stand at the hours 10:00, 11:00 and so on.
#[test]
fn labels_have_the_challenges_shape() {
    let sepsis = |onset| Sepsis3 {
        begins: at(10.25),
        ends: at(40.0),
        onsets: [onset, Onset::Never],
        known: SofaKnown::default(),
    };
    let labels = |onset| -> Vec<bool> {
        let hours = sepsis(onset).hours(Version::Seymour2016);
        assert!(hours.first().is_none_or(|h| h.at == at(10.0) && h.hour == 1));
        hours.iter().filter_map(|h| h.sepsis).collect()
    };
    let never = labels(Onset::Never);
    assert_eq!((never.len(), never.contains(&true)), (31, false));
    assert_eq!(labels(Onset::CameWith), [] as [bool; 0]);
    let onset = |hours: f64| Onset::At(sepsis3::Suspicion { at: at(hours), is_date: false });
    // At 30:30: 1 from 24:00 on, to 33:00; 10 hours as in the challenge's records.
    let got = labels(onset(30.5));
    assert_eq!((got.len(), got.iter().filter(|l| **l).count()), (24, 10));
    assert!(!got[13] && got[14]);
    let at_the_end = labels(onset(39.0));
    assert_eq!((at_the_end.len(), at_the_end.iter().filter(|l| **l).count()), (31, 8));
}

#[test]
fn only_a_stay_that_tells_of_infections_is_looked_at() {
    let course =
        Course { begins: at(0.0), ends: at(1.0), death: None, failures: Vec::new(), infection: None };
    assert!(Retrospect::new(Some(&Labels::Course(course))).is_none());
    assert!(Retrospect::new(Some(&Labels::Stay { death: true })).is_none());
    assert!(Retrospect::new(None).is_none());
}

/// A set of the shared data, or a printed line that says what is skipped.
fn shared(set: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("BEDWATCH_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        std::path::PathBuf::from,
    );
    let path = root.join(set);
    if !path.exists() {
        println!("skipped: {set} of the shared data is absent");
        return None;
    }
    Some(path)
}

/// What each stay of a set tells, by its name.
fn told(path: &std::path::Path) -> Vec<(String, Sepsis3)> {
    use bedwatch_replay_data::readers::{Item, Options, open};
    let sources = open(path, &Options::default()).unwrap();
    let of = |source: &bedwatch_replay_data::readers::StaySource| {
        let stay = source.read().unwrap();
        let mut retrospect = Retrospect::new(stay.labels.as_ref())?;
        for item in stay.flatten() {
            if let Item::Event(event) = item {
                retrospect.note(&event);
            }
        }
        Some((source.name.clone(), retrospect.finish()))
    };
    sources.iter().filter_map(of).collect()
}

/// Of the patients at hand 18 have a discharge code of sepsis (PROVENANCE). The codes were given by others,
/// from other words: they must be found again among the computed, and more often than the other patients are.
#[test]
fn patients_with_a_discharge_code_are_mostly_septic() {
    let Some(path) = shared("mimic3-demo") else { return };
    let file = std::fs::File::open(path.join("DIAGNOSES_ICD.csv.gz")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
    let is_sepsis = |code: &str| code.starts_with("038") || ["99591", "99592", "78552"].contains(&code);
    let coded: std::collections::BTreeSet<&str> = text
        .lines()
        .filter_map(|l| {
            let cells: Vec<&str> = l.split(',').collect();
            is_sepsis(cells[4].trim_matches('"')).then(|| cells[1])
        })
        .collect();
    assert_eq!(coded.len(), 18);
    let stays = told(&path);
    assert_eq!(stays.len(), 84);
    for version in Version::ALL {
        let (mut with, mut without) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
        for (name, sepsis) in &stays {
            let patient = name.split('-').next().unwrap();
            let of = if coded.contains(patient) { &mut with } else { &mut without };
            *of.entry(patient).or_insert(false) |= sepsis.onset(version) != Onset::Never;
        }
        let share = |m: &std::collections::BTreeMap<&str, bool>| {
            m.values().filter(|v| **v).count() as f64 / m.len() as f64
        };
        println!(
            "{}: {:.2} of {} coded, {:.2} of {} others",
            version.name(),
            share(&with),
            with.len(),
            share(&without),
            without.len()
        );
        assert!(share(&with) > share(&without), "{version:?}");
    }
    for (name, s) in &stays {
        println!("{name} {:?} {:?}", s.onsets[0], s.onsets[1]);
    }
    let seymour = stays.iter().filter(|(_, s)| s.onset(Version::Seymour2016) != Onset::Never).count();
    assert!((30..=70).contains(&seymour), "{seymour} of 84");
    let parts =
        stays.iter().fold([0; 6], |sum: [u64; 6], (_, s)| std::array::from_fn(|i| sum[i] + s.known.parts[i]));
    let hours: u64 = stays.iter().map(|(_, s)| s.known.hours).sum();
    println!("{hours} hours, {parts:?}");
    assert!(parts.iter().all(|p| *p > 0));
}
