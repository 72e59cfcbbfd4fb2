//! The few facts of an ONNX file a bundle vouches for, read from its protobuf wire form
//! (onnx.proto: `ModelProto.graph = 7`, `.opset_import = 8`; `GraphProto.initializer = 5`,
//! `.input = 11`, `.output = 12`; `OperatorSetIdProto.domain = 1`, `.version = 2`).

/// Why a file is no ONNX model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The protobuf is cut or malformed.
    #[error("its protobuf is malformed at byte {0}")]
    Malformed(usize),
    /// There is no graph or no opset of the default domain.
    #[error("it has no graph or no default opset")]
    Empty,
    /// A name is not UTF-8.
    #[error("a name in it is not UTF-8")]
    Name,
}

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The opset of the default domain.
    pub opset: u64,
    /// The opset of `ai.onnx.ml` (tree ensembles); `None` where the file does not use it.
    pub ml_opset: Option<u64>,
    /// Names of the inputs, without initializers.
    pub inputs: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
}

/// A field: its number and its bytes, or its integer.
enum Value<'a> {
    Bytes(&'a [u8]),
    Integer(u64),
    Skipped,
}

impl Header {
    /// Reads the header.
    ///
    /// # Errors
    /// When the bytes are no ONNX model.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (mut opset, mut ml_opset, mut graph) = (None, None, None);
        each(bytes, |field, value| {
            match (field, value) {
                (7, Value::Bytes(b)) => graph = Some(b),
                (8, Value::Bytes(b)) => {
                    let (domain, version) = operator_set(b)?;
                    match domain.as_str() {
                        "" | "ai.onnx" => opset = Some(version),
                        "ai.onnx.ml" => ml_opset = Some(version),
                        _ => {}
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let (Some(opset), Some(graph)) = (opset, graph) else { return Err(Error::Empty) };
        let (mut inputs, mut outputs, mut constants) = (Vec::new(), Vec::new(), Vec::new());
        each(graph, |field, value| {
            if let Value::Bytes(b) = value {
                match field {
                    // TensorProto.name = 8, ValueInfoProto.name = 1
                    5 => constants.push(name(b, 8)?),
                    11 => inputs.push(name(b, 1)?),
                    12 => outputs.push(name(b, 1)?),
                    _ => {}
                }
            }
            Ok(())
        })?;
        inputs.retain(|i| !constants.contains(i));
        Ok(Self { opset, ml_opset, inputs, outputs })
    }
}

fn operator_set(bytes: &[u8]) -> Result<(String, u64), Error> {
    let (mut domain, mut version) = (String::new(), 0);
    each(bytes, |field, value| {
        match (field, value) {
            (1, Value::Bytes(b)) => domain = text(b)?,
            (2, Value::Integer(v)) => version = v,
            _ => {}
        }
        Ok(())
    })?;
    Ok((domain, version))
}

fn name(bytes: &[u8], wanted: u64) -> Result<String, Error> {
    let mut found = String::new();
    each(bytes, |field, value| {
        if let (true, Value::Bytes(b)) = (field == wanted, value) {
            found = text(b)?;
        }
        Ok(())
    })?;
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::Name)
}

/// Calls `visit` with every field of a message.
fn each<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(u64, Value<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut at = 0;
    while at < bytes.len() {
        let key = varint(bytes, &mut at)?;
        let value = match key & 7 {
            0 => Value::Integer(varint(bytes, &mut at)?),
            1 => skip(bytes, &mut at, 8)?,
            5 => skip(bytes, &mut at, 4)?,
            2 => {
                let length = usize::try_from(varint(bytes, &mut at)?).map_err(|_| Error::Malformed(at))?;
                let end = at.checked_add(length).filter(|e| *e <= bytes.len()).ok_or(Error::Malformed(at))?;
                let value = Value::Bytes(&bytes[at..end]);
                at = end;
                value
            }
            _ => return Err(Error::Malformed(at)),
        };
        visit(key >> 3, value)?;
    }
    Ok(())
}

fn skip<'a>(bytes: &[u8], at: &mut usize, length: usize) -> Result<Value<'a>, Error> {
    if bytes.len() - *at < length {
        return Err(Error::Malformed(*at));
    }
    *at += length;
    Ok(Value::Skipped)
}

fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Error> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Error::Malformed(*at))?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Error::Malformed(*at))
}
