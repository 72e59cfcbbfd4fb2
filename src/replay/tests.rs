use bedwatch_inference::writer::Writer;
use bedwatch_replay_data::readers;

use super::*;
use crate::clock::SystemClock;

const STAYS: &str = "SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,INTIME,OUTTIME\n7,70,701,carevue,CCU,2150-05-01 00:00:00,2150-05-02 00:00:00\n";
const CHART: &str = "ICUSTAY_ID,SUBJECT_ID,ITEMID,CHARTTIME,STORETIME,VALUE,VALUENUM,VALUEUOM\n";

fn options() -> Options {
    let config = crate::config::Config::default();
    Options {
        core: Arc::new(config.core().unwrap()),
        cell: Span::millis(config.engine.cell_millis),
        models: Models { encoder: None, fusion: None, writer: Arc::new(Writer::new(None)) },
        threads: 1,
        batch: 100,
        speed: None,
        clock: Arc::new(SystemClock::default()),
    }
}

/// Mean arterial pressure (CareVue's 52) charted at 06:00 and entered before the end of the stay, at it, or
/// after it: the labels rest on it whenever it was entered, the engine hears it only before.
#[test]
fn what_became_known_after_the_stay_is_for_its_labels_alone() {
    for (entered, is_heard) in [("05-01 06:05", true), ("05-02 00:00", true), ("05-02 00:01", false)] {
        let folder = tempfile::tempdir().unwrap();
        let row = format!("701,7,52,2150-05-01 06:00:00,2150-{entered}:00,60,60,mmHg\n");
        for (name, text) in [
            ("ICUSTAYS.csv", STAYS),
            ("CHARTEVENTS.csv", &format!("{CHART}{row}")),
            ("MICROBIOLOGYEVENTS.csv", "SUBJECT_ID,CHARTDATE,CHARTTIME,SPEC_TYPE_DESC\n"),
            ("PRESCRIPTIONS.csv", "SUBJECT_ID,STARTDATE,ENDDATE,DRUG_TYPE,DRUG,ROUTE\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let sources = open(&[folder.path().to_owned()], &readers::Options::default()).unwrap();
        let outcome = one(&sources[0], &options());
        assert_eq!(outcome.faults, [] as [String; 0]);
        let late = outcome.left_out.get("mimic.known_after_the_stay").copied().unwrap_or(0);
        assert_eq!((outcome.events(), late), if is_heard { (3, 0) } else { (2, 1) }, "{entered}");
        // Circulation is known from 06:00 to the end of the stay.
        let known = outcome.sepsis3.unwrap().known;
        assert_eq!((known.hours, known.parts[3]), (25, 19), "{entered}");
    }
}
