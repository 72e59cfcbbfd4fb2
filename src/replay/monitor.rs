//! The alarms of a bedside monitor, each judged by the engine at the moment it sounded.
//!
//! The engine is asked when everything that arrived up to the alarm has been folded and nothing later has.
//! What it says is an annotation: alarms of monitors are neither raised nor withheld here.

use std::{collections::VecDeque, sync::Arc};

use bedwatch_features::cardiac::ventricular::{BOUNDS, Counts, Evidence, Support};
use bedwatch_replay_data::readers::{AlarmKind, MonitorAlarm};
use bedwatch_schemas::{
    event::{Body, Modality},
    time::{ArrivalTime, EventTime, Span},
    waveform::WaveformBlock,
};

use serde::{Deserialize, Serialize};

use super::source::Input;
use crate::engine::Core;

/// What is drawn before an alarm.
pub const STRIP: Span = Span::secs(10);
/// The rate that is drawn, at least.
const DRAWN_HZ: f64 = 60.0;
/// ECG leads drawn; one pulse comes beside them.
const LEADS: usize = 2;

/// An alarm with what the engine says of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judged {
    /// The alarm.
    pub alarm: MonitorAlarm,
    /// What the seconds before it showed; `None` for kinds of alarms that nothing here judges, and where no
    /// ECG and no pulse came.
    pub evidence: Option<Evidence>,
    /// The last seconds before it.
    pub strip: Vec<Trace>,
}

/// What of a source's ECG and pulses could not be looked at, over its patients.
pub(super) fn unused(core: &Core) -> Counts {
    let mut all = Counts::default();
    for counts in core.patients().values().map(|p| p.state.ventricular_counts()) {
        all.overlap_samples += counts.overlap_samples;
        all.gap_samples += counts.gap_samples;
        all.resets += counts.resets;
        all.refused_blocks += counts.refused_blocks;
    }
    all
}

/// One channel of a strip, up to the alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The channel's label, as the source writes it.
    pub label: String,
    /// Seconds before the alarm and value, `NaN` where missing, in the order of time.
    pub points: Vec<[f32; 2]>,
}

impl Judged {
    /// Whether the alarm is supported; `None` for kinds that nothing here judges.
    #[must_use]
    pub fn support(&self) -> Option<Support> {
        let unknown = Some(Support::Unknown);
        match self.alarm.kind {
            AlarmKind::VentricularTachycardia => self.evidence.map(|e| e.support(&BOUNDS)).or(unknown),
            AlarmKind::Asystole
            | AlarmKind::Bradycardia
            | AlarmKind::Tachycardia
            | AlarmKind::VentricularFlutter => None,
        }
    }
}

/// The alarms of a source that are still to come.
pub(super) struct Judge {
    alarms: VecDeque<MonitorAlarm>,
    cell: Span,
    /// Blocks that may be drawn, oldest first.
    recent: VecDeque<Arc<WaveformBlock>>,
    judged: Vec<Judged>,
}

impl Judge {
    pub(super) fn new(alarms: Vec<MonitorAlarm>, cell: Span) -> Self {
        Self { alarms: alarms.into(), cell, recent: VecDeque::new(), judged: Vec::new() }
    }

    /// Keeps what may be drawn of an input.
    pub(super) fn hear(&mut self, input: &Input) {
        if let (Input::Event(event), false) = (input, self.alarms.is_empty())
            && let Body::Waveform(block) = &event.body
        {
            while self.recent.front().is_some_and(|b| block.start.since(b.end()) > STRIP) {
                self.recent.pop_front();
            }
            self.recent.push_back(block.clone());
        }
    }

    /// Asks about the alarms whose own cell ends before the one that is folded next.
    pub(super) fn before(&mut self, next_end: ArrivalTime, core: &Core) {
        let cell = self.cell;
        let is_due = |alarm: &&MonitorAlarm| alarm.at.as_arrival_time().floor(cell) + cell < next_end;
        while let Some(alarm) = self.alarms.front().filter(is_due).copied() {
            self.alarms.pop_front();
            self.judge(alarm, core);
        }
    }

    /// Asks about the alarms left at the end.
    pub(super) fn finish(mut self, core: &Core) -> Vec<Judged> {
        while let Some(alarm) = self.alarms.pop_front() {
            self.judge(alarm, core);
        }
        self.judged
    }

