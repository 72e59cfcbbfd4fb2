//! The storage formats of WFDB signal files: signal(5).

use std::io::Read;

use crate::readers::error::Fault;

/// A storage format read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// 8-bit first differences.
    F8,
    /// 16-bit, least significant byte first.
    F16,
    /// 24-bit, least significant byte first.
    F24,
    /// 32-bit, least significant byte first.
    F32,
    /// 16-bit, most significant byte first.
    F61,
    /// 8-bit offset binary.
    F80,
    /// 16-bit offset binary.
    F160,
    /// Two 12-bit samples in three bytes.
    F212,
    /// Three 10-bit samples in two words, the third in their upper five bits.
    F310,
    /// Three 10-bit samples in one double word.
    F311,
    /// A FLAC stream of 8 bits at most.
    F508,
    /// A FLAC stream of 16 bits at most.
    F516,
    /// A FLAC stream of 24 bits at most.
    F524,
}

impl Storage {
    /// The format of a number; `None` where there is no such format.
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            8 => Self::F8,
            16 => Self::F16,
            24 => Self::F24,
            32 => Self::F32,
            61 => Self::F61,
            80 => Self::F80,
            160 => Self::F160,
            212 => Self::F212,
            310 => Self::F310,
            311 => Self::F311,
            508 => Self::F508,
            516 => Self::F516,
            524 => Self::F524,
            _ => return None,
        })
    }

    /// The most bits of a sample in the FLAC stream that the format is; `None` for the others.
    pub const fn flac_bits(self) -> Option<u32> {
        match self {
            Self::F508 => Some(8),
            Self::F516 => Some(16),
            Self::F524 => Some(24),
            _ => None,
        }
    }

    /// Bytes and samples of the smallest group; of a FLAC stream those it would have unpacked.
    const fn group(self) -> (usize, usize) {
        match self {
            Self::F8 | Self::F80 | Self::F508 => (1, 1),
            Self::F16 | Self::F61 | Self::F160 | Self::F516 => (2, 1),
            Self::F24 | Self::F524 => (3, 1),
            Self::F32 => (4, 1),
            Self::F212 => (3, 2),
            Self::F310 | Self::F311 => (4, 3),
        }
    }

    /// Samples that stand whole in the first `bytes` of a group.
    const fn whole(self, bytes: usize) -> usize {
        let (size, samples) = self.group();
        match (self, bytes) {
            (_, n) if n >= size => samples,
            (Self::F212 | Self::F310 | Self::F311, 2) => 1,
            (Self::F311, 3) => 2,
            _ => 0,
        }
    }

    /// The number that means "no sample", where the format has one.
    pub const fn invalid(self) -> Option<i32> {
        match self {
            Self::F8 => None,
            Self::F16 | Self::F61 | Self::F160 | Self::F516 => Some(-32_768),
            Self::F24 | Self::F524 => Some(-8_388_608),
            Self::F32 => Some(i32::MIN),
            Self::F80 | Self::F508 => Some(-128),
            Self::F212 => Some(-2_048),
            Self::F310 | Self::F311 => Some(-512),
        }
    }

    /// The samples of one group, unused ones 0.
    fn decode(self, b: &[u8]) -> [i32; 3] {
        let word = |i: usize| i32::from(u16::from_le_bytes([b[i], b[i + 1]]));
        match self {
            Self::F8 | Self::F508 => [i32::from(b[0] as i8), 0, 0],
            Self::F16 | Self::F516 => [i32::from(i16::from_le_bytes([b[0], b[1]])), 0, 0],
            Self::F24 | Self::F524 => [i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8, 0, 0],
            Self::F32 => [i32::from_le_bytes([b[0], b[1], b[2], b[3]]), 0, 0],
            Self::F61 => [i32::from(i16::from_be_bytes([b[0], b[1]])), 0, 0],
            Self::F80 => [i32::from(b[0]) - 128, 0, 0],
            Self::F160 => [word(0) - 32_768, 0, 0],
            Self::F212 => {
                let (low, mid, high) = (i32::from(b[0]), i32::from(b[1]), i32::from(b[2]));
                [signed(low | (mid & 0x0F) << 8, 12), signed(high | (mid >> 4) << 8, 12), 0]
            }
            Self::F310 => {
                let (a, b) = (word(0), word(2));
                [signed(a >> 1, 10), signed(b >> 1, 10), signed(a >> 11 | (b >> 11) << 5, 10)]
            }
            Self::F311 => {
                let all = i32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                [signed(all, 10), signed(all >> 10, 10), signed(all >> 20, 10)]
            }
        }
    }
}

