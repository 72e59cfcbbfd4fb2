//! Waveforms in OBX segments: `NA` (samples between `^`) and `MA` (`~` between moments, `^` between
//! channels), HL7 v2.5.1 2.A.38 and 2.A.46, in the IHE PCD waveform content module's arrangement: the
//! sample rate is an attribute whose sub-id (OBX-4) is a child of the waveform's, and stands behind it.
//! So waveforms wait until their order (OBR) ends.
//!
//! Samples are taken as physical values in OBX-6's unit. Data range and other attributes are read over:
//! senders disagree about what they scale.

use std::{collections::BTreeMap, sync::Arc};

use bedwatch_schemas::{
    dead_letter::Reason,
    event::Body,
    time::EventTime,
    unit::Unit,
    waveform::{Channel, SampleRate, WaveformBlock, WaveformKind},
};

use super::{
    codes::{self, Meaning},
    lexer::{Delimiters, Piece},
    message::{Context, Outcome, Reader, Settled},
    number,
    observation::{Fields, Standing, standing},
};

/// The waveforms of an order that wait for their sample rates.
#[derive(Default)]
pub(super) struct Waves<'a> {
    waiting: Vec<Waiting<'a>>,
    /// Sample rates by the sub-id they are about.
    rates: BTreeMap<&'a [u8], SampleRate>,
}

struct Waiting<'a> {
    index: usize,
    /// OBX-4.
    sub_id: Piece<'a>,
    kind: WaveformKind,
    start: EventTime,
    channels: Vec<Channel>,
}

impl<'a> Waves<'a> {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Emits one block for the waveforms of a kind that share start, rate and length, and says what
    /// became of each segment.
    pub fn finish(self, reader: &mut Reader<'a>, context: &Context<'_, 'a>) -> Vec<(usize, Settled)> {
        let mut settled = Vec::with_capacity(self.waiting.len());
        let mut blocks: Vec<WaveformBlock> = Vec::new();
        let mut known = BTreeMap::new();
        for wave in self.waiting {
            let Some(rate) = self.rates.get(wave.sub_id.bytes).copied() else {
                settled.push((
                    wave.index,
                    Err(reader.at(wave.index, wave.sub_id, Reason::Missing, "MDC_ATTR_SAMP_RATE")),
                ));
                continue;
            };
            settled.push((wave.index, Ok(Outcome::Decoded)));
            let len = wave.channels.first().map_or(0, |c| c.samples.len());
            let key = (wave.kind, wave.start, rate.hz().to_bits(), len);
            let at = *known.entry(key).or_insert(blocks.len());
            match blocks.get_mut(at) {
                Some(block) => block.channels.extend(wave.channels),
                None => blocks.push(WaveformBlock {
                    kind: wave.kind,
                    start: wave.start,
                    rate,
                    channels: wave.channels,
                }),
            }
        }
        for block in blocks {
            reader.emit(context.header, &context.subject, block.start, Body::Waveform(Arc::new(block)));
        }
        settled
    }
}

