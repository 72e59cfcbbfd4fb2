//! Our channels beside a peer's, sample by sample.

use bedwatch_replay_data::readers::{
    Error,
    raw::{NO_SAMPLE, Portion, Recording},
};

use super::peers::{Said, Samples};

/// What was compared, and what our reader told of on the way.
#[derive(Debug, Default)]
pub struct Tally {
    pub recordings: usize,
    pub channels: usize,
    pub samples: u64,
    /// Of these, without a value in both.
    pub missing: u64,
    pub faults: Vec<Error>,
}

/// Physical values are the same to a millionth, or to what a value near zero can keep of its channel's range.
fn is_same(ours: f64, theirs: f64, largest: f64) -> bool {
    (ours - theirs).abs() <= (1e-6 * theirs.abs()).max(1e-12 * largest)
}

/// Compares a whole recording; every sample of either must be in the other.
pub fn samples(recording: Recording, said: &Said, tally: &mut Tally) -> Option<Portion> {
    let mut theirs: Vec<(&super::peers::Entry, Samples, f64)> = (said.channels.iter())
        .zip(said.samples())
        .map(|(entry, samples)| {
            let largest =
                samples.physical.iter().filter(|v| !v.is_nan()).fold(0.0, |a: f64, v| a.max(v.abs()));
            (entry, samples, largest)
        })
        .collect();
    let mut begin = None;
    for portion in recording.portions {
        let portion = match portion {
            Ok(portion) => portion,
            Err(error) => {
                tally.faults.push(error);
                continue;
            }
        };
        for channel in &portion.channels {
            let place = || format!("{}: {} at {:?}", said.source.display(), channel.label, portion.at);
            let mut at = channel.first;
            let end = at + channel.digital.len() as u64;
            assert_eq!(channel.digital.len(), channel.physical.len());
            for (entry, samples, largest) in &mut theirs {
                // Segments number their channels each by itself; there a peer has no stored numbers.
                let is_same_channel = entry.label.as_deref().unwrap_or_default() == channel.label
                    && (samples.digital.is_none() || entry.number == channel.number);
                let entry_end = entry.first + samples.physical.len() as u64;
                if !is_same_channel || at < entry.first || at >= entry_end {
                    continue;
                }
                assert!((entry.rate_hz / channel.rate_hz - 1.0).abs() < 1e-9, "{}", place());
                assert!(entry.unit.as_ref().is_none_or(|unit| *unit == channel.unit), "{}", place());
                let until = end.min(entry_end);
                for n in at..until {
                    let (i, own) = ((n - entry.first) as usize, (n - channel.first) as usize);
                    let (digital, physical) = (channel.digital[own], channel.physical[own]);
                    if let Some(stored) = &samples.digital {
                        assert_eq!(digital, stored[i], "{}, sample {n}", place());
                    }
                    let value = std::mem::replace(&mut samples.physical[i], f64::NAN);
                    if digital == NO_SAMPLE {
                        assert!(value.is_nan() && physical.is_nan(), "{}, sample {n}: {value}", place());
                        tally.missing += 1;
                    } else {
                        assert!(is_same(physical, value, *largest), "{}, {n}: {physical} {value}", place());
                    }
                    tally.samples += 1;
                }
                at = until;
            }
            assert_eq!(at, end, "{}: the peer has no such samples", place());
        }
        begin.get_or_insert(portion);
    }
    for (entry, samples, _) in &theirs {
        let place = || format!("{}: {:?}", said.source.display(), entry.label);
        let left = samples.physical.iter().position(|v| !v.is_nan());
        assert_eq!(left, None, "{}: we have no such sample", place());
        tally.channels += 1;
    }
    tally.recordings += 1;
    begin
}

/// Insists that an error is one sentence with a place, and without the path.
pub fn is_clear(error: &Error, source: &std::path::Path) {
    let text = error.to_string();
    assert!(text.len() < 160 && !text.contains(['\n', '{']), "{text}");
    let stem = source.file_stem().unwrap().to_string_lossy();
    let (name, rest) = text.split_once(", ").unwrap();
    assert_eq!(name, stem);
    assert!(rest.starts_with("file: ") || rest.starts_with("record "), "{text}");
    assert!(!text.contains(&source.parent().unwrap().display().to_string()), "{text}");
}
