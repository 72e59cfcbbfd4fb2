//! A stay as an hourly table: the columns of the PhysioNet/CinC Challenge 2019, for training.
//!
//! `SepsisLabel` follows the challenge: 1 from 6 hours before onset to the end of the stay (Reyna et
//! al., Crit Care Med 48:210, 2020). `DeteriorationLabel` is ours: 1 from 6 hours before the onset
//! of shock or respiratory failure until it has passed.

use std::io::{self, Write};

use bedwatch_schemas::{event::Sex, signal::Signal};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    course::{Episode, Opening, Scenario},
    labs::{Panel, Schedule, printed, round},
    physiology::Physiology,
    rng::{Concern, between, chance, stream},
};
use crate::cinc2019::MEASURED;

/// One hour of a stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Hour {
    /// The measured columns in the challenge's order and units (FiO2 as a fraction); `None` where
    /// nothing was measured.
    pub values: [Option<f64>; 34],
    /// 1 from 6 hours before sepsis onset.
    pub sepsis: bool,
    /// 1 from 6 hours before shock or respiratory failure until its end.
    pub deterioration: bool,
}

/// A simulated stay by the hour.
#[derive(Debug, Clone, PartialEq)]
pub struct HourlyStay {
    /// Age in years.
    pub age_years: f64,
    /// Sex.
    pub sex: Sex,
    /// Whether the bed is in the medical unit (`Unit1`); `None` where the table does not say.
    pub medical_unit: Option<bool>,
    /// Hours from hospital to unit admission, negative as in the challenge.
    pub hospital_admission: f64,
    /// The hours, the first being `ICULOS` 1.
    pub hours: Vec<Hour>,
}

/// Simulates a stay of `hours` hours by the hour. The same arguments give the same stay.
#[must_use]
pub fn hourly_table(seed: u64, bed: u64, hours: usize, scenario: Scenario) -> HourlyStay {
    let rng = &mut stream(seed, bed, 0, Concern::Hourly);
    let length = hours as f64 * 3_600.0;
    // From a few hours into the stay to its end, so that some onsets are early and some late.
    let onset = between(rng, (0.12 * length).min(5.0 * 3_600.0), length);
    let opening = match scenario {
        Scenario::Stable => Opening::None,
        _ => Opening::First(Episode::random(scenario, onset, rng)),
    };
    let midnight = between(rng, 0.0, 86_400.0);
    let key = (seed, bed, 0);
    let mut body = Physiology::new(key, opening, 0.0, -4.0 * 3_600.0, None, midnight);
    body.course.extend(length);
    let mut table = vec![Hour { values: [None; 34], sepsis: false, deterioration: false }; hours];
    chart_vitals(&mut table, &mut body, rng);
    chart_labs(&mut table, key, &mut body, length, rng);
    label(&mut table, &body);
    HourlyStay {
        age_years: round(body.person.age_years, 2),
        sex: body.person.sex,
        medical_unit: chance(rng, 0.55).then(|| chance(rng, 0.5)),
        hospital_admission: -round(body.person.hours_before_unit, 2),
        hours: table,
    }
}

/// The column of a signal; the ward's arterial pressures stand in the pressure columns.
fn column(signal: Signal) -> Option<usize> {
    let signal = match signal {
        Signal::AbpSystolic => Signal::NibpSystolic,
        Signal::AbpMean => Signal::NibpMean,
        Signal::AbpDiastolic => Signal::NibpDiastolic,
        // Not in the challenge: the ward's cuff readings are not written.
        Signal::NibpSystolic | Signal::NibpMean | Signal::NibpDiastolic => return None,
        other => other,
    };
    MEASURED.iter().position(|(_, s)| *s == signal)
}

fn set(hour: &mut Hour, signal: Signal, value: f64) {
    if let Some(i) = column(signal) {
        hour.values[i] = Some(value);
    }
}

