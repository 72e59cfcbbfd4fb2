//! SampledData (R4 2.24): a waveform as text.
//!
//! value = origin + factor * number. `E` (error), `U` (above the limit) and `L` (below it) are
//! missing samples: the device says that it did not measure them, so none is made up. The unit is the
//! origin's. An ECG whose origin has no unit is taken as it stands, because nothing the engine
//! computes of an ECG depends on its scale; of every other kind it does, so there the unit must be
//! given.

use std::borrow::Cow;

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    time::EventTime,
    unit::Unit,
    waveform::{Channel, SampleRate, WaveformBlock, WaveformKind},
};

use super::{
    coding::{self, Code},
    element::{Element, shape},
};

shape! {
    /// SampledData.
    SampledData { origin, period, factor, dimensions, data }
}

/// One channel as it was read.
pub(super) struct Lead<'a> {
    kind: WaveformKind,
    rate: SampleRate,
    label: Cow<'a, str>,
    samples: Vec<f32>,
}

/// The channel's label from its code: what follows the last known prefix of its MDC reference id
/// (`MDC_ECG_ELEC_POTL_II` is `II`), else the kind's name.
pub(super) fn label<'a>(kind: WaveformKind, codes: &[Code<'a>]) -> Cow<'a, str> {
    let row = codes.iter().find_map(|c| {
        let code = c.code.trim();
        bedwatch_schemas::codes::MDC
            .iter()
            .find(|row| row.2 == code || Ok(bedwatch_schemas::codes::mdc(row.0, row.1)) == code.parse())
    });
    let name = row.and_then(|row| row.2.strip_prefix("MDC_ECG_ELEC_POTL_"));
    Cow::Borrowed(name.unwrap_or(match kind {
        WaveformKind::Eeg => "EEG",
        WaveformKind::Ecg => "ECG",
        WaveformKind::Pleth => "PLETH",
        WaveformKind::Abp => "ABP",
        WaveformKind::Resp => "RESP",
    }))
}

pub(super) fn read<'a>(
    element: &Element<'a, '_>,
    kind: WaveformKind,
    label: Cow<'a, str>,
) -> Result<Lead<'a>, Rejection> {
    let sampled: SampledData = element.read()?;
    if let Some(dimensions) = element.optional(sampled.dimensions, "dimensions")
        && dimensions.number()? != 1.0
    {
        return Err(dimensions.reject(Reason::BadValue));
    }
    let period = element.require(sampled.period, "period")?;
    let rate = SampleRate::new(1_000.0 / period.number()?).map_err(|_| period.reject(Reason::BadValue))?;
    let factor = match element.optional(sampled.factor, "factor") {
        Some(factor) => factor.number()?,
        None => 1.0,
    };
    let origin = element.require(sampled.origin, "origin")?;
    let zero = coding::quantity(&origin)?;
    let scale = scale(zero.unit, kind).ok_or_else(|| origin.reject(Reason::UnknownUnit))?;
    let offset = zero.value.ok_or_else(|| origin.missing("value"))?;
    let data = element.require(sampled.data, "data")?;
    let text = data.text()?;
    let sample = |word: &str| match word {
        "E" | "U" | "L" => Some(f32::NAN),
        // Rust reads "inf" and "nan" as numbers; FHIR does not.
        _ if word.bytes().any(|b| b.is_ascii_alphabetic() && b != b'e' && b != b'E') => None,
        _ => {
            word.parse::<f64>().ok().map(|x| ((offset + factor * x) * scale) as f32).filter(|x| x.is_finite())
        }
    };
    let samples: Option<Vec<f32>> = text.split_ascii_whitespace().map(sample).collect();
    let samples = samples.filter(|s| !s.is_empty()).ok_or_else(|| data.reject(Reason::BadValue))?;
    Ok(Lead { kind, rate, label, samples })
}

/// From the unit of the data to the unit of the kind.
fn scale(unit: Option<Unit>, kind: WaveformKind) -> Option<f64> {
    let Some(unit) = unit else { return (kind == WaveformKind::Ecg).then_some(1.0) };
    match (unit, kind.unit()) {
        (a, b) if a == b => Some(1.0),
        (Unit::MicroVolt, Unit::MilliVolt) => Some(0.001),
        (Unit::MilliVolt, Unit::MicroVolt) => Some(1_000.0),
        (a, b) => a.affine_to(b).filter(|(_, offset)| *offset == 0.0).map(|(factor, _)| factor),
    }
}

/// Channels of one kind, rate and length as one block, in the order of the source.
pub(super) fn blocks(leads: Vec<Lead<'_>>, start: EventTime) -> Vec<WaveformBlock> {
    let mut blocks: Vec<WaveformBlock> = Vec::new();
    for Lead { kind, rate, label, samples } in leads {
        let channel = Channel { label: label.into_owned(), samples };
        let fits = |b: &&mut WaveformBlock| (b.kind, b.rate, b.len()) == (kind, rate, channel.samples.len());
        match blocks.iter_mut().find(fits) {
            Some(block) => block.channels.push(channel),
            None => blocks.push(WaveformBlock { kind, start, rate, channels: vec![channel] }),
        }
    }
    blocks
}
