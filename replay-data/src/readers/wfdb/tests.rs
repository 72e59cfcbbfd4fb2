use super::*;
use crate::readers::{Item, scratch::Scratch};
use bedwatch_schemas::{
    event::{Body, Event},
    waveform::{WaveformBlock, WaveformKind},
};
use std::{collections::BTreeMap, sync::Arc};

fn open(files: &[(&str, &[u8])], header: &str) -> Result<Stay, Error> {
    let dir = Scratch::new("wfdb");
    for (name, bytes) in files {
        dir.file(name, bytes);
    }
    let mut stay = read(&dir.path().join(header).as_path().into(), "x", EventTime::from_micros(0))?;
    // Read now: the folder goes when this returns.
    let items: Vec<_> = stay.by_ref().collect();
    stay.items = Box::new(items.into_iter());
    Ok(stay)
}

fn blocks(stay: Stay) -> (Vec<Arc<WaveformBlock>>, Vec<String>) {
    let (mut blocks, mut faults) = (Vec::new(), Vec::new());
    for item in stay {
        match item {
            Ok(Item::Event(Event { body: Body::Waveform(b), .. })) => blocks.push(b),
            Ok(_) => panic!("not a block"),
            Err(e) => faults.push(e.to_string()),
        }
    }
    (blocks, faults)
}

fn words(values: impl IntoIterator<Item = i16>) -> Vec<u8> {
    values.into_iter().flat_map(i16::to_le_bytes).collect()
}

#[test]
fn kinds_missing_samples_and_alarm_verdict() {
    let header = "x 5 25 30\nx.mat 16+24 100/mV 16 0 0 0 0 II\nx.mat 16+24 1(50)/mmHg 16 0 0 0 0 ABP\n\
                  x.mat 16+24 10/mV 16 5 0 0 0 V\nx.mat 16+24 1/mmHg 16 0 0 0 0 PAP\nx.mat 16+24 0 16 0 0 0 0 III\n\
                  #Ventricular_Tachycardia\n#False alarm\n";
    let mut dat = vec![0xEE; 24];
    for i in 0..30_i16 {
        let ecg = if i == 2 { i16::MIN } else { i * 100 };
        dat.extend(words([ecg, 150, 15, 7, 7]));
    }
    let stay = open(&[("x.hea", header.as_bytes()), ("x.mat", &dat)], "x.hea").unwrap();
    let counts = [("wfdb.channel_of_other_kind", 1), ("wfdb.channel_without_calibration", 1)];
    assert_eq!(stay.counts, BTreeMap::from(counts));
    let Some(Labels::Marks(marks)) = &stay.labels else { panic!() };
    assert_eq!(marks[0].text, "Ventricular_Tachycardia: false alarm");
    assert_eq!(marks[0].at.as_micros(), 300_000_000);
    let (blocks, faults) = blocks(stay);
    assert!(faults.is_empty());
    let shape: Vec<_> = blocks.iter().map(|b| (b.kind, b.len(), b.start.as_micros())).collect();
    assert_eq!(
        shape,
        [
            (WaveformKind::Ecg, 25, 0),
            (WaveformKind::Abp, 25, 0),
            (WaveformKind::Ecg, 5, 1_000_000),
            (WaveformKind::Abp, 5, 1_000_000)
        ]
    );
    let labels: Vec<_> = blocks[0].channels.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["II", "V"]);
    let ecg = &blocks[0].channels[0].samples;
    assert!(ecg[2].is_nan() && (ecg[3] - 3.0).abs() < 1e-6);
    assert!((blocks[0].channels[1].samples[0] - 1.0).abs() < 1e-6);
    assert_eq!(blocks[1].channels[0].samples[0], 100.0);
}

#[test]
fn several_samples_a_frame_and_skew() {
    let header = "x 2 20 40\nx.dat 16x2 1/mV 16 0 0 0 0 I\nx.dat 16:3 1/mV 16 0 0 0 0 V\n";
    let dat = words((0..40).flat_map(|i| [2 * i, 2 * i + 1, i]));
    let (blocks, _) = blocks(open(&[("x.hea", header.as_bytes()), ("x.dat", &dat)], "x.hea").unwrap());
    let shape: Vec<_> = blocks.iter().map(|b| (b.rate.hz(), b.len())).collect();
    // The skewed channel loses its first three samples; its last second is that much shorter.
    assert_eq!(shape, [(40.0, 40), (20.0, 20), (40.0, 40), (20.0, 17)]);
    assert_eq!(blocks[0].channels[0].samples[39], 39.0);
    assert_eq!(blocks[1].channels[0].samples[0], 3.0);
}

