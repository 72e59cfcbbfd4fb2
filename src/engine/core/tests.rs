//! The core by itself: no models, no broker, time as an argument.

use bedwatch_inference::writer::Writer;
use bedwatch_ingest::kafka::source::OwnedRecord;
use bedwatch_schemas::alert::AlertKind as Kind;

use super::*;

const HL7_TIME: &str = "20260101";
/// 2026-01-01T00:00:00Z.
const START_MILLIS: i64 = 1_767_225_600_000;

struct Run {
    core: Core,
    offset: i64,
}

impl Run {
    fn new() -> Self {
        let config = Arc::new(crate::config::Config::default().core().unwrap());
        let models = Models { encoder: None, fusion: None, writer: Arc::new(Writer::new(None)) };
        Self { core: Core::new(config, models), offset: 0 }
    }

    /// Folds one record `secs` after the start as a cell of its own; gives what was decided.
    fn record(&mut self, secs: i64, key: &str, stream: Stream, payload: String) -> Vec<(Kind, Phase)> {
        let stamp = ArrivalTime::from_millis(START_MILLIS + secs * 1_000);
        let record = OwnedRecord {
            stream,
            partition: 0,
            offset: self.offset,
            timestamp: Some(stamp),
            key: Some(key.to_owned()),
            payload: payload.into_bytes(),
        };
        self.offset += 1;
        let end = stamp.floor(Span::millis(100)) + Span::millis(100);
        let step = self.core.cell(&Cell { end, records: vec![Entry { stamp, record }], events: Vec::new() });
        assert!(step.dead_letters.is_empty(), "{:?}", step.dead_letters);
        decided(&step)
    }

    fn spo2(&mut self, secs: i64, key: &str, value: f64) -> Vec<(Kind, Phase)> {
        let time = EventTime::from_millis(START_MILLIS + secs * 1_000);
        let text = format!(
            r#"{{"schema":"vitals/1","patient":"{key}","source":"m","time":"{time}","values":[{{"signal":"spo2","value":{value},"unit":"%"}}]}}"#
        );
        self.record(secs, key, Stream::Vitals, text)
    }

    fn adt(&mut self, secs: i64, key: &str, kind: &str, more: &str) -> Vec<(Kind, Phase)> {
        let time = format!("{HL7_TIME}{:02}{:02}{:02}", secs / 3_600, secs / 60 % 60, secs % 60);
        let text = format!(
            "MSH|^~\\&|A|B|||{time}||ADT^{kind}|{secs}|P|2.5\rEVN|{kind}|{time}\rPID|1||{key}\r{more}PV1|1|I|ICU^^4"
        );
        self.record(secs, key, Stream::Hl7v2, text)
    }

    /// A low saturation once a second for as long as it takes to be believed.
    fn desaturate(&mut self, from: i64, key: &str) -> Vec<(Kind, Phase)> {
        (from..from + 40).flat_map(|secs| self.spo2(secs, key, 80.0)).collect()
    }
}

fn decided(step: &Step) -> Vec<(Kind, Phase)> {
    let all = step.outputs.iter().map(|o| (o.draft.kind(), o.draft.phase()));
    all.filter(|(kind, _)| *kind == Kind::Respiratory).collect()
}

pub(super) fn words() -> bedwatch_schemas::rationale::Rationale {
    use bedwatch_schemas::rationale::{Rationale, RationaleSource, TemplateReason};
    Rationale { text: String::new(), source: RationaleSource::Template(TemplateReason::NoModel) }
}

const RAISED: (Kind, Phase) = (Kind::Respiratory, Phase::Raised);
const EXPIRED: (Kind, Phase) = (Kind::Respiratory, Phase::Expired);

#[test]
fn a_discharge_ends_what_is_open_and_lets_the_patient_go() {
    let mut run = Run::new();
    assert_eq!(run.desaturate(0, "p"), [RAISED]);
    assert_eq!(run.adt(50, "p", "A03", ""), [EXPIRED]);
    assert!(run.core.patients().is_empty());
}

#[test]
fn a_merge_moves_the_state_and_ends_the_retired_ids_episodes() {
    let mut run = Run::new();
    assert_eq!(run.desaturate(0, "old"), [RAISED]);
    assert_eq!(run.adt(50, "new", "A40", "MRG|old\r"), [EXPIRED]);
    let ids: Vec<&str> = run.core.patients().keys().map(PatientId::as_str).collect();
    assert_eq!(ids, ["new"]);
    let id = PatientId::new("new").unwrap();
    let frame = run.core.patients()[&id].state.frame(EventTime::from_millis(START_MILLIS + 51_000));
    assert!(frame.current(bedwatch_schemas::signal::Signal::Spo2).is_some(), "the saturation moved along");
}

