//! Frames as rows of named numbers, for the `bedwatch.features` archive.
//!
//! The columns are fixed by the code: their names and order do not depend on what a patient has,
//! and an absent number is `None`. A column is named `section.signal.statistic`; times are hours
//! before the frame, so that a row says how old each number is.

use std::sync::LazyLock;

use bedwatch_schemas::{
    event::Modality,
    frame::FeatureFrame,
    medication::Drug,
    score::ScoreKind,
    signal::{Signal, SignalClass},
    summary::{
        CardiacSummary, EegSummary, FeedState, Freshness, GlucoseSummary, InfusionSummary, LabSummary,
        VitalSummary, WindowLength, WindowStats,
    },
    time::{EventTime, Span},
};

/// The waveforms beats are taken from.
const BEATS: [Modality; 3] = [Modality::Ecg, Modality::Pleth, Modality::Abp];

static COLUMNS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut columns = Names(Vec::new());
    walk(None, &mut columns);
    columns.0
});

/// The names of the columns, in the order of [`row`].
#[must_use]
pub fn columns() -> &'static [String] {
    &COLUMNS
}

/// One frame as a row.
#[must_use]
pub fn row(frame: &FeatureFrame) -> Vec<Option<f64>> {
    let mut values = Values(Vec::with_capacity(columns().len()));
    walk(Some(frame), &mut values);
    values.0
}

/// Frames as columns: the inner vectors are as long as `frames`, in the order of [`columns`].
#[must_use]
pub fn table(frames: &[FeatureFrame]) -> Vec<Vec<Option<f64>>> {
    let mut table: Vec<Vec<Option<f64>>> =
        columns().iter().map(|_| Vec::with_capacity(frames.len())).collect();
    for frame in frames {
        for (column, value) in table.iter_mut().zip(row(frame)) {
            column.push(value);
        }
    }
    table
}

/// What a walk over the columns does with each: names and values come from one walk, so that they
/// cannot disagree.
trait Sink {
    fn put(&mut self, section: &str, name: &str, statistic: &str, value: Option<f64>);
}

struct Names(Vec<String>);
struct Values(Vec<Option<f64>>);

impl Sink for Names {
    fn put(&mut self, section: &str, name: &str, statistic: &str, _: Option<f64>) {
        let parts = [section, name, statistic];
        let parts: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        self.0.push(parts.join("."));
    }
}

impl Sink for Values {
    fn put(&mut self, _: &str, _: &str, _: &str, value: Option<f64>) {
        self.0.push(value.filter(|v| v.is_finite()));
    }
}

fn age(frame: Option<&FeatureFrame>, at: Option<EventTime>) -> Option<f64> {
    Some(frame?.at.since(at?).as_hours_f64())
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn minutes(span: Span) -> f64 {
    span.as_secs_f64() / 60.0
}

fn walk(frame: Option<&FeatureFrame>, out: &mut impl Sink) {
    let stay = frame.map(|f| f.at.since(f.stay_start).as_hours_f64());
    out.put("stay", "", "hours", stay);
    out.put("person", "", "age_years", frame.and_then(|f| f.demographics.age_years).map(f64::from));
    for &signal in Signal::ALL {
        match signal.info().class {
            SignalClass::Vital => vital(frame, signal, frame.and_then(|f| f.vital(signal)), out),
            SignalClass::Charted | SignalClass::Lab => {
                lab(frame, signal, frame.and_then(|f| f.lab(signal)), out);
            }
        }
    }
    for drug in Drug::ALL.into_iter().filter(|d| *d != Drug::Other) {
        let found = frame.and_then(|f| f.infusions.iter().find(|i| i.drug == drug));
        infusion(frame, drug, found, out);
    }
    eeg(frame, frame.and_then(|f| f.eeg.as_ref()), out);
    for modality in BEATS {
        let found = frame.and_then(|f| f.cardiac.iter().find(|c| c.modality == modality));
        cardiac(frame, modality, found, out);
    }
    glucose(frame, frame.and_then(|f| f.glucose.as_ref()), out);
    for kind in ScoreKind::ALL {
        let score = frame.and_then(|f| f.score(kind));
        out.put("score", kind.name(), "value", score.map(|s| s.value));
        out.put("score", kind.name(), "complete", score.map(|s| flag(s.complete)));
    }
    for modality in Modality::ALL {
        let found = frame.and_then(|f| f.freshness.iter().find(|x| x.modality == modality));
        freshness(frame, modality, found, out);
    }
}

fn window_name(length: WindowLength) -> &'static str {
    match length {
        WindowLength::M1 => "1m",
        WindowLength::M5 => "5m",
        WindowLength::H1 => "1h",
        WindowLength::H8 => "8h",
        WindowLength::H24 => "24h",
    }
}