#[test]
fn segments_with_a_gap_other_channels_and_a_missing_file() {
    let master = "m/5 2 25 100 10:00:00 01/02/2003\nlayout 0\na 25\n~ 25\ngone 25\nb 25\n";
    let files: [(&str, &[u8]); 5] = [
        ("m.hea", master.as_bytes()),
        ("a.hea", b"a 1 25 25\na.dat 16 1/mV 16 0 0 0 0 II\n"),
        ("a.dat", &words([1; 25])),
        ("b.hea", b"b 2 25 25\nb.dat 16 1/mV 16 0 0 0 0 II\nb.dat 16 1/mmHg 16 0 0 0 0 ABP\n"),
        ("b.dat", &words([2; 50])),
    ];
    let (blocks, faults) = blocks(open(&files, "m.hea").unwrap());
    let shape: Vec<_> = blocks.iter().map(|b| (b.start.to_string(), b.kind)).collect();
    let (first, last) = ("2003-02-01T10:00:00Z".to_owned(), "2003-02-01T10:00:03Z".to_owned());
    assert_eq!(
        shape,
        [(first, WaveformKind::Ecg), (last.clone(), WaveformKind::Ecg), (last, WaveformKind::Abp)]
    );
    assert_eq!(faults, ["x, record 50: missing: a segment's header"]);
}

#[test]
fn lacking_files_and_formats_are_named() {
    let cases = [
        ("x 1 360 9\nx.dat 16 1/mV 16 0 0 0 0 II\n", "x, file: missing: signal file 1 of the header"),
        (
            "x 1 360 9\nx.hea 516 1/mV 16 0 0 0 0 II\n",
            "x, file: bad header: a FLAC format whose file is no FLAC stream",
        ),
        ("x 1 360 9\nx.hea 517 1/mV 16 0 0 0 0 II\n", "x, file: not supported: signal format 517"),
        (
            "x 1 360 9\n~ 0 1/mV 16 0 0 0 0 II\n",
            "x, file: missing: signal files: no signal of the header has one",
        ),
        ("x 1 360\n", "x, file: bad header: 0 lines follow where 1 were promised"),
    ];
    for (header, want) in cases {
        let error = open(&[("x.hea", header.as_bytes())], "x.hea").expect_err(header);
        assert_eq!(error.to_string(), want);
    }
}

#[test]
fn a_short_file_gives_what_it_holds_and_says_so() {
    let header = "x 2 25 30\nx.dat 212 1/mV 12 0 0 0 0 II\nx.dat 212 1/mV 12 0 0 0 0 V\n";
    let dat = [0x01; 90];
    for end in 0..=dat.len() {
        let stay = open(&[("x.hea", header.as_bytes()), ("x.dat", &dat[..end])], "x.hea").unwrap();
        let (blocks, faults) = blocks(stay);
        // Two channels of 12 bits: three bytes a frame.
        assert_eq!(blocks.iter().map(|b| b.len()).sum::<usize>(), end / 3, "{end}");
        assert_eq!(faults.len(), usize::from(end < dat.len()), "{end}");
    }
}

#[test]
fn a_length_that_is_not_told_ends_with_the_file() {
    let header = "x 1 25\nx.dat 80 1/mV 8 0 0 0 0 II\n";
    let stay = open(&[("x.hea", header.as_bytes()), ("x.dat", &[129; 40])], "x.hea").unwrap();
    let (blocks, faults) = blocks(stay);
    assert_eq!(blocks.iter().map(|b| b.len()).collect::<Vec<_>>(), [25, 15]);
    assert!(faults.is_empty());
}

#[test]
fn a_header_cut_at_every_byte_is_read_or_refused() {
    let header = "x 2 25/25 30 10:00 01/02/2003\nx.dat 212x2:1+3 1(2)/mV 12 0 0 0 0 II\nx.dat 212 1/mV 12 0 0 0 0 V\n#c\n";
    for end in 0..header.len() {
        let files: [(&str, &[u8]); 2] = [("x.hea", &header.as_bytes()[..end]), ("x.dat", &[1; 60])];
        if let Ok(stay) = open(&files, "x.hea") {
            stay.for_each(drop);
        }
    }
}

