//! One patient's stay in a bed: every sender of records with its own clock.
//!
//! Each sender advances by itself up to a time; a record is known by its sender and number, so the
//! order of records of the same moment does not depend on how the simulation is cut.

mod opening;

use bedwatch_schemas::{
    event::Stream,
    ids::PatientId,
    signal::Signal,
    time::{EventTime, Span},
    waveform::{SampleRate, WaveformBlock, WaveformKind, WaveformMessage, encode_arrow},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    beats::{self, Beats},
    course::{Opening, Scenario},
    drugs::Drugs,
    eeg::{self, Eeg},
    fhir,
    hl7::{self, Administrative, Envelope, Report},
    labs::{Draw, Panel, Schedule, printed, round},
    monitor::{self, Disturbance, Reading},
    physiology::Physiology,
    rng::{Concern, between, chance, stream},
};

pub(crate) use opening::demo_opening;
use opening::{forced_draws, moves};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Waveforms of the history: enough for every waveform window.
const WAVEFORM_HISTORY: i64 = 70 * SECOND;

/// A record not yet handed out. Times in microseconds from the live start.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub at: i64,
    pub stream: Stream,
    pub sender: u8,
    pub number: u64,
    pub key: PatientId,
    pub payload: Vec<u8>,
}

/// How a stay begins and ends. Times in microseconds from the live start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub from: i64,
    pub to: i64,
    pub opening: Opening,
    pub rate_per_hour: f64,
    pub eeg: bool,
    pub waveforms: bool,
}

/// A stay in progress.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    key: (u64, u64, u64),
    live: EventTime,
    plan: Plan,
    pub body: Physiology,
    moves: Vec<(i64, Administrative)>,
    moves_done: usize,
    next_vitals: i64,
    next_block: i64,
    next_cgm: i64,
    cgm_held: Vec<(i64, i64)>,
    next_cuff: i64,
    next_chart: i64,
    chart_rng: ChaCha8Rng,
    schedules: Vec<Schedule>,
    forced: Vec<Draw>,
    comment_rng: ChaCha8Rng,
    drugs: Drugs,
    beats: Beats,
    eeg: Eeg,
    counts: [u64; 16],
}

/// The senders, in the order that breaks ties.
#[derive(Debug, Clone, Copy)]
enum Sender {
    Administration = 0,
    Laboratory,
    Correction,
    Cuff,
    Chart,
    Drugs,
    Vitals,
    Waveforms,
    Eeg,
    Cgm,
}

impl Stay {
    pub(crate) fn new(key: (u64, u64, u64), live: EventTime, plan: Plan) -> Self {
        let (seed, bed, stay) = key;
        let from = secs(plan.from);
        // A textbook episode is shown on a clean stage; one by chance is not.
        let shown = match plan.opening {
            Opening::First(e) if e.variant.is_none() => Some(e.scenario),
            Opening::First(_) | Opening::None => None,
        };
        let midnight = (live.as_micros().rem_euclid(86_400 * SECOND)) as f64 / 1e6;
        let calm = shown.map(|_| Span::hours(1));
        let body = Physiology::new(key, plan.opening, plan.rate_per_hour, from, calm, midnight);
        let mut rng = stream(seed, bed, stay, Concern::Monitor);
        let mut phase = |lo: i64, hi: i64| (between(&mut rng, lo as f64, hi as f64) / 1e3) as i64 * 1_000;
        let align = |phase: i64, step: i64| phase + (plan.from - phase).div_euclid(step) * step + step;
        let second_phase = phase(0, SECOND);
        let cgm_phase =
            if shown == Some(Scenario::Hypoglycaemia) { 12 * SECOND } else { phase(0, 300 * SECOND) };
        let next_cuff = align(phase(8 * SECOND, 45 * SECOND), 15 * MINUTE);
        let schedules = Panel::ALL.iter().map(|&p| Schedule::new(key, p, from, &body)).collect();
        let forced = if shown.is_some() { forced_draws(shown) } else { Vec::new() };
        let drugs = Drugs::new(align(20 * SECOND, 5 * MINUTE));
        Self {
            live,
            plan,
            moves: moves(key, &plan, &body),
            moves_done: 0,
            next_vitals: align(second_phase, MINUTE),
            next_block: if plan.from < -WAVEFORM_HISTORY {
                second_phase - WAVEFORM_HISTORY
            } else {
                plan.from + second_phase
            },
            next_cgm: align(cgm_phase, 300 * SECOND),
            cgm_held: if shown == Some(Scenario::Hypoglycaemia) {
                vec![(-288 * SECOND, 11 * SECOND)]
            } else {
                Vec::new()
            },
            next_cuff,
            next_chart: plan.from + 10 * MINUTE,
            chart_rng: stream(seed, bed, stay, Concern::Charting),
            schedules,
            forced,
            comment_rng: stream(seed, bed, stay, Concern::Stay),
            drugs,
            beats: Beats::new(key, from.max(-secs(WAVEFORM_HISTORY) - 2.0)),
            eeg: Eeg::new(key, from.max(-secs(WAVEFORM_HISTORY) - 2.0)),
            counts: [0; 16],
            body,
            key,
        }
    }

