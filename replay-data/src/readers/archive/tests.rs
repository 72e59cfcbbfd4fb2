//! Archives made by hand, and the shared ones against the folders they pack.

use std::{collections::BTreeMap, io::Write, path::Path};

use crate::readers::{
    Error, Fault, Format, Item, Labels, Options, StaySource, open, scratch::Scratch, shared_data::shared,
    survey,
};

/// A member of a tar, its name written as it is.
fn member(tar: &mut Vec<u8>, name: &str, kind: u8, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.extend(header.as_bytes());
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    members.iter().for_each(|(name, content)| member(&mut bytes, name, b'0', content));
    bytes.resize(bytes.len() + 1_024, 0);
    bytes
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn stays(path: &Path) -> Result<Vec<StaySource>, Error> {
    open(path, &Options::default())
}

/// All that a stay says, as bytes.
fn said(source: &StaySource) -> (Vec<Vec<u8>>, Option<Labels>, BTreeMap<&'static str, u64>) {
    let mut stay = source.read().unwrap();
    let (labels, counts) = (stay.labels.take(), std::mem::take(&mut stay.counts));
    let items = stay.map(|item| match item {
        Ok(Item::Event(event)) => serde_json::to_vec(&event).unwrap(),
        Ok(Item::Record { at, payload, offset, .. }) => format!("{at:?} {offset} {payload:?}").into_bytes(),
        Err(error) => error.to_string().into_bytes(),
    });
    (items.collect(), labels, counts)
}

fn assert_same(packed: &[StaySource], folder: &[StaySource]) {
    let names = |s: &[StaySource]| s.iter().map(|s| (s.name.clone(), s.format)).collect::<Vec<_>>();
    assert_eq!(names(packed), names(folder));
    for (a, b) in packed.iter().zip(folder) {
        assert_eq!(said(a), said(b), "{}", a.name);
    }
}

const PSV: &[u8] = b"HR|ICULOS\n80|1\n81|2\n";

/// One of every format that is read from a file.
fn every_format() -> Vec<(&'static str, Vec<u8>)> {
    let record = b"r 1 250 4\nr.dat 16 200 16 0 0 0 0 II\n#Asystole\n#False alarm\n";
    vec![
        ("set/b.psv", PSV.to_vec()),
        ("set/a.psv", b"HR|ICULOS\n70|1\nx|2\n".to_vec()),
        ("12/7.txt", b"Time,Parameter,Value\n00:00,RecordID,7\n00:05,HR,80\n".to_vec()),
        ("Outcomes-a.txt", b"RecordID,In-hospital_death\n7,1\n".to_vec()),
        ("x/m.hl7", b"MSH|^~\\&|A|B|C|D|20200101000000||ORU^R01|1|P|2.6\rPID|1||9\r".to_vec()),
        (
            "x/f.ndjson",
            b"{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"id\":\"2\"}\n".to_vec(),
        ),
        ("x/f.json", b"\xEF\xBB\xBF{\"resourceType\": \"Patient\"}".to_vec()),
        ("x/g.csv", b"id,time,gl\nx,2015-06-06 16:50:27,153\ny,2015-06-06 16:50:27,99\n".to_vec()),
        ("w/r.hea", record.to_vec()),
        ("w/r.dat", vec![1, 0, 2, 0, 3, 0, 4, 0]),
        ("README.md", b"nothing".to_vec()),
    ]
}

#[test]
fn every_format_is_the_same_from_an_archive_and_from_its_folder() {
    let scratch = Scratch::new("archive");
    let members = every_format();
    members.iter().for_each(|(name, bytes)| drop(scratch.file(&format!("folder/{name}"), bytes)));
    let folder = stays(&scratch.path().join("folder")).unwrap();
    assert_eq!(folder.len(), 9, "{folder:?}");
    let bytes = tar(&members.iter().map(|(n, b)| (*n, b.as_slice())).collect::<Vec<_>>());
    for (name, bytes) in [
        ("x.tar", bytes.clone()),
        ("x.tar.gz", gz(&bytes)),
        ("x.tgz", gz(&bytes)),
        ("x.tar.zst", zst(&bytes)),
        // Known by content, and in several frames.
        ("x.bin", [zst(&bytes[..700]), zst(&bytes[700..])].concat()),
    ] {
        let path = scratch.file(name, &bytes);
        let found = survey(&path, &Options::default()).unwrap();
        assert_same(&found.stays, &folder);
        assert_eq!(found.others.len(), 2, "README and outcomes: {:?}", found.others);
        let only = Options { format: Some(Format::Psv), ..Options::default() };
        assert_eq!(open(&path, &only).unwrap().len(), 2, "{name}");
    }
}

#[test]
fn outcomes_beside_an_archive_are_those_of_its_members() {
    let scratch = Scratch::new("archive");
    let path = scratch.file("a.tar.zst", &zst(&tar(&[("set/7.txt", &every_format()[2].1)])));
    assert_eq!(said(&stays(&path).unwrap()[0]).1, None);
    scratch.file("Outcomes-a.txt", &every_format()[3].1);
    assert_eq!(said(&stays(&path).unwrap()[0]).1, Some(Labels::Stay { death: true }));
}

#[test]
fn labels_of_alarms_beside_an_archive_a_folder_or_above_are_those_of_their_records() {
    let scratch = Scratch::new("archive");
    let header =
        |verdict: &str| format!("r 1 250 4\nr.dat 16 200 16 0 0 0 0 II\n#Ventricular_Tachycardia\n{verdict}");
    let labels = b"record,alarm,true_alarm\nq,Ventricular_Tachycardia,0\nr,Ventricular_Tachycardia,1\n";
    let dat: &[u8] = &[1, 0, 2, 0, 3, 0, 4, 0];
    let truth = |path: &Path| {
        let found = stays(path).unwrap();
        let stay = found[0].read().unwrap();
        (stay.alarms[0].truth, stay.counts.get("wfdb.alarm_verdicts_disagree").copied())
    };
    let silent = header("");
    let members: [(&str, &[u8]); 2] = [("set/r.hea", silent.as_bytes()), ("set/r.dat", dat)];
    let packed = scratch.file("a/x.tar.zst", &zst(&tar(&members)));
    let folder = scratch.path().join("b/set");
    members.iter().for_each(|(name, bytes)| drop(scratch.file(&format!("b/{name}"), bytes)));
    for path in [&packed, &folder] {
        assert_eq!(truth(path), (None, None), "nobody says");
    }
    scratch.file("a/x-labels.csv", labels);
    scratch.file("b/x-labels.csv", labels);
    for path in [&packed, &folder] {
        assert_eq!(truth(path), (Some(true), None));
    }
    for (verdict, want) in [("#True alarm\n", (Some(true), None)), ("#False alarm\n", (Some(false), Some(1)))]
    {
        scratch.file("b/set/r.hea", header(verdict).as_bytes());
        assert_eq!(truth(&folder), want, "the header's own word counts");
    }
}

#[test]
fn order_and_results_do_not_depend_on_who_asks_when() {
    let scratch = Scratch::new("archive");
    let rows: Vec<(String, Vec<u8>)> = (0..60)
        .map(|i| (format!("p{:02}.psv", i * 7 % 60), format!("HR|ICULOS\n{}|1\n", i + 40).into_bytes()))
        .collect();
    let members: Vec<_> = rows.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
    let found = stays(&scratch.file("a.tar.zst", &zst(&tar(&members)))).unwrap();
    assert!(found.windows(2).all(|w| w[0].name < w[1].name), "in the order of their names");
    let one_by_one: Vec<_> = found.iter().map(said).collect();
    let backwards: Vec<_> = found.iter().rev().map(said).collect();
    assert!(backwards.iter().rev().eq(&one_by_one));
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..4).map(|_| scope.spawn(|| found.iter().map(said).collect::<Vec<_>>())).collect();
        all.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), one_by_one));
    });
}

