//! The Arrow IPC stream form of a waveform block.
//!
//! One record batch, one column a channel. A column is `Int16` (with `gain` and `offset` in its
//! field metadata: value = raw * gain + offset, nulls are missing samples) or `Float32`. Schema
//! metadata: `bedwatch.schema` = `waveform/1`, `bedwatch.patient`, `bedwatch.source`,
//! `bedwatch.kind`, `bedwatch.start_us`, `bedwatch.rate_hz`, and where known `bedwatch.encounter`,
//! `bedwatch.unit`, `bedwatch.bed`. Field metadata: `unit` (UCUM), `gain`, `offset`.

mod flat;

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Float32Array, Int16Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
    ipc::writer::StreamWriter,
};

use flat::{Column, Table, Values};

use super::{Channel, SampleRate, WaveformBlock, WaveformKind, WaveformMessage};
use crate::{
    ids::{BedId, EncounterId, Location, PatientId, SourceId, UnitId},
    time::EventTime,
    unit::Unit,
};

/// Most samples a block may hold over all channels (16 MiB of `f32`).
pub const MAX_SAMPLES: usize = 4 << 20;

/// Why a waveform message could not be read or written. No variant carries data of the patient.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The bytes are not an Arrow IPC stream.
    #[error("not an Arrow IPC stream: {0}")]
    Arrow(String),
    /// The stream holds no record batch, or more than one.
    #[error("a waveform message holds one record batch, this one {0}")]
    Batches(usize),
    /// A metadata key is missing.
    #[error("the schema metadata lacks {0}")]
    Missing(&'static str),
    /// A metadata value is not understood.
    #[error("the schema metadata has a bad {0}")]
    Bad(&'static str),
    /// A column is neither Int16 nor Float32.
    #[error("channel {0} is neither Int16 nor Float32")]
    ColumnType(usize),
    /// A channel's unit is unknown or does not fit the kind.
    #[error("channel {0} has a unit that does not fit its kind")]
    ChannelUnit(usize),
    /// Too many samples.
    #[error("a block of {0} samples is over the limit")]
    TooLarge(usize),
    /// No channel or no sample.
    #[error("the block is empty")]
    Empty,
}

/// Writes a message; samples as `Int16` at the given resolution (units a step) where it is given,
/// else as `Float32`.
///
/// # Errors
/// When Arrow refuses (channels of different length).
pub fn encode(message: &WaveformMessage, resolution: Option<f32>) -> Result<Vec<u8>, Error> {
    let block = &message.block;
    let mut meta = HashMap::from([
        ("bedwatch.schema".to_owned(), "waveform/1".to_owned()),
        ("bedwatch.patient".to_owned(), message.patient.as_str().to_owned()),
        ("bedwatch.source".to_owned(), message.source.as_str().to_owned()),
        ("bedwatch.kind".to_owned(), block.kind.name().to_owned()),
        ("bedwatch.start_us".to_owned(), block.start.as_micros().to_string()),
        ("bedwatch.rate_hz".to_owned(), block.rate.hz().to_string()),
    ]);
    if let Some(encounter) = &message.encounter {
        meta.insert("bedwatch.encounter".to_owned(), encounter.as_str().to_owned());
    }
    if let Some(location) = &message.location {
        meta.insert("bedwatch.unit".to_owned(), location.unit.as_str().to_owned());
        meta.insert("bedwatch.bed".to_owned(), location.bed.as_str().to_owned());
    }
    let mut fields = Vec::with_capacity(block.channels.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(block.channels.len());
    for channel in &block.channels {
        let (kind, column) = encode_channel(channel, resolution);
        let gain = resolution.map_or_else(|| "1".to_owned(), |r| r.to_string());
        let field = Field::new(&channel.label, kind, true).with_metadata(HashMap::from([
            ("unit".to_owned(), block.kind.unit().ucum().to_owned()),
            ("gain".to_owned(), gain),
            ("offset".to_owned(), "0".to_owned()),
        ]));
        fields.push(field);
        columns.push(column);
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, meta));
    let arrow = |e: arrow::error::ArrowError| Error::Arrow(kind_of(&e));
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(arrow)?;
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &schema).map_err(arrow)?;
    writer.write(&batch).map_err(arrow)?;
    writer.finish().map_err(arrow)?;
    drop(writer);
    Ok(out)
}

fn encode_channel(channel: &Channel, resolution: Option<f32>) -> (DataType, ArrayRef) {
    match resolution {
        Some(step) => {
            let raw: Int16Array = channel
                .samples
                .iter()
                .map(|&x| x.is_finite().then(|| (x / step).round().clamp(-32_767.0, 32_767.0) as i16))
                .collect();
            (DataType::Int16, Arc::new(raw))
        }
        None => {
            let raw: Float32Array = channel.samples.iter().map(|&x| x.is_finite().then_some(x)).collect();
            (DataType::Float32, Arc::new(raw))
        }
    }
}

