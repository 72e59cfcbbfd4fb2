use super::*;
use crate::readers::scratch::Scratch;

#[test]
fn a_folder_gives_its_stays_in_order_and_names_the_rest() {
    let dir = Scratch::new("walk");
    dir.file("b/p2.psv", b"HR|ICULOS\n80|1\n");
    dir.file("a/p1.psv", b"HR|ICULOS\n80|1\n");
    dir.file("b/p1.psv", b"HR|ICULOS\n80|1\n");
    dir.file("a/g.csv", b"id,time,gl\nx,2015-06-06 16:50,1\ny,2015-06-06 16:50,1\n");
    dir.file("README.md", b"hello");
    dir.file(".hidden/p3.psv", b"HR|ICULOS\n80|1\n");
    let found = survey(dir.path(), &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["g-01", "g-02", "p1", "p1~2", "p2"]);
    assert_eq!(found.others.len(), 1);
    let only = Options { format: Some(Format::Psv), ..Options::default() };
    let found = survey(dir.path(), &only).unwrap();
    assert_eq!((found.stays.len(), found.others.len()), (3, 2));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let dir = Scratch::new("walk");
    let readme = dir.file("README.md", b"hello");
    for path in [readme.as_path(), dir.path()] {
        assert_eq!(open(path, &Options::default()).unwrap_err().fault, Fault::Unrecognised);
    }
    // Tables of which not one stay is left say why.
    let cases: [(&[(&str, &str)], &str); 3] = [
        (
            &[
                (
                    "ICUSTAYS.csv",
                    "SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,INTIME,OUTTIME\n7,70,x,carevue,CCU,2150-05-01 00:00:00,2150-05-02 00:00:00\n",
                ),
                ("CHARTEVENTS.csv", "ITEMID\n"),
            ],
            "tables, ICUSTAYS line 2: bad record: an id is no number",
        ),
        (
            &[
                ("ICUSTAYS.csv", "SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,INTIME,OUTTIME\n"),
                ("CHARTEVENTS.csv", "ITEMID\n"),
            ],
            "tables, file: missing: a row of ICUSTAYS that can be read",
        ),
        (
            &[
                ("Patient.ndjson", "{\"resourceType\":\"Patient\"}\n"),
                ("Observation.ndjson", "{\"resourceType\":\"Observation\"}\n"),
            ],
            "tables, file: missing: a row of Patient that can be read",
        ),
    ];
    for (files, want) in cases {
        let dir = Scratch::new("walk");
        files.iter().for_each(|(name, text)| drop(dir.file(&format!("tables/{name}"), text.as_bytes())));
        let error = survey(dir.path(), &Options::default()).unwrap_err();
        assert_eq!(error.to_string(), want);
        // Beside a stay they fail alone, and are told.
        dir.file("a.psv", b"HR|ICULOS\n80|1\n");
        let found = survey(dir.path(), &Options::default()).unwrap();
        let told: Vec<_> =
            found.others.iter().filter_map(|o| o.why.as_ref()).map(ToString::to_string).collect();
        assert_eq!((found.stays.len(), told), (1, vec![want.to_owned()]));
    }
    let absent = open(&dir.path().join("absent"), &Options::default()).unwrap_err();
    assert_eq!(absent.fault, Fault::Io(io::ErrorKind::NotFound));
}
