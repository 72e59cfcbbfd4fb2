//! What the bedside monitor and the glucose sensor send: the wire messages with their artefacts.
//!
//! Artefacts follow what monitors do: motion distorts the oximeter, a flushed arterial line reads
//! 300 mmHg for some seconds, a lost sensor sends null or a sentinel number, a broken network sends
//! nothing at all.

use bedwatch_schemas::{
    signal::Signal,
    time::EventTime,
    wire::{CGM, CgmMessage, VITALS, VitalsMessage, VitalsValue},
};

use super::{
    course::Scenario,
    hl7::Metric,
    labs::round,
    physiology::{Physiology, Vitals},
};

/// What disturbs the monitor at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    None,
    /// Motion at the oximeter's finger.
    Motion,
    /// The arterial line is flushed or blood is drawn from it.
    Flush,
    /// Oximeter off the finger and ECG lead off.
    SensorsOff,
    /// The monitor's feed is down.
    Silent,
}

/// The disturbance at `t` seconds from the live start.
pub(crate) fn disturbance(body: &mut Physiology, t: f64) -> Disturbance {
    body.course.extend(t);
    let mut motion = 0.004;
    for e in body.course.episodes_at(t).filter(|e| e.scenario == Scenario::ArtefactRidden) {
        let after = t - e.onset;
        if after >= e.acute && after < e.acute + e.hold {
            return Disturbance::Silent;
        }
        if after >= 0.0 {
            return if after < e.acute { Disturbance::SensorsOff } else { Disturbance::None };
        }
        motion = 0.09;
    }
    let seizing =
        body.course.episodes_at(t).any(|e| e.scenario == Scenario::Seizure && e.levels(t).acute > 0.3);
    // Decided once for each stretch of 20 s.
    let cell = (t / 20.0).floor() as i64;
    let draw = body.noise.cell(400, cell);
    if seizing && draw < 0.5 || draw < motion {
        Disturbance::Motion
    } else if draw > 0.9985 && body.person.arterial_line {
        Disturbance::Flush
    } else {
        Disturbance::None
    }
}

/// How a numeric came about, which decides what an artefact does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The value of the moment.
    Momentary,
    /// The median of the minute, as systems store the past: short artefacts do not show.
    MinuteMedian,
}

/// The numerics of a moment as the monitor shows them; `None` where it shows nothing.
pub(crate) fn numerics(body: &mut Physiology, t: f64, reading: Reading) -> Option<(Vitals, Vec<Metric>)> {
    let disturbed = disturbance(body, t);
    if disturbed == Disturbance::Silent {
        return None;
    }
    let v = body.vitals(t);
    let jitter = body.noise.cell(401, t.floor() as i64);
    let mut values = vec![
        (Signal::HeartRate, Some(v.heart_rate.round())),
        (Signal::Spo2, Some(v.spo2.round())),
        (Signal::PulseRate, Some((v.heart_rate + 2.0 * (jitter - 0.5)).round())),
        (Signal::RespRate, Some(v.resp_rate.round())),
    ];
    if body.person.arterial_line {
        values.push((Signal::AbpSystolic, Some(v.systolic.round())));
        values.push((Signal::AbpDiastolic, Some(v.diastolic.round())));
        values.push((Signal::AbpMean, Some(v.map.round())));
    }
    // A capnograph sits in the breathing circuit: who breathes alone has none.
    if body.person.ventilated {
        values.push((Signal::Etco2, Some(v.etco2.round())));
    }
    for (signal, value) in &mut values {
        match reading {
            Reading::Momentary => disturb(disturbed, *signal, value, jitter),
            Reading::MinuteMedian => disturb_median(disturbed, *signal, value, jitter),
        }
    }
    Some((v, values))
}

fn disturb(disturbance: Disturbance, signal: Signal, value: &mut Option<f64>, jitter: f64) {
    match (disturbance, signal) {
        (Disturbance::Motion, Signal::Spo2) => {
            *value = if jitter < 0.3 { Some(-100.0) } else { value.map(|v| (v - 9.0 * jitter).round()) };
        }
        (Disturbance::Motion, Signal::PulseRate) => *value = value.map(|v| (v * (0.6 + jitter)).round()),
        (Disturbance::Flush, Signal::AbpSystolic | Signal::AbpMean | Signal::AbpDiastolic) => {
            *value = Some(299.0);
        }
        // One device says null, the other its own number for "no reading".
        (Disturbance::SensorsOff, Signal::Spo2 | Signal::PulseRate) => {
            *value = if jitter < 0.5 { None } else { Some(-1.0) };
        }
        (Disturbance::SensorsOff, Signal::HeartRate | Signal::RespRate) => {
            *value = if jitter < 0.3 { Some(-999.0) } else { None };
        }
        _ => {}
    }
}

/// A minute with motion in it gives a lower saturation, or none when little of it was usable.
fn disturb_median(disturbance: Disturbance, signal: Signal, value: &mut Option<f64>, jitter: f64) {
    match (disturbance, signal) {
        (Disturbance::Motion, Signal::Spo2) => {
            *value = match jitter {
                j if j < 0.25 => Some(-100.0),
                j if j < 0.5 => None,
                j => value.map(|v| (v - 5.0 * (j - 0.5)).round()),
            };
        }
        (Disturbance::Motion, Signal::PulseRate) if jitter < 0.5 => *value = None,
        (Disturbance::SensorsOff, _) => disturb(disturbance, signal, value, jitter),
        _ => {}
    }
}

/// A vitals message; `None` while the feed is down.
pub(crate) fn vitals_message(
    body: &mut Physiology,
    t: f64,
    time: EventTime,
    reading: Reading,
) -> Option<VitalsMessage> {
    let (_, values) = numerics(body, t, reading)?;
    let person = &body.person;
    Some(VitalsMessage {
        schema: VITALS.to_owned(),
        patient: person.id.clone(),
        encounter: Some(person.encounter.clone()),
        location: Some(person.location.clone()),
        source: super::source("monitor-gateway"),
        time,
        values: values
            .into_iter()
            .map(|(signal, value)| VitalsValue {
                signal: signal.name().to_owned(),
                value,
                unit: signal.info().unit.ucum().to_owned(),
            })
            .collect(),
    })
}

/// A sensor's glucose reading: the tissue lags the blood by about eight minutes (Basu, Diabetes
/// 62:4083, 2013), with a few mg/dL of noise.
pub(crate) fn cgm_message(body: &mut Physiology, t: f64, time: EventTime) -> CgmMessage {
    let falling = body.course.episodes_at(t).any(|e| e.scenario == Scenario::Hypoglycaemia);
    // The prodrome of a low is described as the sensor sees it.
    let lag = if falling { 0.0 } else { 480.0 };
    let noise = 2.5 * body.noise.slow(Signal::CgmGlucose as u64, t * 6.0);
    let glucose = body.glucose(t - lag) + if falling { 0.2 * noise } else { noise };
    let lost = body.noise.cell(402, (t / 60.0) as i64) < 0.004;
    let person = &body.person;
    CgmMessage {
        schema: CGM.to_owned(),
        patient: person.id.clone(),
        encounter: Some(person.encounter.clone()),
        location: Some(person.location.clone()),
        source: super::source("cgm-gateway"),
        time,
        glucose: (!lost).then(|| round(glucose, 0)),
        unit: "mg/dL".to_owned(),
    }
}