/// The class of an Arrow error, without its text: the text may quote the input.
fn kind_of(e: &arrow::error::ArrowError) -> String {
    use arrow::error::ArrowError as E;
    match e {
        E::IpcError(_) => "IPC error",
        E::ParseError(_) => "parse error",
        E::SchemaError(_) => "schema error",
        E::InvalidArgumentError(_) => "invalid argument",
        E::IoError(..) => "truncated",
        _ => "unreadable",
    }
    .to_owned()
}

/// Reads a message.
///
/// # Errors
/// When the bytes are no Arrow IPC stream of one batch with the metadata above.
pub fn decode(bytes: &[u8]) -> Result<WaveformMessage, Error> {
    let table = Table::read(bytes)?;
    let get = |key: &'static str| table.metadata(key).ok_or(Error::Missing(key));
    let kind = WaveformKind::from_name(get("bedwatch.kind")?).ok_or(Error::Bad("bedwatch.kind"))?;
    let start = get("bedwatch.start_us")?.parse().map_err(|_| Error::Bad("bedwatch.start_us"))?;
    let rate = get("bedwatch.rate_hz")?.parse().map_err(|_| Error::Bad("bedwatch.rate_hz"))?;
    let rate = SampleRate::new(rate).map_err(|_| Error::Bad("bedwatch.rate_hz"))?;
    let patient = PatientId::new(get("bedwatch.patient")?).map_err(|_| Error::Bad("bedwatch.patient"))?;
    let source = SourceId::new(get("bedwatch.source")?).map_err(|_| Error::Bad("bedwatch.source"))?;
    let encounter = match table.metadata("bedwatch.encounter") {
        Some(text) => Some(EncounterId::new(text).map_err(|_| Error::Bad("bedwatch.encounter"))?),
        None => None,
    };
    let location = match (table.metadata("bedwatch.unit"), table.metadata("bedwatch.bed")) {
        (Some(unit), Some(bed)) => Some(Location {
            unit: UnitId::new(unit).map_err(|_| Error::Bad("bedwatch.unit"))?,
            bed: BedId::new(bed).map_err(|_| Error::Bad("bedwatch.bed"))?,
        }),
        _ => None,
    };
    let channels =
        table.columns.iter().enumerate().map(|(i, column)| decode_channel(i, column, table.rows, kind));
    let channels = channels.collect::<Result<_, _>>()?;
    let block = WaveformBlock { kind, start: EventTime::from_micros(start), rate, channels };
    Ok(WaveformMessage { patient, encounter, location, source, block })
}