/// The low `bits` of a number as two's complement.
const fn signed(value: i32, bits: u32) -> i32 {
    (value << (32 - bits)) >> (32 - bits)
}

/// Reads samples one after the other, whatever group they stand in.
pub struct Samples<R> {
    input: R,
    storage: Storage,
    /// Samples of a group that were not asked for yet.
    kept: Vec<i32>,
}

impl<R: Read> Samples<R> {
    /// Samples from where `input` stands.
    pub fn new(input: R, storage: Storage) -> Self {
        Self { input, storage, kept: Vec::new() }
    }

    /// The next `count` samples; fewer at the end of the file, and with the fault where it cannot be read
    /// further.
    pub fn take(&mut self, count: usize) -> (Vec<i32>, Option<Fault>) {
        let mut out = std::mem::take(&mut self.kept);
        let (size, samples) = self.storage.group();
        let groups = count.saturating_sub(out.len()).div_ceil(samples);
        let mut bytes = Vec::new();
        let read = (&mut self.input).take((groups * size) as u64).read_to_end(&mut bytes);
        for group in bytes.chunks(size) {
            let whole = self.storage.whole(group.len());
            let mut padded = [0; 4];
            padded[..group.len()].copy_from_slice(group);
            out.extend_from_slice(&self.storage.decode(&padded)[..whole]);
        }
        self.kept = out.split_off(count.min(out.len()));
        (out, read.err().map(|e| Fault::Io(e.kind())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        let cases: [(Storage, &[u8], &[i32]); 12] = [
            (Storage::F8, &[1, 0xFF], &[1, -1]),
            (Storage::F16, &[0x34, 0x12, 0, 0x80, 9], &[0x1234, -32_768]),
            (Storage::F24, &[0xFF, 0xFF, 0xFF], &[-1]),
            (Storage::F32, &[1, 0, 0, 0x80], &[i32::MIN + 1]),
            (Storage::F61, &[0x12, 0x34], &[0x1234]),
            (Storage::F80, &[0, 128, 255], &[-128, 0, 127]),
            (Storage::F160, &[0, 0, 0, 0x80], &[-32_768, 0]),
            (Storage::F212, &[0x01, 0x80, 0x00, 0xFF, 0x0F], &[1, -2_048, -1]),
            // signal(5): first in bits 1-10 of word one, second likewise in word two, third split.
            (Storage::F310, &[0x02, 0x08, 0x04, 0xF8], &[1, 2, -31]),
            (Storage::F310, &[0xFE, 0x07], &[-1]),
            (Storage::F311, &[0x01, 0x08, 0x30, 0x00], &[1, 2, 3]),
            (Storage::F311, &[0x01, 0x08, 0x00], &[1, 2]),
        ];
        for (storage, bytes, want) in cases {
            assert_eq!(Samples::new(bytes, storage).take(10).0, want, "{storage:?}");
        }
    }

    proptest::proptest! {
        /// Asking in any portions gives the same samples; a file cut anywhere never panics.
        #[test]
        fn portions_do_not_matter(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
            portion in 1_usize..6,
        ) {
            for number in [8, 16, 24, 32, 61, 80, 160, 212, 310, 311] {
                let storage = Storage::of(number).unwrap();
                let whole = Samples::new(&bytes[..], storage).take(100).0;
                let mut samples = Samples::new(&bytes[..], storage);
                let mut parts = Vec::new();
                loop {
                    let part = samples.take(portion).0;
                    if part.is_empty() { break }
                    parts.extend(part);
                }
                proptest::prop_assert_eq!(whole, parts);
            }
        }
    }
}
