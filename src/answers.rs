//! What people said of alerts, each beside the alert it was said of: the table that training reads.
//!
//! The alert's `raised_at` is the time of its frame, so a row finds its hour in the training tables by
//! patient and time. Labels are what people called right or wrong and nothing is read into silence: an
//! alert that nobody answered has no row, and a dismissal is no label (a true alert may need nothing).

use std::{collections::BTreeMap, fs::File, io::Write, path::Path, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
        UInt16Array,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase, Priority},
    event::{Body, Event},
    evidence::Subject,
    feedback::{Action, Feedback, FeedbackReason, Role},
    ids::{AlertId, PatientId},
    risk::ModelRef,
    time::EventTime,
};
use parquet::arrow::ArrowWriter;
use serde::{Deserialize, Serialize};

/// One thing said of one alert. What stands of the alert is `None` where no message of it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The alert.
    pub alert: AlertId,
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: Option<FeedbackReason>,
    /// By whom.
    pub role: Role,
    /// For how long a snooze was asked.
    pub minutes: Option<u16>,
    /// When it was said.
    pub at: EventTime,
    /// Whether the alert was called right; `None`: nothing was said of that.
    pub right: Option<bool>,
    /// What the alert is about.
    pub kind: Option<AlertKind>,
    /// Its priority when that was said.
    pub priority: Option<Priority>,
    /// When its condition began.
    pub onset: Option<EventTime>,
    /// When it was raised: the time of the frame it rests on.
    pub raised_at: Option<EventTime>,
    /// Who decided it.
    pub by: Option<ModelRef>,
    /// The model's risk when it was raised, %.
    pub risk_percent: Option<f64>,
    /// The hash of the configuration in force.
    pub config: Option<String>,
}

/// Puts what was said beside the alerts, in the order of time, then patient, alert and action. An
/// event said of another's alert (another patient) finds none.
#[must_use]
pub fn join(alerts: &[Alert], events: &[Event]) -> Vec<Row> {
    let mut lives: BTreeMap<(&PatientId, AlertId), Vec<&Alert>> = BTreeMap::new();
    for alert in alerts {
        lives.entry((&alert.patient, alert.id)).or_default().push(alert);
    }
    lives.values_mut().for_each(|messages| messages.sort_by_key(|m| m.sequence));
    let mut rows: Vec<Row> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Feedback(said) => {
                let life = lives.get(&(&event.patient, said.alert)).map_or(&[][..], Vec::as_slice);
                Some(row(&event.patient, said, life))
            }
            _ => None,
        })
        .collect();
    sort(&mut rows);
    rows
}

/// The order of time, then patient, alert and action.
pub fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| (a.at, &a.patient, a.alert, a.action).cmp(&(b.at, &b.patient, b.alert, b.action)));
}

fn row(patient: &PatientId, said: &Feedback, life: &[&Alert]) -> Row {
    let raised = life.iter().find(|m| m.phase == Phase::Raised).or(life.first());
    let then = life.iter().rev().find(|m| m.at <= said.at).or(life.first());
    let risk = |alert: &&Alert| {
        let facts = &alert.evidence.facts;
        facts.iter().find(|f| matches!(f.subject, Subject::Risk(_))).map(|f| f.value)
    };
    Row {
        alert: said.alert,
        patient: patient.clone(),
        action: said.action,
        reason: said.reason,
        role: said.role,
        minutes: said.minutes,
        at: said.at,
        right: match said.action {
            Action::Agree => Some(true),
            Action::Disagree => Some(false),
            Action::Acknowledge | Action::Dismiss | Action::Snooze => None,
        },
        kind: raised.map(|m| m.kind),
        priority: then.map(|m| m.priority),
        onset: raised.map(|m| m.onset),
        raised_at: raised.map(|m| m.at),
        by: raised.map(|m| m.decision.by.clone()),
        risk_percent: raised.and_then(risk),
        config: raised.map(|m| m.config.clone()),
    }
}

/// Writes rows as NDJSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write_ndjson(rows: &[Row], path: &Path) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(File::create(path)?);
    for row in rows {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Writes rows as Parquet, with the columns of [`Row`]; the model's name and version are two columns.
///
/// # Errors
/// When the file cannot be written.
pub fn write_parquet(rows: &[Row], path: &Path) -> anyhow::Result<()> {
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let schema = Arc::new(Schema::new(vec![
        text("alert", false),
        text("patient", false),
        text("action", false),
        text("reason", true),
        text("role", false),
        Field::new("minutes", DataType::UInt16, true),
        Field::new("at", instant(), false),
        Field::new("right", DataType::Boolean, true),
        text("kind", true),
        text("priority", true),
        Field::new("onset", instant(), true),
        Field::new("raised_at", instant(), true),
        text("by", true),
        text("by_version", true),
        Field::new("risk_percent", DataType::Float64, true),
        text("config", true),
    ]));
    let texts = |of: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let times = |of: &dyn Fn(&Row) -> Option<EventTime>| -> ArrayRef {
        let array: TimestampMicrosecondArray = rows.iter().map(|r| of(r).map(|t| t.as_micros())).collect();
        Arc::new(array.with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        texts(&|r| Some(r.alert.to_string())),
        texts(&|r| Some(r.patient.as_str().to_owned())),
        texts(&|r| Some(r.action.name().to_owned())),
        texts(&|r| r.reason.map(|x| x.name().to_owned())),
        texts(&|r| Some(r.role.name().to_owned())),
        Arc::new(rows.iter().map(|r| r.minutes).collect::<UInt16Array>()),
        times(&|r| Some(r.at)),
        Arc::new(rows.iter().map(|r| r.right).collect::<BooleanArray>()),
        texts(&|r| r.kind.map(|x| x.name().to_owned())),
        texts(&|r| r.priority.map(|x| x.name().to_owned())),
        times(&|r| r.onset),
        times(&|r| r.raised_at),
        texts(&|r| r.by.as_ref().map(|m| m.name.clone())),
        texts(&|r| r.by.as_ref().map(|m| m.version.clone())),
        Arc::new(rows.iter().map(|r| r.risk_percent).collect::<Float64Array>()),
        texts(&|r| r.config.clone()),
    ];
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema.clone(), None)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.close()?;
    Ok(())
}
