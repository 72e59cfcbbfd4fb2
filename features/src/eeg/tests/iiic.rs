//! Real critical-care EEG: 16 segments of the IIIC data (Jing et al. 2023), 50 s each, of which experts
//! labelled seconds 20-30. Prints what the score says of each class; asserts only that the numbers are
//! sane, because two seizures and fourteen others cannot fix an operating point.

use super::*;

/// One EDF file: labels, rate and physical samples by channel. Reads what the IIIC files are: one
/// rate, 16-bit, plus an annotation channel.
fn edf(bytes: &[u8]) -> (Vec<String>, f64, Vec<Vec<f32>>) {
    let text =
        |from: usize, len: usize| std::str::from_utf8(&bytes[from..from + len]).unwrap().trim().to_owned();
    let number = |from: usize, len: usize| text(from, len).parse::<f64>().unwrap();
    let (header, records, duration, n) =
        (number(184, 8) as usize, number(236, 8) as usize, number(244, 8), number(252, 4) as usize);
    let field = |offset: usize, len: usize, i: usize| 256 + offset * n + i * len;
    let labels: Vec<String> = (0..n).map(|i| text(field(0, 16, i), 16)).collect();
    let scale: Vec<(f64, f64)> = (0..n)
        .map(|i| {
            let (lo, hi) = (number(field(104, 8, i), 8), number(field(112, 8, i), 8));
            let (dlo, dhi) = (number(field(120, 8, i), 8), number(field(128, 8, i), 8));
            ((hi - lo) / (dhi - dlo), lo - dlo * (hi - lo) / (dhi - dlo))
        })
        .collect();
    let counts: Vec<usize> = (0..n).map(|i| number(field(216, 8, i), 8) as usize).collect();
    let mut samples = vec![Vec::new(); n];
    let mut place = header;
    for _ in 0..records {
        for i in 0..n {
            for _ in 0..counts[i] {
                let digital = f64::from(i16::from_le_bytes([bytes[place], bytes[place + 1]]));
                samples[i].push((digital * scale[i].0 + scale[i].1) as f32);
                place += 2;
            }
        }
    }
    let rate = counts[0] as f64 / duration;
    let keep: Vec<usize> = (0..n).filter(|&i| !labels[i].starts_with("EDF")).collect();
    (
        keep.iter().map(|&i| labels[i].clone()).collect(),
        rate,
        keep.iter().map(|&i| samples[i].clone()).collect(),
    )
}

#[test]
fn iiic_segments() {
    let root = std::env::var("BEDWATCH_SHARED").unwrap_or_else(|_| "../../shared/data".into());
    let Ok(folder) = std::fs::read_dir(format!("{root}/eeg/iiic")) else {
        println!("skipped: iiic_segments (no shared data)");
        return;
    };
    let mut files: Vec<_> = folder
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "edf"))
        .collect();
    files.sort();
    println!(
        "segment          good  power  rel d/t/a/b          dom   SEF  score 20-30 s, longest stretch s, artifact share, rejected"
    );
    for path in files {
        let (labels, rate, samples) = edf(&std::fs::read(&path).unwrap());
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let (mut eeg, mut scores, mut longest, mut last) = (Eeg::new(), Vec::new(), 0.0_f64, None);
        for s in 0..50 {
            let step = rate as usize;
            eeg.push(&block(s as f64, rate, &labels, &cut(&samples, s * step, (s + 1) * step)), provenance());
            let Some(summary) = eeg.summary(at(s as f64 + 1.0)) else { continue };
            longest = longest.max(summary.seizure_for.as_secs_f64());
            if (24..31).contains(&s) {
                scores.push(summary.seizure_score);
            }
            last = Some(summary);
        }
        let reasons: Vec<String> =
            eeg.rejected().iter().filter(|(_, n)| *n > 0).map(|(a, n)| format!("{a:?} {n}")).collect();
        let Some(s) = last else {
            println!(
                "{:16} no good channel: {}",
                path.file_stem().unwrap().to_string_lossy(),
                reasons.join(", ")
            );
            continue;
        };
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let r = s.relative_power;
        println!(
            "{:16} {:2}/{:2} {:6.0}  {:.2} {:.2} {:.2} {:.2}  {:5.2} {:5.1}  {mean:.2}  {longest:4.0}  {:.2} {}",
            path.file_stem().unwrap().to_string_lossy(),
            s.good_channels,
            s.channels,
            s.total_power_uv2,
            r[0],
            r[1],
            r[2],
            r[3],
            s.dominant_frequency_hz,
            s.sef95_hz,
            s.artifact_share,
            reasons.join(", "),
        );
        assert_eq!(s.channels, 19, "EKG is not EEG");
        assert!((r.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        assert!((0.5..=30.0).contains(&s.dominant_frequency_hz) && (0.0..=1.0).contains(&s.spectral_entropy));
    }
}