#[test]
fn names_that_lead_out_are_refused_by_name() {
    let scratch = Scratch::new("archive");
    for (name, why) in [
        ("../x.psv", "refused: member ../x.psv leads out of the archive"),
        ("a/../../x.psv", "refused: member a/../../x.psv leads out of the archive"),
        ("a/..", "refused: member a/.. leads out of the archive"),
        ("/etc/x.psv", "refused: member /etc/x.psv leads out of the archive"),
        ("se cret\u{7}.psv/..", "refused: member se_cret_.psv/.. leads out of the archive"),
        ("a.psv", "refused: member a.psv stands twice"),
        ("./a.psv", "refused: member ./a.psv stands twice"),
    ] {
        let path = scratch.file("n.tar.zst", &zst(&tar(&[("a.psv", PSV), (name, PSV)])));
        let error = stays(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("n.tar, file: {why}"));
    }
    assert!(!scratch.path().parent().unwrap().join("x.psv").exists());
}

#[test]
fn what_is_no_file_is_none_of_the_stays() {
    let scratch = Scratch::new("archive");
    let mut bytes = Vec::new();
    member(&mut bytes, "./", b'5', b"");
    member(&mut bytes, "d/", b'5', b"");
    member(&mut bytes, "link.psv", b'2', b"");
    member(&mut bytes, "fifo.psv", b'6', b"");
    member(&mut bytes, "d/.hidden.psv", b'0', PSV);
    member(&mut bytes, "d/a.psv", b'0', PSV);
    let found = survey(&scratch.file("a.tar", &bytes), &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| s.name.as_str()).collect();
    assert_eq!((names, found.others.len()), (vec!["a"], 3));
    let empty = stays(&scratch.file("b.tar", &tar(&[("README", b"x")]))).unwrap_err();
    assert_eq!(empty.fault, Fault::Unrecognised);
}

