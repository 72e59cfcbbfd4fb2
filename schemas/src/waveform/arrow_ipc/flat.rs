//! A reader of flat Arrow IPC streams that checks every length before it reads.
//!
//! arrow-ipc 59 panics on a stream whose record batch claims more than its body holds (found by
//! damaging single bytes), and a poisoned message must be an error. A waveform block needs so little
//! of the format (one batch of plain `Int16` or `Float32` columns, uncompressed) that reading it here
//! is shorter than guarding against that. Layout: Arrow columnar format 1.5, "IPC streaming format"
//! and "Encapsulated message format".

use arrow::ipc::{self, Endianness, MessageHeader, Precision, Type};

use super::{Error, MAX_SAMPLES};

const CONTINUATION: [u8; 4] = [0xff; 4];

/// One message of the stream with its body.
struct Frame<'a> {
    header: ipc::Message<'a>,
    body: &'a [u8],
}

/// The messages of a stream, in order.
struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| malformed("truncated"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next message; `None` at the end-of-stream marker or the end of the bytes.
    fn next(&mut self) -> Result<Option<Frame<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let prefix = self.take(8)?;
        let (continuation, length) = prefix.split_at(4);
        if continuation != CONTINUATION {
            return Err(malformed("no IPC message"));
        }
        let length = u32::from_le_bytes(length.try_into().expect("four of eight bytes"));
        if length == 0 {
            return Ok(None);
        }
        let metadata = self.take(length as usize)?;
        let header = ipc::root_as_message(metadata).map_err(|_| malformed("unreadable metadata"))?;
        let body = usize::try_from(header.bodyLength()).map_err(|_| malformed("negative length"))?;
        Ok(Some(Frame { header, body: self.take(body)? }))
    }
}

fn malformed(what: &str) -> Error {
    Error::Arrow(what.to_owned())
}

/// One column: what the schema says of it, and its values.
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    metadata: Vec<(&'a str, &'a str)>,
    pub(super) values: Values<'a>,
}

/// The values of a column.
pub(super) enum Values<'a> {
    Int16(Plain<'a, 2>),
    Float32(Plain<'a, 4>),
}

/// Values of `W` bytes each, with the bits that say which are valid (empty: all).
pub(super) struct Plain<'a, const W: usize> {
    bytes: &'a [u8],
    valid: &'a [u8],
}

impl<'a, const W: usize> Plain<'a, W> {
    /// The values in order; `None` for a null.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<[u8; W]>> + '_ {
        let (values, _) = self.bytes.as_chunks::<W>();
        values.iter().enumerate().map(|(i, value)| {
            let null = self.valid.get(i / 8).is_some_and(|byte| byte & (1 << (i % 8)) == 0);
            (!null).then_some(*value)
        })
    }
}

/// A stream of one batch, read.
pub(super) struct Table<'a> {
    metadata: Vec<(&'a str, &'a str)>,
    pub(super) rows: usize,
    pub(super) columns: Vec<Column<'a>>,
}

impl<'a> Table<'a> {
    /// The value of a key of the schema's metadata.
    pub(super) fn metadata(&self, key: &str) -> Option<&'a str> {
        find(&self.metadata, key)
    }

    /// Reads a whole stream.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut frames = Frames { rest: bytes };
        let first = frames.next()?.ok_or(Error::Batches(0))?;
        let schema = first.header.header_as_schema().ok_or_else(|| malformed("no schema"))?;
        if schema.endianness() != Endianness::Little {
            return Err(malformed("big endian"));
        }
        let batch = frames.next()?.ok_or(Error::Batches(0))?;
        let table = Self::read_batch(&schema, &batch)?;
        match frames.next()? {
            Some(_) => Err(Error::Batches(2)),
            None => Ok(table),
        }
    }

    fn read_batch(schema: &ipc::Schema<'a>, frame: &Frame<'a>) -> Result<Self, Error> {
        if frame.header.header_type() != MessageHeader::RecordBatch {
            return Err(malformed("no record batch"));
        }
        let batch = frame.header.header_as_record_batch().ok_or_else(|| malformed("no record batch"))?;
        if batch.compression().is_some() {
            return Err(malformed("compressed"));
        }
        let rows = usize::try_from(batch.length()).map_err(|_| malformed("negative length"))?;
        let fields = schema.fields().ok_or(Error::Empty)?;
        let total = rows.saturating_mul(fields.len());
        if total == 0 {
            return Err(Error::Empty);
        }
        if total > MAX_SAMPLES {
            return Err(Error::TooLarge(total));
        }
        let columns = (0..fields.len())
            .map(|i| column(i, &fields.get(i), &batch, rows, frame.body))
            .collect::<Result<_, _>>()?;
        Ok(Self { metadata: pairs(schema.custom_metadata()), rows, columns })
    }
}

impl<'a> Column<'a> {
    /// The value of a key of the field's metadata.
    pub(super) fn metadata(&self, key: &str) -> Option<&'a str> {
        find(&self.metadata, key)
    }
}

fn find<'a>(pairs: &[(&'a str, &'a str)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
}

fn pairs<'a>(metadata: Option<impl IntoIterator<Item = ipc::KeyValue<'a>>>) -> Vec<(&'a str, &'a str)> {
    metadata.into_iter().flatten().filter_map(|pair| Some((pair.key()?, pair.value()?))).collect()
}

/// Reads the `i`-th column. Before it come only columns of one node and two buffers each, because any
/// other type has ended the reading.
fn column<'a>(
    i: usize,
    field: &ipc::Field<'a>,
    batch: &ipc::RecordBatch<'a>,
    rows: usize,
    body: &'a [u8],
) -> Result<Column<'a>, Error> {
    let plain = field.dictionary().is_none() && field.children().is_none_or(|c| c.is_empty());
    let int16 = || field.type_as_int().is_some_and(|t| t.bitWidth() == 16 && t.is_signed());
    let float32 = || field.type_as_floating_point().is_some_and(|t| t.precision() == Precision::SINGLE);
    let width = match field.type_type() {
        Type::Int if plain && int16() => 2,
        Type::FloatingPoint if plain && float32() => 4,
        _ => return Err(Error::ColumnType(i)),
    };
    let nodes = batch.nodes().filter(|n| n.len() > i).ok_or_else(|| malformed("a column is missing"))?;
    let node = nodes.get(i);
    if usize::try_from(node.length()) != Ok(rows) {
        return Err(malformed("columns of different length"));
    }
    let valid = if node.null_count() == 0 { &[] } else { buffer(batch, 2 * i, rows.div_ceil(8), body)? };
    let bytes = buffer(batch, 2 * i + 1, rows * width, body)?;
    let values = match width {
        2 => Values::Int16(Plain { bytes, valid }),
        _ => Values::Float32(Plain { bytes, valid }),
    };
    Ok(Column { name: field.name().unwrap_or_default(), metadata: pairs(field.custom_metadata()), values })
}

/// The first `needed` bytes of a buffer of the body.
fn buffer<'a>(
    batch: &ipc::RecordBatch<'a>,
    index: usize,
    needed: usize,
    body: &'a [u8],
) -> Result<&'a [u8], Error> {
    let buffers =
        batch.buffers().filter(|b| b.len() > index).ok_or_else(|| malformed("a buffer is missing"))?;
    let buffer = buffers.get(index);
    let range = || {
        let start = usize::try_from(buffer.offset()).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        body.get(start..start.checked_add(length)?)?.get(..needed)
    };
    range().ok_or_else(|| malformed("a buffer is too short"))
}