fn chart_vitals(table: &mut [Hour], body: &mut Physiology, rng: &mut ChaCha8Rng) {
    let diastolic = if chance(rng, 0.6) { 0.9 } else { 0.15 };
    let temperature = between(rng, 0.22, 0.5);
    let capnography = body.person.ventilated && chance(rng, 0.2);
    let mut fio2_before = None;
    for (i, hour) in table.iter_mut().enumerate() {
        let t = (i as f64 + rng.random::<f64>()) * 3_600.0;
        let v = body.vitals(t);
        // The admission hour is often blank, as in the real tables.
        let there = if i == 0 { 0.35 } else { 1.0 };
        let mut chart = |signal: Signal, probability: f64, value: f64| {
            if chance(rng, probability * there) {
                set(hour, signal, value);
            }
        };
        let slip = body.noise.cell(300, i as i64);
        // A slipping oximeter or a kinked line is charted now and then.
        let spo2 = if slip < 0.006 { v.spo2 - 18.0 * (slip / 0.006) } else { v.spo2 };
        chart(Signal::HeartRate, 0.92, v.heart_rate.round());
        chart(Signal::Spo2, 0.88, spo2.round());
        chart(Signal::Temperature, temperature, round(v.temperature, 1));
        chart(Signal::AbpSystolic, 0.87, v.systolic.round());
        chart(Signal::AbpMean, 0.89, v.map.round());
        chart(Signal::AbpDiastolic, diastolic, v.diastolic.round());
        chart(Signal::RespRate, 0.86, v.resp_rate.round());
        chart(Signal::Etco2, if capnography { 0.7 } else { 0.0 }, v.etco2.round());
        let changed = fio2_before.is_some_and(|f: f64| (f - v.fio2).abs() > 1.0);
        let charted = if changed {
            0.75
        } else if v.fio2 > 21.0 {
            0.13
        } else {
            0.02
        };
        chart(Signal::Fio2, charted, v.fio2 / 100.0);
        fio2_before = Some(v.fio2);
    }
}

fn chart_labs(
    table: &mut [Hour],
    key: (u64, u64, u64),
    body: &mut Physiology,
    length: f64,
    rng: &mut ChaCha8Rng,
) {
    for panel in Panel::ALL {
        let mut schedule = Schedule::new(key, panel, 0.0, body);
        while schedule.next_at() < length {
            let draw = schedule.draw(body);
            let Some(hour) = table.get_mut((draw.release / 3_600.0) as usize) else { continue };
            for &signal in panel.signals() {
                // Lactate and the rest of a gas are not always asked for; a clotted tube gives nothing.
                let asked = match signal {
                    Signal::Lactate => 0.55,
                    Signal::Fibrinogen => 0.35,
                    Signal::Calcium | Signal::Phosphate => 0.7,
                    Signal::BilirubinTotal => 0.8,
                    Signal::TroponinI => 0.5,
                    _ => 0.96,
                };
                if let (true, Some(value)) = (chance(rng, asked), body.lab(signal, draw.specimen)) {
                    set(hour, signal, printed(signal, value));
                }
            }
            if panel == Panel::Liver && chance(rng, 0.12) {
                let value = body.lab(Signal::BilirubinDirect, draw.specimen).unwrap_or_default();
                set(hour, Signal::BilirubinDirect, round(value, 1));
            }
            if panel == Panel::Gas && chance(rng, 0.4) {
                let value = body.lab(Signal::Sao2, draw.specimen).unwrap_or_default();
                set(hour, Signal::Sao2, value.round());
            }
        }
    }
}

fn label(table: &mut [Hour], body: &Physiology) {
    for episode in &body.course.episodes {
        for (i, hour) in table.iter_mut().enumerate() {
            // The hour ends at (i + 1) h: what it says is known then.
            let end = (i as f64 + 1.0) * 3_600.0;
            if episode.scenario == Scenario::Sepsis && end >= episode.onset - 6.0 * 3_600.0 {
                hour.sepsis = true;
            }
            if let Some(onset) = episode.failure_onset() {
                let over = episode.onset + episode.acute + episode.hold + 0.5 * episode.recovery;
                hour.deterioration |= end >= onset - 6.0 * 3_600.0 && end <= over;
            }
        }
    }
}

/// The mix of a training set: about 10 % sepsis, 10 % other deterioration, the rest without.
#[must_use]
pub fn training_scenario(seed: u64, bed: u64) -> Scenario {
    let rng = &mut stream(seed, bed, 1, Concern::Hourly);
    match rng.random_range(0..100) {
        0..10 => Scenario::Sepsis,
        10..15 => Scenario::HaemorrhagicShock,
        15..20 => Scenario::RespiratoryFailure,
        20..23 => Scenario::Seizure,
        23..26 => Scenario::Hypoglycaemia,
        _ => Scenario::Stable,
    }
}