fn decode_channel(i: usize, column: &Column, rows: usize, kind: WaveformKind) -> Result<Channel, Error> {
    let number = |key: &str, default: f32| match column.metadata(key) {
        Some(text) => text.parse::<f32>().ok().filter(|x| x.is_finite()).ok_or(Error::ChannelUnit(i)),
        None => Ok(default),
    };
    let (gain, offset) = (number("gain", 1.0)?, number("offset", 0.0)?);
    let unit = match column.metadata("unit") {
        Some(text) => Unit::parse(text).ok_or(Error::ChannelUnit(i))?,
        None => return Err(Error::ChannelUnit(i)),
    };
    let scale = match (unit, kind.unit()) {
        (a, b) if a == b => 1.0,
        (Unit::MilliVolt, Unit::MicroVolt) => 1_000.0,
        (Unit::MicroVolt, Unit::MilliVolt) => 0.001,
        (Unit::KiloPascal, Unit::MmHg) => 7.500_617,
        _ => return Err(Error::ChannelUnit(i)),
    };
    // A gain out of all proportion gives no number; that is a missing sample, not an infinite one.
    let physical =
        |raw: f32| Some((raw * gain + offset) * scale).filter(|x| x.is_finite()).unwrap_or(f32::NAN);
    let mut samples = Vec::with_capacity(rows);
    match &column.values {
        Values::Int16(raw) => samples
            .extend(raw.iter().map(|x| x.map_or(f32::NAN, |x| physical(f32::from(i16::from_le_bytes(x)))))),
        Values::Float32(raw) => samples.extend(
            raw.iter()
                .map(|x| x.map(f32::from_le_bytes).filter(|x| x.is_finite()).map_or(f32::NAN, physical)),
        ),
    }
    let label: String = column.name.chars().filter(|c| !c.is_control()).take(32).collect();
    Ok(Channel { label: label.to_ascii_uppercase(), samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> WaveformMessage {
        WaveformMessage {
            patient: PatientId::new("p1").unwrap(),
            encounter: None,
            location: Some(Location { unit: UnitId::new("ICU").unwrap(), bed: BedId::new("3").unwrap() }),
            source: SourceId::new("eeg-1").unwrap(),
            block: WaveformBlock {
                kind: WaveformKind::Eeg,
                start: EventTime::from_micros(1_700_000_000_000_000),
                rate: SampleRate::new(256.0).unwrap(),
                channels: vec![
                    Channel { label: "FP1".into(), samples: vec![1.0, -2.5, f32::NAN, 40.0] },
                    Channel { label: "O2".into(), samples: vec![0.0, 0.1, 0.2, 0.3] },
                ],
            },
        }
    }

    fn same(a: &WaveformMessage, b: &WaveformMessage, tolerance: f32) {
        assert_eq!((&a.patient, &a.location, &a.source), (&b.patient, &b.location, &b.source));
        assert_eq!((a.block.start, a.block.rate, a.block.kind), (b.block.start, b.block.rate, b.block.kind));
        for (x, y) in a.block.channels.iter().zip(&b.block.channels) {
            assert_eq!(x.label, y.label);
            for (p, q) in x.samples.iter().zip(&y.samples) {
                assert!((p.is_nan() && q.is_nan()) || (p - q).abs() <= tolerance, "{p} {q}");
            }
        }
    }

    #[test]
    fn floats_round_trip_exactly_and_integers_within_half_a_step() {
        let m = message();
        same(&m, &decode(&encode(&m, None).unwrap()).unwrap(), 0.0);
        same(&m, &decode(&encode(&m, Some(0.1)).unwrap()).unwrap(), 0.051);
    }

    #[test]
    fn a_message_cut_at_every_byte_is_an_error_never_a_panic() {
        let bytes = encode(&message(), Some(0.1)).unwrap();
        let mut whole = 0;
        for cut in 0..bytes.len() {
            // The end-of-stream marker may be missing; anything shorter must be an error.
            whole += usize::from(decode(&bytes[..cut]).is_ok());
        }
        assert!(whole <= 8, "{whole} truncations passed for whole");
    }

    #[test]
    fn a_message_with_any_bit_flipped_is_read_or_refused_never_a_panic() {
        let bytes = encode(&message(), Some(0.1)).unwrap();
        let mut read = 0;
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(m) = decode(&damaged) {
                read += 1;
                assert!(m.block.channels.iter().all(|c| c.samples.iter().all(|x| !x.is_infinite())));
            }
        }
        assert!(read > 0, "a flipped bit of a sample leaves a readable message");
    }

    #[test]
    fn the_bytes_may_lie_at_any_address() {
        let bytes = encode(&message(), None).unwrap();
        for shift in 0..8 {
            let moved = [vec![0; shift], bytes.clone()].concat();
            same(&message(), &decode(&moved[shift..]).unwrap(), 0.0);
        }
    }

    #[test]
    fn other_column_types_and_second_batches_are_refused() {
        let write = |batches: usize, column: ArrayRef| {
            let field = Field::new("X", column.data_type().clone(), true);
            let schema = Arc::new(Schema::new(vec![field]));
            let batch = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
            let mut out = Vec::new();
            let mut writer = StreamWriter::try_new(&mut out, &schema).unwrap();
            (0..batches).for_each(|_| writer.write(&batch).unwrap());
            writer.finish().unwrap();
            drop(writer);
            decode(&out).unwrap_err()
        };
        let strings: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["a"]));
        let words: ArrayRef = Arc::new(arrow::array::UInt16Array::from(vec![1]));
        let doubles: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![1.0]));
        for column in [strings, words, doubles] {
            assert_eq!(write(1, column), Error::ColumnType(0));
        }
        let good: ArrayRef = Arc::new(Int16Array::from(vec![1]));
        assert_eq!(write(0, good.clone()), Error::Batches(0));
        assert_eq!(write(2, good.clone()), Error::Batches(2));
        assert_eq!(write(1, good), Error::Missing("bedwatch.kind"));
    }

    #[test]
    fn a_wrong_unit_is_refused() {
        let mut m = message();
        m.block.kind = WaveformKind::Abp;
        let bytes = encode(&m, None).unwrap();
        let text = bytes.iter().map(|&b| b as char).collect::<String>();
        assert!(text.contains("mm[Hg]"));
        let bad: Vec<u8> = text.replace("mm[Hg]", "mm[Xy]").chars().map(|c| c as u8).collect();
        assert_eq!(decode(&bad), Err(Error::ChannelUnit(0)));
    }
}