    fn judge(&mut self, alarm: MonitorAlarm, core: &Core) {
        let evidence = (alarm.kind == AlarmKind::VentricularTachycardia)
            .then(|| core.patients().values().find_map(|p| p.state.ventricular(alarm.at)))
            .flatten();
        let strip = strip(&self.recent, alarm.at);
        self.judged.push(Judged { alarm, evidence, strip });
    }
}

/// The last seconds before `at` of up to two ECG leads and of one pulse: arterial pressure before pleth.
fn strip(blocks: &VecDeque<Arc<WaveformBlock>>, at: EventTime) -> Vec<Trace> {
    let of = |modality: Modality, most: usize| {
        let own = || blocks.iter().filter(move |b| b.kind.modality() == modality);
        let channels = own().next_back().map_or(0, |b| b.channels.len());
        (0..channels.min(most)).filter_map(move |i| trace(own(), i, at)).collect::<Vec<_>>()
    };
    let pulse = [Modality::Abp, Modality::Pleth].into_iter().map(|m| of(m, 1)).find(|t| !t.is_empty());
    of(Modality::Ecg, LEADS).into_iter().chain(pulse.into_iter().flatten()).collect()
}

fn trace<'a>(
    blocks: impl Iterator<Item = &'a Arc<WaveformBlock>>,
    channel: usize,
    at: EventTime,
) -> Option<Trace> {
    let mut found: Option<Trace> = None;
    for block in blocks {
        let samples = block.channels.get(channel)?;
        let step = ((block.rate.hz() / DRAWN_HZ) as usize).max(1);
        let point = |(i, value): (usize, &f32)| {
            let before = at.since(block.start + block.rate.span_of(i));
            (before.0 > 0 && before <= STRIP).then_some([before.as_secs_f64() as f32, *value])
        };
        let points = samples.samples.iter().enumerate().step_by(step).filter_map(point);
        let label = || Trace { label: samples.label.clone(), points: Vec::new() };
        found.get_or_insert_with(label).points.extend(points);
    }
    found.filter(|trace| trace.points.iter().any(|[_, value]| value.is_finite()))
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::waveform::{Channel, SampleRate, WaveformKind};

    use super::*;

    fn at(secs: i64) -> EventTime {
        EventTime::from_millis(946_684_800_000) + Span::secs(secs)
    }

    fn block(kind: WaveformKind, start: i64, labels: &[&str]) -> Arc<WaveformBlock> {
        let samples: Vec<f32> = (0..250).map(|i| (start * 250 + i) as f32).collect();
        let channel = |label: &&str| Channel { label: (*label).to_owned(), samples: samples.clone() };
        let rate = SampleRate::new(250.0).unwrap();
        Arc::new(WaveformBlock {
            kind,
            start: at(start),
            rate,
            channels: labels.iter().map(channel).collect(),
        })
    }

    #[test]
    fn a_strip_ends_with_its_alarm() {
        let mut blocks = VecDeque::new();
        for start in 0..20 {
            blocks.push_back(block(WaveformKind::Ecg, start, &["II", "V", "I"]));
            blocks.push_back(block(WaveformKind::Pleth, start, &["PLETH"]));
        }
        let drawn = strip(&blocks, at(15));
        let labels: Vec<&str> = drawn.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(labels, ["II", "V", "PLETH"]);
        for trace in &drawn {
            // Every fourth sample of 250 Hz, each second's block anew.
            assert_eq!(trace.points.len(), 630);
            assert_eq!((trace.points[0], trace.points[629]), ([10.0, 1_250.0], [0.008, 3_748.0]));
        }
        blocks.extend((0..20).map(|start| block(WaveformKind::Abp, start, &["ABP"])));
        assert_eq!(strip(&blocks, at(15))[2].label, "ABP");
        assert_eq!(strip(&VecDeque::new(), at(15)), []);
    }

    #[test]
    fn only_ventricular_tachycardia_is_judged() {
        for kind in AlarmKind::ALL {
            let alarm = MonitorAlarm { at: at(0), kind, truth: None };
            let judged = Judged { alarm, evidence: None, strip: Vec::new() };
            let want = (kind == AlarmKind::VentricularTachycardia).then_some(Support::Unknown);
            assert_eq!(judged.support(), want, "{kind:?}");
        }
    }
}