/// All channels of a record whose files are given, by number: what is stored, and the faults on the way.
fn stored(files: &[(&str, &[u8])], header: &str) -> (Vec<Vec<i32>>, Vec<String>) {
    let dir = Scratch::new("wfdb-raw");
    for (name, bytes) in files {
        dir.file(name, bytes);
    }
    let recording = recording(&dir.path().join(header).as_path().into(), "x").unwrap();
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for portion in recording.portions {
        match portion {
            Ok(portion) => {
                for channel in portion.channels {
                    all.resize(all.len().max(channel.number + 1), Vec::new());
                    assert_eq!(all[channel.number].len() as u64, channel.first);
                    all[channel.number].extend(channel.digital);
                }
            }
            Err(e) => faults.push(e.to_string()),
        }
    }
    (all, faults)
}

#[test]
fn first_differences_count_from_the_initial_value_or_the_zero() {
    let header = "x 2 2 3\nx.dat 8 1/mV 8 5 -100 0 0 a\ny.dat 8 1/mV 8 7\n";
    let files: [(&str, &[u8]); 3] =
        [("x.hea", header.as_bytes()), ("x.dat", &[1, 0xFF, 127]), ("y.dat", &[0x80, 1, 1])];
    let (all, faults) = stored(&files, "x.hea");
    assert_eq!(all, [vec![-99, -100, 27], vec![-121, -120, -119]]);
    assert!(faults.is_empty());
}

/// header(5): the sum of all samples to 16 bits, of those too that a late signal leaves out; -32768 counts.
#[test]
fn a_checksum_that_differs_is_told_and_every_sample_kept() {
    let dat = words([1, 100, i16::MIN, 200, 3, -300]);
    let cases: [(i32, i32, &[&str]); 4] = [
        (-32_764, 0, &[]),
        (32_772, 0, &[]),
        (
            -32_763,
            1,
            &[
                "x, record 3: bad record: the checksum of signal 1 is another than its header says",
                "x, record 3: bad record: the checksum of signal 2 is another than its header says",
            ],
        ),
        (0, 0, &[]),
    ];
    for (one, two, want) in cases {
        let header = format!("x 2 2 3\nx.dat 16:1 1/mV 16 0 0 {one} 0 a\nx.dat 16 1/mV 16 0 0 {two} 0 b\n");
        let (all, faults) = stored(&[("x.hea", header.as_bytes()), ("x.dat", &dat)], "x.hea");
        assert_eq!(all, [vec![i32::MIN, 3], vec![100, 200, -300]], "{one}");
        assert_eq!(faults, want);
        // A length that is not told leaves nothing to compare.
        let header = header.replace("x 2 2 3", "x 2 2");
        let (_, faults) = stored(&[("x.hea", header.as_bytes()), ("x.dat", &dat)], "x.hea");
        assert!(faults.is_empty(), "{faults:?}");
    }
}