#[test]
fn a_damaged_archive_fails_at_the_member_where_it_breaks() {
    let scratch = Scratch::new("archive");
    // Three members of header and content: 0 to 2,560, 2,560 to 5,120, 5,120 to 7,680; then zeros.
    let long = [PSV, "82|3\n".repeat(400).as_bytes()].concat();
    let whole = tar(&[("a.psv", &long), ("b.psv", &long), ("c.psv", &long)]);
    assert_eq!(whole.len(), 3 * 2_560 + 1_024);
    let cases = [
        (250, "x.tar, file: not a format known here"),
        (300, "x.tar, file: damaged archive: before the first member"),
        (600, "x.tar, file: damaged archive: at member a.psv (unexpected end of file)"),
        (2_700, "x.tar, file: damaged archive: behind member a.psv"),
        (3_300, "x.tar, file: damaged archive: at member b.psv (unexpected end of file)"),
        (7_000, "x.tar, file: damaged archive: at member c.psv (unexpected end of file)"),
    ];
    for (length, want) in cases {
        let error = stays(&scratch.file("x.tar.bin", &whole[..length])).unwrap_err().to_string();
        assert!(error.starts_with(want), "{length}: {error}");
        let error = stays(&scratch.file("x.tar.zst", &zst(&whole[..length]))).unwrap_err().to_string();
        assert!(error.starts_with(want), "{length}: {error}");
    }
    for packed in [zst(&whole), gz(&whole)] {
        for cut in 0..packed.len() {
            let error = stays(&scratch.file("x.tar.zst", &packed[..cut])).unwrap_err();
            let is_named = matches!(error.fault, Fault::Damaged(_));
            assert!(is_named || (cut < 5 && error.fault == Fault::Unrecognised), "{cut}: {error}");
        }
        // The checksum at the end of the stream.
        let mut wrong = packed.clone();
        let last = if packed[0] == 0x1F { packed.len() - 6 } else { packed.len() - 1 };
        wrong[last] ^= 1;
        let error = stays(&scratch.file("x.tar.zst", &wrong)).unwrap_err().to_string();
        assert!(error.starts_with("x.tar, file: damaged archive: behind member c.psv"), "{error}");
    }
    let mut header = whole;
    header[2_560 + 148] ^= 1;
    let error = stays(&scratch.file("x.tar", &header)).unwrap_err().to_string();
    assert!(error.starts_with("x, file: damaged archive: behind member a.psv"), "{error}");
}

