//! A patient among others is the patient alone: what the models say of one and the words that are
//! told depend on nobody else in the ward.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch::{config::Config, narration::request, setup};
use bedwatch_ingest::kafka::source::OwnedRecord;
use bedwatch_schemas::time::Span;

use crate::{support::has_onnxruntime, ward};

/// The bytes of what was told of a patient, each kind in its order. How risks stand between alerts is
/// not told: a deadline that falls due while nothing arrives is met with the ward's next record.
#[derive(Default)]
struct Told {
    risks: Vec<String>,
    alerts: Vec<String>,
}

/// Every risk and every alert with its words, by patient.
fn told(records: &[OwnedRecord]) -> BTreeMap<String, Told> {
    let models = setup::models(&Config::default()).unwrap();
    let writer = models.writer.clone();
    let mut all = BTreeMap::<String, Told>::new();
    ward::fold(records, models, |step| {
        for (_, assessment) in &step.frames {
            if let Some(assessment) = assessment {
                let of = all.entry(assessment.patient.as_str().to_owned()).or_default();
                of.risks.push(serde_json::to_string(assessment).unwrap());
            }
        }
        for output in step.outputs {
            let rationale = writer.write(&request(&output), &|| false);
            let alert = output.draft.with_rationale(rationale);
            let of = all.entry(alert.patient.as_str().to_owned()).or_default();
            of.alerts.push(serde_json::to_string(&alert).unwrap());
        }
    });
    all
}

/// The patient's id and those merged into it (A40: `MRG|retired`): one person.
fn names(records: &[OwnedRecord], patient: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::from([patient.to_owned()]);
    for record in records.iter().filter(|r| r.key.as_deref() == Some(patient)) {
        let text = String::from_utf8_lossy(&record.payload);
        let merged = text.split('\r').filter_map(|segment| segment.strip_prefix("MRG|"));
        ids.extend(merged.map(|id| id.split(['^', '|']).next().unwrap_or_default().to_owned()));
    }
    ids
}

#[test]
fn a_patient_is_the_same_alone_and_among_sixty_three_others() {
    if !has_onnxruntime("a_patient_is_the_same_alone_and_among_sixty_three_others") {
        return;
    }
    let records = ward::records(64, Span::hours(3), Span::secs(20), true);
    let together = told(&records);
    assert!(together.len() >= 64, "beds may change hands");
    let (mut risks, mut alerts) = (0, 0);
    // Every seventh, so that each scenario of the ward has its turn.
    for (patient, want) in together.iter().step_by(7) {
        let ids = names(&records, patient);
        let own = |r: &&OwnedRecord| r.key.as_ref().is_some_and(|key| ids.contains(key));
        let own: Vec<OwnedRecord> = records
            .iter()
            .filter(own)
            .map(|r| OwnedRecord {
                stream: r.stream,
                partition: r.partition,
                offset: r.offset,
                timestamp: r.timestamp,
                key: r.key.clone(),
                payload: r.payload.clone(),
            })
            .collect();
        let alone = told(&own);
        assert!(alone.keys().all(|id| ids.contains(id)));
        let alone = &alone[patient];
        for (alone, want) in [(&alone.risks, &want.risks), (&alone.alerts, &want.alerts)] {
            let differs = alone.iter().zip(want).find(|(a, b)| a != b);
            assert!(alone.len() == want.len() && differs.is_none(), "{differs:?}");
        }
        risks += want.risks.len();
        alerts += want.alerts.len();
    }
    println!("{risks} assessments and {alerts} alerts were the same bytes");
    assert!(risks > 100 && alerts > 0, "{risks} {alerts}");
}