    /// When the patient leaves, in microseconds from the live start.
    pub(crate) const fn ends(&self) -> i64 {
        self.plan.to
    }

    /// When the patient came, in microseconds from the live start.
    pub(crate) const fn begins(&self) -> i64 {
        self.plan.from
    }

    /// Makes every record that arises at or before `until`; some may be sent later.
    pub(crate) fn advance(&mut self, until: i64, out: &mut Vec<Pending>) {
        let until = until.min(self.plan.to);
        self.administration(until, out);
        self.laboratory(until, out);
        self.cuff(until, out);
        self.chart(until, out);
        self.drugs(until, out);
        self.vitals(until, out);
        self.blocks(until, out);
        self.cgm(until, out);
    }

    fn at(&self, t: i64) -> EventTime {
        self.live + Span(t)
    }

    fn push(&mut self, out: &mut Vec<Pending>, sender: Sender, stream: Stream, at: i64, payload: Vec<u8>) {
        let key = self.body.person.id.clone();
        self.push_for(key, out, sender, stream, at, payload);
    }

    fn push_for(
        &mut self,
        key: PatientId,
        out: &mut Vec<Pending>,
        sender: Sender,
        stream: Stream,
        at: i64,
        payload: Vec<u8>,
    ) {
        if at <= self.plan.to {
            let number = self.counts[sender as usize];
            self.counts[sender as usize] += 1;
            out.push(Pending { at, stream, sender: sender as u8, number, key, payload });
        }
    }

    /// A message number that no other message of the ward has.
    fn message_number(&self, sender: Sender) -> String {
        let (_, bed, stay) = self.key;
        format!(
            "{bed:04}{stay:03}{}{:06}",
            ["A", "L", "K", "N", "F", "D", "V", "W", "E", "G"][sender as usize],
            self.counts[sender as usize]
        )
    }

    fn administration(&mut self, until: i64, out: &mut Vec<Pending>) {
        while let Some((t, what)) = self.moves.get(self.moves_done).filter(|m| m.0 <= until).cloned() {
            self.moves_done += 1;
            let number = self.message_number(Sender::Administration);
            let envelope = Envelope {
                application: "ADT-SIM",
                facility: "REGISTRATION",
                number: &number,
                at: self.at(t),
            };
            let text = hl7::adt(envelope, &self.body.person, self.at(self.plan.from), &what);
            let key = if let Administrative::Admit(_, id) = &what {
                id.clone()
            } else {
                self.body.person.id.clone()
            };
            self.push_for(key, out, Sender::Administration, Stream::Hl7v2, t, text.into_bytes());
            if matches!(what, Administrative::Discharge) {
                let text = fhir::encounter(&self.body.person, self.at(self.plan.from), Some(self.at(t)));
                self.push(out, Sender::Administration, Stream::Fhir, t, text.into_bytes());
            }
        }
    }

    fn laboratory(&mut self, until: i64, out: &mut Vec<Pending>) {
        // In the order of specimens over all panels, since they share counters.
        loop {
            let due = (0..self.schedules.len())
                .min_by(|&a, &b| self.schedules[a].next_at().total_cmp(&self.schedules[b].next_at()));
            let Some(next) = due else { return };
            let specimen = self.schedules[next].next_at();
            let draw = match self.forced.first().copied().filter(|d| d.specimen <= specimen) {
                Some(forced) if micros(forced.specimen) <= until => {
                    self.forced.remove(0);
                    forced
                }
                None if micros(specimen) <= until => self.schedules[next].draw(&mut self.body),
                _ => return,
            };
            self.report(draw, out);
        }
    }

