//! Real records: MIT-BIH 100 and 105 against their annotated beats, BIDMC 01 pleth against ECG.

use super::*;

fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var("BEDWATCH_SHARED").unwrap_or_else(|_| "../../shared/data".into());
    std::fs::read(format!("{root}/waveforms/{path}")).ok()
}

/// The first of two signals of a format-212 file, in mV at gain 200 about 1024.
fn signal_212(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(3)
        .map(|b| {
            let raw = i32::from(b[0]) | (i32::from(b[1] & 0x0f) << 8);
            let signed = if raw > 2_047 { raw - 4_096 } else { raw };
            (signed - 1_024) as f32 / 200.0
        })
        .collect()
}

/// Sample numbers of the beat annotations of an MIT annotation file.
fn beats_of(bytes: &[u8]) -> Vec<u64> {
    const BEATS: [u16; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 34, 35, 38, 41];
    let word = |i: usize| u16::from_le_bytes([bytes[i], bytes[i + 1]]);
    let (mut i, mut time, mut beats) = (0, 0u64, Vec::new());
    while i + 1 < bytes.len() && word(i) != 0 {
        let (code, number) = (word(i) >> 10, u64::from(word(i) & 0x3ff));
        i += 2;
        match code {
            59 => {
                time += (u64::from(word(i)) << 16) | u64::from(word(i + 2));
                i += 4;
            }
            60..=62 => {}
            63 => i += (number as usize).div_ceil(2) * 2,
            _ => {
                time += number;
                if BEATS.contains(&code) {
                    beats.push(time);
                }
            }
        }
    }
    beats
}

#[test]
fn mit_bih_beats() {
    // (record, annotations, least sensitivity and positive predictive value)
    let cases = [("wfdb-samples/100", 0.99, 0.99), ("wfdb-samples/toolbox/105", 0.95, 0.95)];
    for (record, least_sensitivity, least_ppv) in cases {
        let (Some(dat), Some(atr)) = (shared(&format!("{record}.dat")), shared(&format!("{record}.atr")))
        else {
            println!("skipped: mit_bih_beats (no shared data)");
            return;
        };
        let rate = if record.ends_with("a01") { 100.0 } else { 360.0 };
        let samples = signal_212(&dat);
        // Beats are kept for five minutes: read them off block by block.
        let mut cardiac = Cardiac::new(Modality::Ecg);
        let mut found: Vec<f64> = Vec::new();
        for (i, chunk) in samples.chunks(3_600).enumerate() {
            cardiac.push(&block(WaveformKind::Ecg, (i * 3_600) as f64 / rate, rate, chunk), provenance());
            let last = found.last().copied().unwrap_or(-1.0);
            found.extend(cardiac.lead.as_ref().unwrap().beats.iter().map(|b| b.sample).filter(|b| *b > last));
        }
        // Two seconds are for learning; the last is still pending.
        let bounds = (2.5 * rate) as u64..samples.len() as u64 - rate as u64;
        let truth: Vec<u64> = beats_of(&atr).into_iter().filter(|b| bounds.contains(b)).collect();
        found.retain(|b| bounds.contains(&(*b as u64)));
        let near = |a: f64, b: f64| (a - b).abs() <= 0.15 * rate;
        let hit = truth.iter().filter(|t| found.iter().any(|f| near(*f, **t as f64))).count();
        let right = found.iter().filter(|f| truth.iter().any(|t| near(**f, *t as f64))).count();
        let (sensitivity, ppv) = (hit as f64 / truth.len() as f64, right as f64 / found.len() as f64);
        let offsets: Vec<f64> = found
            .iter()
            .filter_map(|f| {
                truth
                    .iter()
                    .map(|t| f - *t as f64)
                    .filter(|d| d.abs() <= 0.15 * rate)
                    .min_by(|a, b| a.abs().total_cmp(&b.abs()))
            })
            .map(|d| d / rate * 1_000.0)
            .collect();
        let mean = offsets.iter().sum::<f64>() / offsets.len() as f64;
        let sd = (offsets.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / offsets.len() as f64).sqrt();
        println!(
            "{record}: {} annotated, sensitivity {sensitivity:.4}, PPV {ppv:.4}, offset {mean:.1} +- {sd:.1} ms",
            truth.len()
        );
        assert!(truth.len() > 1_000);
        assert!(sensitivity >= least_sensitivity && ppv >= least_ppv, "{record}: {sensitivity} {ppv}");
    }
}

#[test]
fn bidmc_pleth_and_ecg_agree() {
    let Some(csv) = shared("bidmc/bidmc_01_Signals.csv") else {
        println!("skipped: bidmc_pleth_and_ecg_agree (no shared data)");
        return;
    };
    let text = String::from_utf8(csv).unwrap();
    let rows: Vec<Vec<f32>> = text
        .lines()
        .skip(1)
        .map(|l| l.split(',').map(|f| f.trim().parse().unwrap_or(f32::NAN)).collect())
        .collect();
    let column = |i: usize| rows.iter().map(|r| r[i]).collect::<Vec<f32>>();
    let (pleth, ecg) = (column(2), column(5));
    let mut feeds = [
        (Cardiac::new(Modality::Pleth), WaveformKind::Pleth, pleth),
        (Cardiac::new(Modality::Ecg), WaveformKind::Ecg, ecg),
    ];
    let (mut both, mut close, mut frames, mut worst) = (0, 0, 0, 0.0_f64);
    for s in 0..rows.len() / 125 {
        for (cardiac, kind, samples) in &mut feeds {
            cardiac.push(&block(*kind, s as f64, 125.0, &samples[s * 125..(s + 1) * 125]), provenance());
        }
        let now = at(s as f64 + 1.0);
        let [Some(p), Some(e)] = [&feeds[0], &feeds[1]].map(|f| f.0.summary(now)) else { continue };
        frames += 1;
        if let (Some(p), Some(e)) = (p.rate_per_min, e.rate_per_min) {
            both += 1;
            close += usize::from((p - e).abs() <= 3.0);
            worst = worst.max((p - e).abs());
        }
    }
    println!("BIDMC 01: {frames} s, both rates believed {both}, within 3/min {close}, worst {worst:.1}/min");
    assert!(both as f64 > 0.7 * frames as f64 && close as f64 > 0.98 * both as f64);
}