/// A FLAC stream of samples in the order of its channels.
fn flac(bits: u32, channels: u8, samples: &[i32]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let options = flac_codec::encode::Options::default();
    let total = Some(samples.len() as u64);
    let mut writer =
        flac_codec::encode::FlacSampleWriter::new(&mut bytes, options, 360, bits, channels, total).unwrap();
    writer.write(samples).unwrap();
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn flac_streams_of_every_depth_with_several_samples_a_frame_from_an_offset() {
    for (format, bits, lowest) in [(508, 8, -128), (516, 16, -32_768), (524, 24, -8_388_608)] {
        // Two signals; samples of both in turn. The second's fifth is the mark of none.
        let mut samples: Vec<i32> = (0..24).flat_map(|i| [i - 12, 100 - i]).collect();
        samples[9] = lowest;
        let stream = flac(bits, 2, &samples);
        let header =
            format!("x 2 10 10\nx.dat {format}x2+4 1/mV 8 0 0 0 0 a\nx.dat {format}x2+4 1/mV 8 0 0 0 0 b\n");
        let (all, faults) = stored(&[("x.hea", header.as_bytes()), ("x.dat", &stream)], "x.hea");
        assert!(faults.is_empty(), "{faults:?}");
        let mut second: Vec<i32> = (4..24).map(|i| 100 - i).collect();
        second[0] = i32::MIN;
        assert_eq!(all, [(4..24).map(|i| i - 12).collect(), second], "{format}");
    }
}

#[test]
fn a_flac_stream_that_does_not_fit_its_header_is_refused() {
    let stream = flac(16, 2, &[1; 40]);
    let cases = [
        (
            "x 1 10 20\nx.dat 516 1 16 0 0 0 0 a\n",
            "a FLAC stream of 2 channels where the header has 1 signals",
        ),
        (
            "x 2 10 20\nx.dat 508 1 16 0 0 0 0 a\nx.dat 508 1 16 0 0 0 0 b\n",
            "a FLAC stream of 16 bits in a format of 8",
        ),
        (
            "x 2 10 20\nx.dat 516 1 16 0 0 0 0 a\nx.dat 516x2 1 16 0 0 0 0 b\n",
            "signals of one FLAC stream at several rates",
        ),
    ];
    for (header, want) in cases {
        let dir = Scratch::new("wfdb-flac");
        let path = dir.file("x.hea", header.as_bytes());
        dir.file("x.dat", &stream);
        let error = recording(&path.as_path().into(), "x").map(drop).unwrap_err();
        assert_eq!(error.to_string(), format!("x, file: bad header: {want}"));
    }
}

/// Damage anywhere in a stream is told, or changes nothing: no sample is another without a word.
#[test]
fn a_damaged_or_cut_flac_stream_gives_no_other_samples() {
    let samples: Vec<i32> = (0..10_000).map(|i| (i * 37) % 2_000 - 1_000).collect();
    let stream = flac(16, 1, &samples);
    let header: (&str, &[u8]) = ("x.hea", b"x 1 360 10000\nx.dat 516 1 16 0 0 0 0 a\n");
    let mut told = 0;
    for at in (0..stream.len()).step_by(97) {
        let mut damaged = stream.clone();
        damaged[at] ^= 0x10;
        for bytes in [&damaged[..], &stream[..at]] {
            let dir = Scratch::new("wfdb-damage");
            let path = dir.file("x.hea", header.1);
            dir.file("x.dat", bytes);
            let Ok(recording) = recording(&path.as_path().into(), "x") else {
                told += 1;
                continue;
            };
            let (mut got, mut faults) = (Vec::new(), 0);
            for portion in recording.portions {
                match portion {
                    Ok(portion) => got.extend(portion.channels.into_iter().flat_map(|c| c.digital)),
                    Err(_) => faults += 1,
                }
            }
            assert!(samples.starts_with(&got), "byte {at}");
            assert!(got.len() == samples.len() || faults > 0, "byte {at}: {} samples in silence", got.len());
            told += usize::from(faults > 0);
        }
    }
    assert!(told > 100, "{told}");
}

#[test]
fn signals_without_a_file_beside_others_are_none() {
    let header = "x 2 2 2\n~ 0 1/mV 16 0 0 0 0 a\nx.dat 16 1/mV 16 0 0 0 0 b\n";
    let (all, faults) = stored(&[("x.hea", header.as_bytes()), ("x.dat", &words([1, 2]))], "x.hea");
    assert_eq!(all, [vec![], vec![1, 2]]);
    assert!(faults.is_empty());
}

#[test]
fn every_annotator_beside_a_record_is_read_and_a_damaged_reference_told() {
    let header: (&str, &[u8]) = ("x.hea", b"x 1 100 200\nx.dat 16 1/mV 16 0 0 0 0 II\n");
    let dat = words([0; 200]);
    let whole = words([1 << 10 | 50, 0]);
    let mut files: Vec<(&str, &[u8])> = vec![header, ("x.dat", &dat), ("x.atr", &whole), ("x.qrs", &whole)];
    files.extend([
        ("x.txt", &b"no annotations"[..]),
        ("x.pic", b"\x89PNG"),
        ("y.qrs", &whole),
        ("x.d1", &whole),
    ]);
    let stay = open(&files, "x.hea").unwrap();
    let Some(Labels::Marks(marks)) = &stay.labels else { panic!() };
    assert_eq!(marks.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["N", "qrs: N"]);
    assert!(blocks(stay).1.is_empty());
    files[2] = ("x.atr", &whole[..2]);
    let stay = open(&files, "x.hea").unwrap();
    assert!(
        matches!(&stay.labels, Some(Labels::Marks(marks)) if marks.len() == 2),
        "what stands before is kept"
    );
    let (blocks, faults) = blocks(stay);
    assert_eq!(blocks.len(), 2);
    let why = "x, file: bad record: the annotations end without the mark of their end (atr)";
    assert_eq!(faults, [why]);
}

#[test]
fn a_file_that_lacks_among_several_is_told_and_the_others_are_read() {
    let header = "x 2 25 50\ny.dat 16 1/mV 16 0 0 0 0 II\nx.dat 16 1/mV 16 0 0 0 0 V\n";
    let files: [(&str, &[u8]); 2] = [("x.hea", header.as_bytes()), ("x.dat", &words([1; 50]))];
    let (blocks, faults) = blocks(open(&files, "x.hea").unwrap());
    assert_eq!(faults, ["x, record 0: missing: signal file 1 of the header"]);
    let labels: Vec<_> = blocks.iter().map(|b| b.channels[0].label.as_str()).collect();
    assert_eq!((blocks.len(), labels), (2, vec!["V", "V"]));
}