fn vital(frame: Option<&FeatureFrame>, signal: Signal, v: Option<&VitalSummary>, out: &mut impl Sink) {
    let name = signal.name();
    out.put("vital", name, "last", v.map(|v| v.last));
    out.put("vital", name, "age_hours", age(frame, v.map(|v| v.at)));
    for length in WindowLength::ALL {
        let w = v.and_then(|v| v.window(length));
        let mut put = |statistic: &str, value: Option<f64>| {
            out.put("vital", name, &format!("{}_{statistic}", window_name(length)), value);
        };
        put("mean", w.map(|w| w.mean));
        put("min", w.map(|w| w.min));
        put("max", w.map(|w| w.max));
        put("sd", w.map(|w| w.sd));
        put("slope_per_hour", w.and_then(|w| w.slope_per_hour));
        put("count", w.map(|w| f64::from(w.count)));
        put("completeness", w.and_then(completeness));
    }
}

fn completeness(w: &WindowStats) -> Option<f64> {
    w.expected.map(|expected| (f64::from(w.count) / f64::from(expected.max(1))).min(1.0))
}

fn lab(frame: Option<&FeatureFrame>, signal: Signal, l: Option<&LabSummary>, out: &mut impl Sink) {
    let name = signal.name();
    out.put("lab", name, "last", l.map(|l| l.last));
    out.put("lab", name, "age_hours", age(frame, l.map(|l| l.at)));
    let delta = l.and_then(|l| l.previous.map(|(previous, _)| l.last - previous));
    out.put("lab", name, "delta", delta);
    out.put("lab", name, "24h_min", l.map(|l| l.range_24h.0));
    out.put("lab", name, "24h_max", l.map(|l| l.range_24h.1));
}

fn infusion(frame: Option<&FeatureFrame>, drug: Drug, i: Option<&InfusionSummary>, out: &mut impl Sink) {
    let name = drug.name();
    out.put("infusion", name, "running", i.map(|i| flag(i.running)));
    // In micrograms a kilogram and minute by the weight of the frame; other rates stand in no
    // column, since a column has one unit.
    let weight = frame.and_then(|f| f.lab(Signal::Weight)).map(|l| l.last);
    let rate = i.and_then(|i| i.rate).and_then(|r| crate::infusions::ug_per_kg_min(r, weight));
    out.put("infusion", name, "ug_per_kg_min", rate);
    out.put("infusion", name, "since_hours", age(frame, i.map(|i| i.since)));
}

fn eeg(frame: Option<&FeatureFrame>, e: Option<&EegSummary>, out: &mut impl Sink) {
    let mut put = |statistic: &str, value: Option<f64>| out.put("eeg", "", statistic, value);
    put("age_hours", age(frame, e.map(|e| e.at)));
    put("good_channels", e.map(|e| f64::from(e.good_channels)));
    put("channels", e.map(|e| f64::from(e.channels)));
    put("total_power_uv2", e.map(|e| e.total_power_uv2));
    for (i, band) in ["delta", "theta", "alpha", "beta"].into_iter().enumerate() {
        put(&format!("relative_{band}"), e.map(|e| e.relative_power[i]));
    }
    put("alpha_delta_ratio", e.map(|e| e.alpha_delta_ratio));
    put("sef95_hz", e.map(|e| e.sef95_hz));
    put("dominant_frequency_hz", e.map(|e| e.dominant_frequency_hz));
    put("spectral_entropy", e.map(|e| e.spectral_entropy));
    put("line_length_uv", e.map(|e| e.line_length_uv));
    put("aeeg_lower_uv", e.and_then(|e| e.aeeg_margins_uv.map(|m| m.0)));
    put("aeeg_upper_uv", e.and_then(|e| e.aeeg_margins_uv.map(|m| m.1)));
    put("burst_suppression_percent", e.and_then(|e| e.burst_suppression_percent));
    put("asymmetry", e.and_then(|e| e.asymmetry));
    put("line_noise_ratio", e.map(|e| e.line_noise_ratio));
    put("artifact_share", e.map(|e| e.artifact_share));
    put("seizure_score", e.map(|e| e.seizure_score));
    put("seizure_burden", e.map(|e| e.seizure_burden));
    put("seizure_minutes", e.map(|e| minutes(e.seizure_for)));
}

