use super::*;
use crate::readers::{AlarmKind, scratch::Scratch};
use bedwatch_schemas::{
    event::{Body, Event},
    waveform::{WaveformBlock, WaveformKind},
};
use std::sync::Arc;

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
    let alarm = MonitorAlarm { at: marks[0].at, kind: AlarmKind::VentricularTachycardia, truth: Some(false) };
    assert_eq!(stay.alarms, [alarm]);
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
    assert_eq!(faults, ["x, record 50: cannot be read (entity not found)"]);
}

#[test]
fn lacking_files_and_formats_are_named() {
    let cases = [
        ("x 1 360 9\nx.dat 16 1/mV 16 0 0 0 0 II\n", "x, file: missing: signal file 1 of the header"),
        ("x 1 360 9\nx.hea 516 1/mV 16 0 0 0 0 II\n", "x, file: not supported: signal format 516"),
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
