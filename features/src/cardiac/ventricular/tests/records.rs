//! Real records without any run: MIT-BIH 100 (sinus rhythm, one wide beat) and 105 (much movement).

use super::*;

fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var("BEDWATCH_SHARED").unwrap_or_else(|_| "../../shared/data".into());
    std::fs::read(format!("{root}/waveforms/{path}")).ok()
}

/// Both signals of a format-212 file, in mV at gain 200 about 1024.
fn signals_212(bytes: &[u8]) -> [Vec<f32>; 2] {
    let millivolts = |raw: i32| (if raw > 2_047 { raw - 4_096 } else { raw } - 1_024) as f32 / 200.0;
    let first = |b: &[u8]| millivolts(i32::from(b[0]) | (i32::from(b[1] & 0x0f) << 8));
    let second = |b: &[u8]| millivolts(i32::from(b[2]) | (i32::from(b[1] >> 4) << 8));
    [bytes.chunks_exact(3).map(first).collect(), bytes.chunks_exact(3).map(second).collect()]
}

#[test]
fn half_an_hour_without_a_run() {
    // (record, share of moments at which a run is supported, at most)
    for (record, most) in [("wfdb-samples/100", 0.0), ("wfdb-samples/toolbox/105", 0.12)] {
        let Some(bytes) = shared(&format!("{record}.dat")) else {
            println!("skipped: half_an_hour_without_a_run (no shared data)");
            return;
        };
        let [a, b] = signals_212(&bytes);
        let mut runs = Ventricular::new();
        let (mut asked, mut supported) = (0, 0);
        for (i, (a, b)) in a.chunks(1_800).zip(b.chunks(1_800)).enumerate() {
            runs.push(&block(WaveformKind::Ecg, i as f64 * 5.0, 360.0, &[a, b]));
            let evidence = runs.evidence(at((i + 1) as f64 * 5.0));
            // The first minute is for learning.
            if i >= 12 {
                asked += 1;
                supported += usize::from(evidence.support(&BOUNDS) == Support::Supported);
            }
        }
        println!("{record}: a run is supported at {supported} of {asked} moments");
        assert!(asked > 300 && f64::from(supported as u32) <= most * f64::from(asked as u32), "{record}");
    }
}