/// The length of a training stay in hours: 12 to `most`, most of them one to two days.
#[must_use]
pub fn training_hours(seed: u64, bed: u64, most: usize) -> usize {
    let rng = &mut stream(seed, bed, 2, Concern::Hourly);
    let hours = 12.0 + 60.0 * rng.random::<f64>().powf(1.3);
    (hours as usize).min(most.max(1))
}

/// Writes a stay in the challenge's PSV form with `DeteriorationLabel` as the last column.
///
/// # Errors
/// When the writer fails.
pub fn write_psv(stay: &HourlyStay, mut out: impl Write) -> io::Result<()> {
    let mut text = String::new();
    for (name, _) in MEASURED {
        text.push_str(name);
        text.push('|');
    }
    text.push_str("Age|Gender|Unit1|Unit2|HospAdmTime|ICULOS|SepsisLabel|DeteriorationLabel\n");
    let gender = u8::from(stay.sex == Sex::Male);
    let unit = |yes: Option<bool>| yes.map_or("NaN", |y| if y { "1" } else { "0" });
    for (i, hour) in stay.hours.iter().enumerate() {
        for value in &hour.values {
            match value {
                Some(x) => text.push_str(&format!("{x}|")),
                None => text.push_str("NaN|"),
            }
        }
        text.push_str(&format!(
            "{}|{gender}|{}|{}|{}|{}|{}|{}\n",
            stay.age_years,
            unit(stay.medical_unit),
            unit(stay.medical_unit.map(|m| !m)),
            stay.hospital_admission,
            i + 1,
            u8::from(hour.sepsis),
            u8::from(hour.deterioration),
        ));
    }
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_arguments_give_the_same_bytes() {
        let psv = |bed| {
            let mut out = Vec::new();
            write_psv(&hourly_table(11, bed, 30, Scenario::Sepsis), &mut out).unwrap();
            out
        };
        assert_eq!(psv(4), psv(4));
        assert_ne!(psv(4), psv(5));
    }

    #[test]
    fn labels_begin_six_hours_before_onset() {
        let mut seen = 0;
        for bed in 0..40 {
            let stay = hourly_table(3, bed, 60, Scenario::Sepsis);
            let first = stay.hours.iter().position(|h| h.sepsis).unwrap();
            assert!(stay.hours[first..].iter().all(|h| h.sepsis), "to the end of the stay");
            seen += usize::from(first > 0);
            let shock = hourly_table(3, bed, 60, Scenario::HaemorrhagicShock);
            assert!(shock.hours.iter().any(|h| h.deterioration));
            assert!(shock.hours.iter().all(|h| !h.sepsis));
            let calm = hourly_table(3, bed, 60, Scenario::Stable);
            assert!(calm.hours.iter().all(|h| !h.sepsis && !h.deterioration));
        }
        assert!(seen > 25);
    }

    /// Shares of hours with a value, against bounds around the real tables of the challenge.
    #[test]
    fn missingness_resembles_the_real_tables() {
        let mut hours = 0_usize;
        let mut counts = [0_usize; 34];
        for bed in 0..150 {
            let stay = hourly_table(1, bed, 40, training_scenario(1, bed));
            hours += stay.hours.len();
            for hour in &stay.hours {
                for (count, value) in counts.iter_mut().zip(&hour.values) {
                    *count += usize::from(value.is_some());
                }
            }
        }
        let bounds = [
            ("HR", 0.85, 0.95),
            ("O2Sat", 0.8, 0.93),
            ("Temp", 0.2, 0.45),
            ("SBP", 0.75, 0.93),
            ("Resp", 0.75, 0.93),
            ("Lactate", 0.02, 0.09),
            ("WBC", 0.05, 0.12),
            ("Creatinine", 0.06, 0.13),
            ("pH", 0.06, 0.2),
            ("Platelets", 0.05, 0.12),
            ("Bilirubin_total", 0.01, 0.04),
            ("Glucose", 0.08, 0.25),
            ("PTT", 0.02, 0.07),
        ];
        for (name, lo, hi) in bounds {
            let i = MEASURED.iter().position(|(n, _)| *n == name).unwrap();
            let share = counts[i] as f64 / hours as f64;
            assert!((lo..=hi).contains(&share), "{name} {share}");
        }
    }
}