/// The first members of a shared archive, unpacked into a folder by hand.
fn unpack(archive: &Path, folder: &Path, most: usize) {
    let file = std::fs::File::open(archive).unwrap();
    let mut tar = tar::Archive::new(zstd::stream::read::Decoder::new(file).unwrap());
    for entry in tar.entries().unwrap().take(most) {
        assert!(entry.unwrap().unpack_in(folder).unwrap());
    }
}

#[test]
fn shared_archives_are_the_same_as_their_folders() {
    let cases = [
        ("sepsis-cinc2019/training_setA.dev.tar.zst", 14_205, 50, 1),
        ("waveforms/cinc2015-vtach.dev.tar.zst", 80, 5, 2),
    ];
    for (name, all, some, files) in cases {
        let Some(path) = shared(name) else { continue };
        let packed = stays(&path).unwrap();
        assert_eq!(packed.len(), all, "{name}");
        let scratch = Scratch::new("archive");
        unpack(&path, scratch.path(), some * files);
        let folder = stays(scratch.path()).unwrap();
        assert_eq!(folder.len(), some);
        let first: Vec<StaySource> =
            packed.iter().filter(|p| folder.iter().any(|f| f.name == p.name)).cloned().collect();
        assert_same(&first, &folder);
    }
}

#[test]
fn a_shared_recording_is_the_same_packed() {
    let Some(path) = shared("eeg/iiic/GPD_sample2.edf") else { return };
    let scratch = Scratch::new("archive");
    let bytes = std::fs::read(&path).unwrap();
    let packed = stays(&scratch.file("a.tar.zst", &zst(&tar(&[("GPD_sample2.edf", &bytes)])))).unwrap();
    assert_same(&packed, &stays(&path).unwrap());
    assert_eq!(packed[0].format, Format::Edf);
}

/// Sets a and b of CinC 2012 have 4,000 stays each, 554 and 568 of them deaths (PROVENANCE).
#[test]
fn the_mortality_sets_as_they_are_packed() {
    for (set, deaths) in [("set-a", 554), ("set-b", 568)] {
        let Some(path) = shared(&format!("icu-mortality-cinc2012/{set}.tar.zst")) else { continue };
        let found = stays(&path).unwrap();
        assert_eq!(found.len(), 4_000);
        let died = |s: &&StaySource| matches!(s.read().unwrap().labels, Some(Labels::Stay { death: true }));
        assert_eq!(found.iter().filter(died).count(), deaths, "{set}");
    }
}

const STAYS: &[u8] = b"SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,INTIME,OUTTIME\n7,70,701,carevue,CCU,2150-05-01 00:00:00,2150-05-03 00:00:00\n";
const CHART: &[u8] = b"ICUSTAY_ID,SUBJECT_ID,ITEMID,CHARTTIME,STORETIME,VALUE,VALUENUM,VALUEUOM,ERROR\n701,7,211,2150-05-01 01:00:00,2150-05-01 01:05:00,80,80,BPM,0\n";