    fn report(&mut self, draw: Draw, out: &mut Vec<Pending>) {
        let mut values: Vec<(Signal, f64)> = Vec::new();
        for &signal in draw.panel.signals() {
            if let Some(value) = self.body.lab(signal, draw.specimen) {
                values.push((signal, printed(signal, value)));
            }
        }
        let (_, bed, stay) = self.key;
        let order = format!("{:02}{bed:04}{stay:03}{:05}", draw.panel as u8, draw.number);
        let comment = COMMENTS.get(self.comment_rng.random_range(0..COMMENTS.len() * 6)).copied();
        if draw.corrected {
            let mut wrong = values.clone();
            if let Some((signal, value)) = wrong.last_mut() {
                *value = printed(*signal, *value * 1.35);
            }
            self.send_report(Sender::Laboratory, &order, draw, draw.release, &wrong, false, comment, out);
            let later = draw.release + between(&mut self.comment_rng, 900.0, 5_400.0);
            self.send_report(Sender::Correction, &order, draw, later, &values, true, None, out);
        } else {
            self.send_report(Sender::Laboratory, &order, draw, draw.release, &values, false, comment, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    fn send_report(
        &mut self,
        sender: Sender,
        order: &str,
        draw: Draw,
        release: f64,
        values: &[(Signal, f64)],
        correction: bool,
        comment: Option<&str>,
        out: &mut Vec<Pending>,
    ) {
        let release = micros(release);
        let number = self.message_number(sender);
        let envelope = Envelope {
            application: "LAB-SIM",
            facility: "LABORATORY",
            number: &number,
            at: self.at(release),
        };
        let specimen = self.at(micros(draw.specimen));
        let report = Report { panel: draw.panel, order, specimen, values, correction, comment };
        let text = hl7::laboratory(envelope, &self.body.person, self.at(self.plan.from), &report);
        self.push(out, sender, Stream::Hl7v2, release, text.into_bytes());
    }

    fn cuff(&mut self, until: i64, out: &mut Vec<Pending>) {
        while self.next_cuff <= until {
            let t = self.next_cuff;
            self.next_cuff += 15 * MINUTE;
            let Some((v, shown)) = monitor::numerics(&mut self.body, secs(t), reading(t)) else { continue };
            let failed = self.body.noise.cell(403, t / MINUTE) < 0.02;
            // The cuff reads a little lower than the line at high and higher at low pressures.
            let cuff = |x: f64| (!failed).then(|| (x + (80.0 - x) * 0.06).round());
            let mut metrics = vec![
                (Signal::NibpSystolic, cuff(v.systolic)),
                (Signal::NibpDiastolic, cuff(v.diastolic)),
                (Signal::NibpMean, cuff(v.map)),
            ];
            // The line's numerics as the vitals feed shows them; a sentinel is a number in HL7 too.
            let line = [Signal::AbpSystolic, Signal::AbpDiastolic, Signal::AbpMean, Signal::HeartRate];
            metrics.extend(shown.into_iter().filter(|(s, _)| line.contains(s)));
            let number = self.message_number(Sender::Cuff);
            let envelope =
                Envelope { application: "MONITOR-SIM", facility: "WARD", number: &number, at: self.at(t) };
            let text = hl7::monitor(envelope, &self.body.person, self.at(self.plan.from), &metrics);
            self.push(out, Sender::Cuff, Stream::Hl7v2, t, text.into_bytes());
        }
    }

    fn chart(&mut self, until: i64, out: &mut Vec<Pending>) {
        while self.next_chart <= until {
            let t = self.next_chart;
            let first = t == self.plan.from + 10 * MINUTE;
            let rng = &mut self.chart_rng;
            let mut next = t + micros(between(rng, 3_000.0, 14_000.0));
            // A round of charting just after the live start.
            let live_round = micros(between(rng, 12.0, 32.0));
            if t < 0 && next > 0 {
                next = live_round;
            }
            self.next_chart = next;
            self.chart_round(t, first, out);
        }
    }

    fn chart_round(&mut self, t: i64, first: bool, out: &mut Vec<Pending>) {
        let v = self.body.vitals(secs(t));
        let at = self.at(t);
        let number = self.message_number(Sender::Chart);
        let mut values = vec![(Signal::Temperature, round(v.temperature, 1)), (Signal::GcsTotal, v.gcs)];
        if v.fio2 > 21.0 || first {
            values.push((Signal::Fio2, v.fio2));
        }
        let person = &self.body.person;
        let mut resources = Vec::new();
        if first {
            values.push((Signal::Weight, round(person.weight_kg, 1)));
            values.push((Signal::Height, round(person.height_cm, 0)));
            resources.push(fhir::patient(person, self.at(self.plan.from)));
            resources.push(fhir::encounter(person, self.at(self.plan.from), None));
        }
        for (i, (signal, value)) in values.into_iter().enumerate() {
            resources.push(fhir::observation(person, &format!("{number}-{i}"), at, signal, value));
        }
        if first || chance(&mut self.chart_rng, 0.5) {
            let text = fhir::bundle(&number, at, &resources);
            self.push(out, Sender::Chart, Stream::Fhir, t, text.into_bytes());
        } else {
            for text in resources {
                self.push(out, Sender::Chart, Stream::Fhir, t, text.into_bytes());
            }
        }
    }

    fn drugs(&mut self, until: i64, out: &mut Vec<Pending>) {
        while self.drugs.next <= until {
            let t = self.drugs.next;
            let orders = self.drugs.step(&mut self.body, t);
            for order in orders {
                let number = self.message_number(Sender::Drugs);
                let text = order.resource(&self.body.person, &number, self.at(t));
                self.push(out, Sender::Drugs, Stream::Fhir, t, text.into_bytes());
            }
        }
    }

    fn vitals(&mut self, until: i64, out: &mut Vec<Pending>) {
        while self.next_vitals <= until {
            let t = self.next_vitals;
            self.next_vitals += if reading(t) == Reading::MinuteMedian { MINUTE } else { SECOND };
            let time = self.at(t);
            if let Some(message) = monitor::vitals_message(&mut self.body, secs(t), time, reading(t)) {
                let payload = serde_json::to_vec(&message).expect("numbers and strings are JSON");
                self.push(out, Sender::Vitals, Stream::Vitals, t, payload);
            }
        }
    }

    fn blocks(&mut self, until: i64, out: &mut Vec<Pending>) {
        // A block is sent when its last sample has been taken.
        while self.next_block + SECOND <= until && (self.plan.waveforms || self.plan.eeg) {
            let t = self.next_block;
            self.next_block += SECOND;
            if self.plan.waveforms {
                let disturbed = monitor::disturbance(&mut self.body, secs(t));
                let blocks = self.beats.second(&mut self.body, secs(t), disturbed);
                for (kind, channel) in blocks {
                    if disturbed != Disturbance::Silent {
                        self.block(Sender::Waveforms, t, kind, beats::rate_hz(kind), vec![channel], out);
                    }
                }
            }
            if self.plan.eeg {
                let channels = self.eeg.second(&mut self.body, secs(t));
                self.block(Sender::Eeg, t, WaveformKind::Eeg, eeg::RATE_HZ, channels, out);
            }
        }
    }

    fn block(
        &mut self,
        sender: Sender,
        t: i64,
        kind: WaveformKind,
        rate_hz: usize,
        channels: Vec<bedwatch_schemas::waveform::Channel>,
        out: &mut Vec<Pending>,
    ) {
        let person = &self.body.person;
        let rate = SampleRate::new(rate_hz as f64).expect("a constant between the limits");
        let message = WaveformMessage {
            patient: person.id.clone(),
            encounter: Some(person.encounter.clone()),
            location: Some(person.location.clone()),
            source: super::source(if kind == WaveformKind::Eeg { "eeg-headbox" } else { "monitor-gateway" }),
            block: WaveformBlock { kind, start: self.at(t), rate, channels },
        };
        let step = match kind {
            WaveformKind::Eeg => 0.1,
            WaveformKind::Abp => 0.05,
            _ => 0.001,
        };
        let payload = encode_arrow(&message, Some(step)).expect("channels of one length make a batch");
        self.push(out, sender, Stream::Waveforms, t + SECOND, payload);
    }

    fn cgm(&mut self, until: i64, out: &mut Vec<Pending>) {
        while self.next_cgm <= until {
            let t = self.next_cgm;
            self.next_cgm += 300 * SECOND;
            let time = self.at(t);
            let mut message = monitor::cgm_message(&mut self.body, secs(t), time);
            // Radio trouble before a demonstrated low: one reading failed, the next comes late.
            let sent = match self.cgm_held.first() {
                Some(&(held, sent)) if held == t => sent,
                Some(&(held, _)) if held == t + 300 * SECOND => {
                    message.glucose = None;
                    t
                }
                _ => t,
            };
            let payload = serde_json::to_vec(&message).expect("numbers and strings are JSON");
            self.push(out, Sender::Cgm, Stream::Cgm, sent, payload);
        }
    }
}

/// Comments for people; no machine should read them.
const COMMENTS: [&str; 4] = [
    "Specimen slightly haemolysed.",
    "Result called to the ward.",
    "Repeat suggested if clinically indicated.",
    "Drawn from arterial line.",
];

/// The past is stored by the minute, the present shown by the second.
const fn reading(t: i64) -> Reading {
    if t < -MINUTE { Reading::MinuteMedian } else { Reading::Momentary }
}

fn secs(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Whole milliseconds, since HL7 timestamps carry no more.
fn micros(secs: f64) -> i64 {
    (secs * 1e3).round() as i64 * 1_000
}
