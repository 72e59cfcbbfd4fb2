//! Every boundary by a table, chunking by a law.

use proptest::prelude::*;

use super::*;

/// Feeds chunks and collects what comes out, the end of the stream included.
fn read<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Item>, Counts) {
    let mut codec = Codec::new(limit);
    let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(item) = codec.decode(&mut buffer).unwrap() {
            items.push(item);
        }
        assert!(buffer.len() <= limit + 2, "{} bytes are held", buffer.len());
    }
    while let Some(item) = codec.decode_eof(&mut buffer).unwrap() {
        items.push(item);
    }
    assert!(buffer.is_empty() && !codec.is_within());
    (items, codec.counts())
}

fn frame(text: &str) -> Item {
    Item::Frame(Bytes::copy_from_slice(text.as_bytes()))
}

fn large(text: &str) -> Item {
    Item::TooLarge(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn every_boundary_whole_and_byte_by_byte() {
    let none = Counts::default();
    let cases: &[(&[u8], Vec<Item>, Counts)] = &[
        (b"", vec![], none),
        (b"\x0bab\x1c\r", vec![frame("ab")], Counts { frames: 1, ..none }),
        (b"\x0ba\x1c\r\x0bb\x1c\r", vec![frame("a"), frame("b")], Counts { frames: 2, ..none }),
        (b"\x0b\x1c\r", vec![], Counts { empty: 1, ..none }),
        (b"x\r\n\x0ba\x1c\r\n", vec![frame("a")], Counts { frames: 1, stray_bytes: 4, ..none }),
        (b"\x1c\r\x0ba\x1c\r", vec![frame("a")], Counts { frames: 1, stray_bytes: 2, ..none }),
        // A lone end byte belongs to the message; before a start it ends it.
        (b"\x0ba\x1cb\x1c\r", vec![frame("a\x1cb")], Counts { frames: 1, ..none }),
        (b"\x0ba\x1c\x1c\r", vec![frame("a\x1c")], Counts { frames: 1, ..none }),
        (b"\x0ba\x1c\x0bb\x1c\r", vec![frame("a"), frame("b")], Counts { frames: 2, ..none }),
        // A start within a frame: the first broke off.
        (b"\x0bab\x0bc\x1c\r", vec![frame("c")], Counts { frames: 1, broken: 1, broken_bytes: 2, ..none }),
        (b"\x0b\x0ba\x1c\r", vec![frame("a")], Counts { frames: 1, broken: 1, ..none }),
        (b"\x0babc", vec![], Counts { broken: 1, broken_bytes: 3, ..none }),
        (b"\x0bab\x1c", vec![], Counts { broken: 1, broken_bytes: 3, ..none }),
        // The limit is 8.
        (b"\x0b12345678\x1c\r", vec![frame("12345678")], Counts { frames: 1, ..none }),
        (
            b"\x0b123456789\x1c\r\x0ba\x1c\r",
            vec![large("12345678"), frame("a")],
            Counts { frames: 1, too_large: 1, too_large_bytes: 9, ..none },
        ),
        (
            b"\x0b12345678\x1cx\x1c\r",
            vec![large("12345678")],
            Counts { too_large: 1, too_large_bytes: 10, ..none },
        ),
        (
            b"\x0b1234567890123\x0ba\x1c\r",
            vec![large("12345678"), frame("a")],
            Counts { frames: 1, too_large: 1, too_large_bytes: 13, ..none },
        ),
        (
            b"\x0b123456789012\x1c\x0ba\x1c\r",
            vec![large("12345678"), frame("a")],
            Counts { frames: 1, too_large: 1, too_large_bytes: 12, ..none },
        ),
        (b"\x0b123456789\x1c", vec![large("12345678")], Counts { too_large: 1, too_large_bytes: 10, ..none }),
    ];
    for (bytes, items, counts) in cases {
        for size in [1, 2, 3, bytes.len().max(1)] {
            let got = read(8, bytes.chunks(size));
            assert_eq!((&got.0, got.1), (items, *counts), "{bytes:?} by {size}");
        }
    }
}

#[test]
fn ten_thousand_frames_cut_anyhow() {
    let mut stream = Vec::new();
    let messages: Vec<String> =
        (0..10_000).map(|i| format!("MSH|^~\\&|{i}|{}", "x".repeat(i % 97))).collect();
    for message in &messages {
        let mut framed = BytesMut::new();
        Codec::default().encode(message.as_bytes(), &mut framed).unwrap();
        stream.extend_from_slice(&framed);
    }
    let want: Vec<Item> = messages.iter().map(|m| frame(m)).collect();
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    proptest!(config, |(sizes in prop::collection::vec(prop_oneof![1..4_usize, 1..2_000_usize], 1..64))| {
        let (mut rest, mut chunks, mut turn) = (stream.as_slice(), Vec::new(), sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at((*turn.next().unwrap()).min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        let (items, counts) = read(DEFAULT_LIMIT, chunks);
        prop_assert!(items == want);
        prop_assert_eq!(counts, Counts { frames: 10_000, ..Counts::default() });
    });
}

/// Law: any bytes at all, cut anyhow, give the same messages and counts, and each byte is accounted
/// for.
#[test]
fn any_stream_cut_anyhow_is_the_same_stream() {
    let byte = prop_oneof![Just(START), Just(END), Just(CARRIAGE), Just(b'a'), any::<u8>()];
    let config = ProptestConfig { cases: 20_000, ..ProptestConfig::default() };
    let law = (prop::collection::vec(byte, 0..80), prop::collection::vec(1..9_usize, 1..20), 1..12_usize);
    proptest!(config, |((stream, sizes, limit) in law)| {
        let whole = read(limit, [stream.as_slice()]);
        let (mut rest, mut chunks, mut turn) = (stream.as_slice(), Vec::new(), sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at((*turn.next().unwrap()).min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        let cut = read(limit, chunks);
        prop_assert_eq!(&cut, &whole);
        let c = whole.1;
        let content: usize = whole.0.iter().map(|i| match i { Item::Frame(b) => b.len(), Item::TooLarge(_) => 0 }).sum();
        let known = content as u64 + c.stray_bytes + c.broken_bytes + c.too_large_bytes;
        // Framing is one to three bytes a frame.
        let frames = c.frames + c.empty + c.broken + c.too_large;
        prop_assert!(known + frames <= stream.len() as u64 && stream.len() as u64 <= known + 3 * frames);
    });
}

#[test]
fn what_is_framed_is_read_back_and_framing_bytes_are_refused() {
    let mut framed = BytesMut::new();
    Codec::default().encode(b"MSH|", &mut framed).unwrap();
    assert_eq!(&framed[..], b"\x0bMSH|\x1c\r");
    for bad in [&b"a\x0b"[..], b"\x1cb"] {
        let mut codec = Codec::default();
        assert_eq!(codec.encode(bad, &mut BytesMut::new()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