/// Tables of every kind, packed and plain, beside a stay and within each other's folders.
fn every_table() -> Vec<(&'static str, Vec<u8>)> {
    let fourth =
        |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().replace("ICUSTAY_ID", "stay_id").into_bytes();
    let patient = b"patientunitstayid,uniquepid,gender,age,unittype,unitstaytype,admissionheight,admissionweight,hospitaladmitoffset,unitdischargeoffset,unitdischargestatus,hospitaldischargestatus\n801,002-8,Male,> 89,CTICU,admit,180,80.5,-30,600,Expired,Expired\n".to_vec();
    let pressure = b"patientunitstayid,observationoffset,noninvasivesystolic,noninvasivediastolic,noninvasivemean\n801,5,120,60,80\n".to_vec();
    vec![
        ("third/ICUSTAYS.csv", STAYS.to_vec()),
        ("third/CHARTEVENTS.csv.gz", gz(CHART)),
        ("third/CHARTEVENTS.txt", b"nothing".to_vec()),
        ("fourth/icu/icustays.csv.gz", gz(&fourth(STAYS))),
        ("fourth/icu/chartevents.csv", fourth(CHART)),
        ("fourth/hosp/d_labitems.csv", b"itemid,label\n1,x\n".to_vec()),
        ("eicu/patient.csv.gz", gz(&patient)),
        ("eicu/vitalaperiodic.csv", pressure),
        ("set/a.psv", PSV.to_vec()),
        ("set/g.csv", b"id,time,gl\nx,2015-06-06 16:50:27,153\n".to_vec()),
    ]
}

#[test]
fn tables_in_an_archive_are_those_of_their_folder() {
    let scratch = Scratch::new("archive-tables");
    let members = every_table();
    members.iter().for_each(|(name, bytes)| drop(scratch.file(&format!("folder/{name}"), bytes)));
    let folder = survey(&scratch.path().join("folder"), &Options::default()).unwrap();
    let formats: Vec<_> = folder.stays.iter().map(|s| s.format).collect();
    let want = [Format::Eicu, Format::Mimic4, Format::Mimic3, Format::Psv, Format::CgmCsv];
    assert_eq!(formats, want, "{folder:?}");
    assert_eq!(folder.others.len(), 1, "the text: {:?}", folder.others);
    let bytes = tar(&members.iter().map(|(n, b)| (*n, b.as_slice())).collect::<Vec<_>>());
    for (name, bytes) in [("x.tar", bytes.clone()), ("x.tgz", gz(&bytes)), ("x.tar.zst", zst(&bytes))] {
        let path = scratch.file(name, &bytes);
        let found = survey(&path, &Options::default()).unwrap();
        assert_same(&found.stays, &folder.stays);
        assert_eq!(found.others.len(), 1, "{name}: {:?}", found.others);
        // A table that is packed twice is read as any other.
        let events = said(&found.stays[1]).0.len();
        assert_eq!(events, 3, "admission, a value, discharge");
    }
    // Tables at the very top of an archive, which then are those of its own path.
    let top = [("ICUSTAYS.csv", STAYS), ("CHARTEVENTS.csv", CHART)];
    let path = scratch.file("top.tar.zst", &zst(&tar(&top)));
    let found = stays(&path).unwrap();
    assert_eq!((found.len(), found[0].format), (1, Format::Mimic3));
    let only = Options { format: Some(Format::Eicu), ..Options::default() };
    assert!(open(&path, &only).is_err());
}

/// The sets at hand, packed here as they lie there.
#[test]
fn the_demo_tables_are_the_same_from_an_archive() {
    for (set, stays_of) in [("mimic3-demo", 84), ("eicu-demo", 1_796)] {
        let Some(folder) = shared(set) else { continue };
        let scratch = Scratch::new("archive-demo");
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_dir_all(set, &folder).unwrap();
        let path = scratch.file(&format!("{set}.tar.zst"), &zst(&tar.into_inner().unwrap()));
        let packed = stays(&path).unwrap();
        assert_eq!(packed.len(), stays_of);
        assert_same(&packed, &stays(&folder).unwrap());
    }
}