fn cardiac(
    frame: Option<&FeatureFrame>,
    modality: Modality,
    c: Option<&CardiacSummary>,
    out: &mut impl Sink,
) {
    let name = modality_name(modality);
    let mut put = |statistic: &str, value: Option<f64>| out.put("cardiac", name, statistic, value);
    put("age_hours", age(frame, c.map(|c| c.at)));
    put("rate_per_min", c.and_then(|c| c.rate_per_min));
    put("quality", c.map(|c| c.quality));
    put("beats", c.map(|c| f64::from(c.beats)));
    put("sdnn_ms", c.and_then(|c| c.sdnn_ms));
    put("rmssd_ms", c.and_then(|c| c.rmssd_ms));
    put("pnn50_percent", c.and_then(|c| c.pnn50_percent));
    put("lf_ms2", c.and_then(|c| c.lf_ms2));
    put("hf_ms2", c.and_then(|c| c.hf_ms2));
    put("systolic", c.and_then(|c| c.pressure.map(|p| p.0)));
    put("diastolic", c.and_then(|c| c.pressure.map(|p| p.1)));
    put("mean_pressure", c.and_then(|c| c.pressure.map(|p| p.2)));
}

fn glucose(frame: Option<&FeatureFrame>, g: Option<&GlucoseSummary>, out: &mut impl Sink) {
    let mut put = |statistic: &str, value: Option<f64>| out.put("glucose", "", statistic, value);
    put("last_mg_dl", g.map(|g| g.last_mg_dl));
    put("age_hours", age(frame, g.map(|g| g.at)));
    put("rate_mg_dl_min", g.and_then(|g| g.rate_mg_dl_min));
    put("forecast_20min_mg_dl", g.and_then(|g| g.forecast_20min_mg_dl));
    put("time_in_range_percent", g.map(|g| g.time_in_range_percent));
    put("time_below_percent", g.map(|g| g.time_below_percent));
    put("time_above_percent", g.map(|g| g.time_above_percent));
    put("cv_percent", g.and_then(|g| g.cv_percent));
    put("completeness", g.map(|g| g.completeness));
    put("below_70_minutes", g.map(|g| minutes(g.below_70_for)));
    put("below_54_minutes", g.map(|g| minutes(g.below_54_for)));
    put("compression_suspected", g.map(|g| flag(g.compression_suspected)));
}

fn freshness(frame: Option<&FeatureFrame>, modality: Modality, f: Option<&Freshness>, out: &mut impl Sink) {
    let name = modality_name(modality);
    out.put("feed", name, "age_hours", age(frame, f.map(|f| f.last_at)));
    out.put("feed", name, "stale", f.map(|f| flag(f.state == FeedState::Stale)));
    out.put("feed", name, "lost", f.map(|f| flag(f.state == FeedState::Lost)));
}

fn modality_name(modality: Modality) -> &'static str {
    match modality {
        Modality::Vitals => "vitals",
        Modality::Ecg => "ecg",
        Modality::Pleth => "pleth",
        Modality::Abp => "abp",
        Modality::Eeg => "eeg",
        Modality::Cgm => "cgm",
        Modality::Resp => "resp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, PatientState};
    use bedwatch_schemas::{
        event::{Body, Event, Numeric},
        ids::{PatientId, SourceId},
    };

    fn frame() -> FeatureFrame {
        let patient = PatientId::new("p").unwrap();
        let mut state = PatientState::new(patient.clone(), &Config::default());
        for (hour, signal, value) in
            [(0, Signal::Lactate, 2.0), (1, Signal::Lactate, 3.5), (2, Signal::HeartRate, 90.0)]
        {
            let at = EventTime::from_millis(1_700_000_000_000) + Span::hours(hour);
            state.apply(&Event {
                patient: patient.clone(),
                encounter: None,
                location: None,
                source: SourceId::new("test").unwrap(),
                event_time: at,
                arrival: at.as_arrival_time(),
                provenance: crate::word::provenance(hour),
                body: Body::Numeric(Numeric::new(signal, value)),
            });
        }
        state.frame(EventTime::from_millis(1_700_000_000_000) + Span::hours(2))
    }

    #[test]
    fn names_are_unique_and_rows_fit_them() {
        let mut names = columns().to_vec();
        assert_eq!(row(&frame()).len(), names.len());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), columns().len());
    }

    #[test]
    fn numbers_stand_under_their_names() {
        let values = row(&frame());
        let value = |name: &str| values[columns().iter().position(|c| c == name).unwrap()];
        assert_eq!(value("stay.hours"), Some(2.0));
        assert_eq!(value("vital.heart_rate.last"), Some(90.0));
        assert_eq!(value("vital.heart_rate.24h_count"), Some(1.0));
        assert_eq!(value("lab.lactate.delta"), Some(1.5));
        assert_eq!(value("lab.lactate.age_hours"), Some(1.0));
        assert_eq!(value("lab.creatinine.last"), None, "missing is not zero");
        assert_eq!(table(&[frame(), frame()])[0], [Some(2.0), Some(2.0)]);
    }
}