impl<'a> Reader<'a> {
    /// Reads a waveform's samples.
    pub(super) fn waveform(
        &mut self,
        index: usize,
        (kind, label): (WaveformKind, &'static str),
        fields: &Fields<'a>,
        context: &mut Context<'_, 'a>,
    ) -> Settled {
        let header = context.header;
        let (value, unit) = (fields[5], fields[6].trim());
        match standing(fields[11].trim().bytes, value.has_value()) {
            Some(Standing::Result(_)) => {}
            Some(Standing::NotObtained | Standing::Nothing) => return Ok(Outcome::Skipped),
            None => return Err(self.at(index, fields[11], Reason::BadValue, "11")),
        }
        let samples = match fields[2].trim().bytes {
            b"NA" => read_array(value, &header.marks),
            b"MA" => read_multiplexed(value, &header.marks),
            // A container, or a single number under the code of a curve.
            _ => return Ok(Outcome::Skipped),
        };
        let samples = samples.map_err(|piece| self.at(index, piece, Reason::BadValue, "5"))?;
        let factor = scale(kind, unit, &header.marks, header.charset)
            .ok_or_else(|| self.at(index, unit, Reason::UnknownUnit, "6"))?;
        self.named(index, context)?;
        let start = self.observed_at(fields[14], index, context)?;
        if samples.iter().all(Vec::is_empty) {
            return Ok(Outcome::Decoded);
        }
        let single = samples.len() == 1;
        let channels = samples.into_iter().enumerate().map(|(n, samples)| Channel {
            label: if single { label.to_owned() } else { format!("{label} {}", n + 1) },
            samples: samples.into_iter().map(|x| (x * factor) as f32).collect(),
        });
        let waiting = Waiting { index, sub_id: fields[4].trim(), kind, start, channels: channels.collect() };
        context.waves.waiting.push(waiting);
        Ok(Outcome::Deferred)
    }

    /// Reads the sample rate or period of the waveform that is the parent of this attribute.
    pub(super) fn sampling(
        &self,
        index: usize,
        meaning: Meaning,
        fields: &Fields<'a>,
        context: &mut Context<'_, 'a>,
    ) -> Settled {
        let (sub_id, value, unit) = (fields[4].trim(), fields[5].trim(), fields[6].trim());
        let number =
            number::parse(value.bytes).ok_or_else(|| self.at(index, value, Reason::BadValue, "5"))?;
        let unknown_unit = || self.at(index, unit, Reason::UnknownUnit, "6");
        let hz = match (meaning, codes::unit(unit, &context.header.marks, context.header.charset)) {
            (Meaning::SamplePeriod, Some(Unit::Millisecond)) => 1_000.0 / number,
            (Meaning::SamplePeriod, Some(Unit::Second)) => 1.0 / number,
            (Meaning::SampleRate, Some(Unit::Hertz)) => number,
            _ => return Err(unknown_unit()),
        };
        let rate = SampleRate::new(hz).map_err(|_| self.at(index, value, Reason::BadValue, "5"))?;
        let parent =
            sub_id.bytes.iter().rposition(|b| *b == b'.').map_or(&[][..], |dot| &sub_id.bytes[..dot]);
        context.waves.rates.insert(sub_id.bytes, rate);
        context.waves.rates.insert(parent, rate);
        Ok(Outcome::Decoded)
    }
}

/// The factor from OBX-6 into the kind's unit; kinds without a unit are taken as they come.
fn scale(
    kind: WaveformKind,
    unit: Piece<'_>,
    marks: &Delimiters,
    charset: super::text::Charset,
) -> Option<f64> {
    if kind.unit() == Unit::One {
        return Some(1.0);
    }
    match (codes::unit(unit, marks, charset)?, kind.unit()) {
        (Unit::MicroVolt, Unit::MilliVolt) => Some(1e-3),
        (Unit::MilliVolt, Unit::MicroVolt) => Some(1e3),
        (from, to) => from.affine_to(to).filter(|(_, offset)| *offset == 0.0).map(|(factor, _)| factor),
    }
}

fn read_sample(piece: Piece<'_>) -> Result<f64, Piece<'_>> {
    let text = piece.trim();
    if text.is_empty() { Ok(f64::NAN) } else { number::parse(text.bytes).ok_or(piece) }
}

/// `NA`: one channel. An empty component is a missing sample.
fn read_array<'a>(value: Piece<'a>, marks: &Delimiters) -> Result<Vec<Vec<f64>>, Piece<'a>> {
    if !value.has_value() {
        return Ok(Vec::new());
    }
    let mut samples = Vec::with_capacity(value.bytes.len() / 4);
    for piece in value.split(marks.component) {
        samples.push(read_sample(piece)?);
    }
    Ok(vec![samples])
}

/// `MA`: a repetition a moment, a component a channel; every moment has every channel.
fn read_multiplexed<'a>(value: Piece<'a>, marks: &Delimiters) -> Result<Vec<Vec<f64>>, Piece<'a>> {
    if !value.has_value() {
        return Ok(Vec::new());
    }
    let mut channels: Vec<Vec<f64>> = Vec::new();
    for (n, moment) in value.split(marks.repetition).enumerate() {
        let mut seen = 0;
        for piece in moment.split(marks.component) {
            let sample = read_sample(piece)?;
            if n == 0 {
                channels.push(Vec::new());
            }
            channels.get_mut(seen).ok_or(moment)?.push(sample);
            seen += 1;
        }
        if seen != channels.len() {
            return Err(moment);
        }
    }
    Ok(channels)
}