#[test]
fn patients_do_not_share_windows() {
    let mut run = Run::new();
    for secs in 0..20 {
        assert!(run.spo2(secs, "a", 97.0).is_empty());
        run.spo2(secs, "b", 80.0);
    }
    let at = EventTime::from_millis(START_MILLIS + 20_000);
    let last = |id: &str| run.core.patients()[&PatientId::new(id).unwrap()].state.frame(at);
    assert_eq!(last("a").current(bedwatch_schemas::signal::Signal::Spo2).map(|c| c.0), Some(97.0));
}

#[test]
fn a_silent_patient_is_told_of_and_at_last_forgotten() {
    let mut run = Run::new();
    assert_eq!(run.desaturate(0, "p"), [RAISED]);
    let at = |hours: i64| ArrivalTime::from_millis(START_MILLIS) + Span::hours(hours);
    let step = run.core.advance(at(1));
    let stale = step.outputs.iter().map(|o| o.draft.kind()).collect::<Vec<_>>();
    assert_eq!(stale, [Kind::StaleFeed], "silence is an alert itself");
    assert!(decided(&run.core.advance(at(12))).is_empty(), "and resolves nothing");
    assert_eq!(decided(&run.core.advance(at(13))), [EXPIRED], "after a shift without a value it is said so");
    assert!(run.core.advance(at(72)).outputs.is_empty(), "the feed stays silent, and open");
    let step = run.core.advance(at(5_000));
    let ended = step.outputs[0].draft.clone().with_rationale(words());
    assert_eq!((ended.kind, ended.phase), (Kind::StaleFeed, Phase::Expired));
    let last = EventTime::from_millis(START_MILLIS + 39_000);
    assert_eq!(ended.at, last + Span::hours(72), "at its own time, however far the clock has run");
    assert!(run.core.patients().is_empty());
    assert_eq!(run.core.counters().forgotten, 1);
}

#[test]
fn one_low_value_that_nothing_follows_is_not_believed() {
    let mut run = Run::new();
    for secs in 0..10 {
        assert!(run.spo2(secs, "p", 97.0).is_empty());
    }
    assert!(run.spo2(10, "p", 80.0).is_empty());
    let later = run.core.advance(ArrivalTime::from_millis(START_MILLIS + 40_000));
    assert!(decided(&later).is_empty(), "it does not persist by growing old");
}

/// The id of the patient's open respiratory alert: what a page would answer.
fn respiratory(run: &Run, key: &str) -> bedwatch_schemas::ids::AlertId {
    let id = PatientId::new(key).unwrap();
    let open = run.core.patients()[&id].policy.active().find(|(kind, ..)| *kind == Kind::Respiratory);
    bedwatch_schemas::ids::AlertId::of(&id, Kind::Respiratory, "", open.unwrap().3)
}

fn answer(run: &mut Run, secs: i64, key: &str, alert: &str, more: &str) -> Vec<(Kind, Phase)> {
    let time = EventTime::from_millis(START_MILLIS + secs * 1_000);
    let text = format!(
        r#"{{"schema":"feedback/1","source":"page","alert":"{alert}","role":"nurse","at":"{time}",{more}}}"#
    );
    run.record(secs, key, Stream::Feedback, text)
}

#[test]
fn what_people_say_is_folded_like_every_record() {
    let mut run = Run::new();
    assert_eq!(run.desaturate(0, "p"), [RAISED]);
    let alert = respiratory(&run, "p").to_string();
    let seen = [(Kind::Respiratory, Phase::Acknowledged)];
    assert_eq!(answer(&mut run, 45, "p", &alert, r#""action":"acknowledge""#), seen);
    // Again, of another's alert, of nobody: kept or refused by name, and nothing is said.
    assert!(answer(&mut run, 46, "p", &alert, r#""action":"acknowledge""#).is_empty());
    run.spo2(46, "q", 97.0);
    assert!(answer(&mut run, 47, "q", &alert, r#""action":"acknowledge""#).is_empty());
    assert!(answer(&mut run, 47, "nobody", &alert, r#""action":"agree""#).is_empty());
    assert_eq!(run.core.patients().len(), 2, "feedback begins no patient");
    let counted = &run.core.counters().feedback;
    assert_eq!(
        counted.iter().map(|((a, h), n)| (a.name(), h.name(), *n)).collect::<Vec<_>>(),
        [
            ("acknowledge", "taken", 1),
            ("acknowledge", "noted", 1),
            ("acknowledge", "refused_unknown", 1),
            ("agree", "refused_unknown", 1)
        ]
    );
}
