//! The stays of a folder, and the one pass over its tables that gives each stay its words.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bedwatch_schemas::{
    event::{Sex, UnitKind},
    time::{ArrivalTime, EventTime, Span},
};

use super::{
    Told, rows,
    table::Table,
    word::{Reason, Verdict, What, Why, Word},
};
use crate::readers::{
    At, Fault, csv,
    spool::{Sorter, Spool},
};

/// What happened to a patient so long before the unit is known at the admission to it.
const BEFORE: Span = Span::hours(24);
const UNKNOWN_STAY: Reason = "mimic3.unknown_stay";
const OUTSIDE_ANY_STAY: Reason = "mimic3.outside_any_stay";
const TABLE_ABSENT: Reason = "mimic3.table_absent";
const NO_PERSON: Reason = "mimic3.no_patient_or_admission";
const TWICE: Reason = "mimic3.also_in_inputevents";

/// One row of `ICUSTAYS`, with what `PATIENTS` and `ADMISSIONS` say.
#[derive(Debug, Clone)]
pub(super) struct Icu {
    pub subject: u64,
    pub admission: u64,
    pub id: u64,
    pub is_metavision: bool,
    pub unit: Option<UnitKind>,
    pub begins: EventTime,
    pub ends: EventTime,
}

/// What is known of the patient of a stay.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Person {
    pub sex: Option<Sex>,
    pub born: Option<EventTime>,
    pub hospital_admitted_at: Option<EventTime>,
    pub died_at: Option<EventTime>,
    pub died_in_hospital: Option<bool>,
}

/// Counts of a stay and who the patient is.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub person: Person,
    pub left: BTreeMap<Reason, u64>,
}

/// What the pass over the tables gave.
pub(super) struct Sorted {
    pub spool: Spool<Word>,
    pub counts: Vec<Counted>,
    pub faults: Vec<Told>,
}

/// A folder of tables.
pub(in crate::readers) struct Tables {
    folder: PathBuf,
    pub(super) stays: Vec<Icu>,
    pub(super) faults: Vec<Told>,
    sorted: OnceLock<Result<Sorted, Fault>>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({}, {} stays)", self.folder.display(), self.stays.len())
    }
}

impl Tables {
    /// Reads the table of stays.
    pub(in crate::readers) fn open(folder: &Path) -> Result<Self, Fault> {
        let file = Table::IcuStays.file(folder).ok_or(Fault::Missing("ICUSTAYS".to_owned()))?;
        let (mut stays, mut faults) = (Vec::new(), Vec::new());
        let ids = ["SUBJECT_ID", "HADM_ID", "ICUSTAY_ID"];
        let wanted = ["DBSOURCE", "FIRST_CAREUNIT", "INTIME", "OUTTIME"];
        csv::rows(&file, ids, wanted, |line, row| match row.ok_or(Why::Width).and_then(icu) {
            Ok(stay) => stays.push(stay),
            Err(why) => {
                let at = At::Row(Table::IcuStays.name(), line);
                faults.push((at, Fault::Record(why.text().to_owned())));
            }
        })?;
        stays.sort_by_key(|s| (s.subject, s.begins, s.id));
        stays.dedup_by_key(|s| s.id);
        Ok(Self { folder: folder.to_owned(), stays, faults, sorted: OnceLock::new() })
    }

    /// The table of stays, which stands for the folder.
    pub(in crate::readers) fn path(&self) -> PathBuf {
        Table::IcuStays.file(&self.folder).unwrap_or_else(|| self.folder.clone())
    }

    /// The names of the stays, in their order.
    pub(in crate::readers) fn names(&self) -> impl Iterator<Item = String> {
        self.stays.iter().map(|s| format!("{}-{}", s.subject, s.id))
    }

    /// The words of all stays; the tables are read when this is first asked.
    pub(super) fn sorted(&self) -> Result<&Sorted, Fault> {
        self.sorted.get_or_init(|| Pass::over(self)).as_ref().map_err(Clone::clone)
    }
}

fn icu((ids, row): ([&str; 3], [&str; 4])) -> Result<Icu, Why> {
    let ([subject, admission, id], [source, unit, begins, ends]) = (ids, row);
    let (begins, ends) = (rows::time(begins)?, rows::time(ends)?);
    if ends < begins {
        return Err(Why::Span);
    }
    Ok(Icu {
        subject: rows::id(subject)?,
        admission: rows::id(admission)?,
        id: rows::id(id)?,
        is_metavision: source == "metavision",
        unit: rows::unit_kind(unit),
        begins,
        ends,
    })
}

/// The one pass.
struct Pass<'a> {
    stays: &'a [Icu],
    of_id: BTreeMap<u64, u32>,
    of_subject: BTreeMap<u64, Vec<u32>>,
    sorter: Sorter<Word>,
    counts: Vec<Counted>,
    faults: Vec<Told>,
    /// What kept a word from being written.
    failed: Option<io::Error>,
}

impl<'a> Pass<'a> {
    fn over(tables: &'a Tables) -> Result<Sorted, Fault> {
        let io = |e: io::Error| Fault::Io(e.kind());
        let stays = tables.stays.as_slice();
        let mut of_subject: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (stay, number) in stays.iter().zip(0..) {
            of_subject.entry(stay.subject).or_default().push(number);
        }
        let mut pass = Self {
            stays,
            of_id: stays.iter().zip(0..).map(|(s, number)| (s.id, number)).collect(),
            of_subject,
            sorter: Sorter::new(stays.len()).map_err(io)?,
            counts: vec![Counted::default(); stays.len()],
            faults: Vec::new(),
            failed: None,
        };
        for table in Table::ALL.into_iter().skip(1) {
            pass.table(table, &tables.folder);
        }
        match pass.failed {
            Some(error) => Err(io(error)),
            None => Ok(Sorted {
                spool: pass.sorter.sorted().map_err(io)?,
                counts: pass.counts,
                faults: pass.faults,
            }),
        }
    }

    /// Reads a table; one that is absent is counted with every stay, one that breaks off is a fault.
    fn table(&mut self, table: Table, folder: &Path) {
        let Some(file) = table.file(folder) else {
            self.counts.iter_mut().for_each(|c| *c.left.entry(TABLE_ABSENT).or_default() += 1);
            return;
        };
        let read = match table {
            Table::IcuStays => Ok(()),
            Table::Patients => self.patients(&file),
            Table::Admissions => self.admissions(&file),
            Table::Transfers => self.transfers(&file),
            Table::ChartEvents => self.of_stay(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "STORETIME", "VALUE", "VALUENUM", "VALUEUOM", "ERROR"],
                rows::chart,
            ),
            Table::OutputEvents => self.of_stay(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "STORETIME", "VALUE", "VALUEUOM", "ISERROR"],
                rows::output,
            ),
            Table::InputEventsCv => self.of_stay(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "STORETIME", "RATE", "RATEUOM", "STOPPED"],
                rows::input_carevue,
            ),
            Table::InputEventsMv => self.of_stay(
                table,
                &file,
                [
                    "ITEMID",
                    "STARTTIME",
                    "ENDTIME",
                    "STORETIME",
                    "AMOUNT",
                    "AMOUNTUOM",
                    "RATE",
                    "RATEUOM",
                    "ORDERCATEGORYDESCRIPTION",
                    "STATUSDESCRIPTION",
                ],
                rows::input_metavision,
            ),
            Table::ProcedureEventsMv => self.of_stay(
                table,
                &file,
                ["ITEMID", "STARTTIME", "ENDTIME", "STORETIME", "STATUSDESCRIPTION"],
                rows::procedure,
            ),
            Table::LabEvents => self.of_time(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "VALUE", "VALUENUM", "VALUEUOM"],
                rows::lab,
            ),
            Table::MicrobiologyEvents => {
                self.of_time(table, &file, ["CHARTDATE", "CHARTTIME", "SPEC_TYPE_DESC"], rows::culture)
            }
            Table::Prescriptions => {
                self.of_time(table, &file, ["STARTDATE", "DRUG_TYPE", "DRUG", "ROUTE"], rows::prescription)
            }
        };
        self.faults.extend(read.err().map(|fault| (At::Table(table.name()), fault)));
    }

    fn patients(&mut self, file: &Path) -> Result<(), Fault> {
        csv::rows(file, ["SUBJECT_ID"], ["GENDER", "DOB"], |line, row| {
            let read = row.ok_or(Why::Width).and_then(|([subject], [sex, born])| {
                let sex = match sex {
                    "F" => Some(Sex::Female),
                    "M" => Some(Sex::Male),
                    _ => None,
                };
                Ok((rows::id(subject)?, sex, rows::time(born)?))
            });
            match read {
                Err(why) => self.fault(Table::Patients, line, 0, why),
                Ok((subject, sex, born)) => {
                    for stay in self.of_subject.get(&subject).into_iter().flatten() {
                        let person = &mut self.counts[*stay as usize].person;
                        (person.sex, person.born) = (sex, Some(born));
                    }
                }
            }
        })
    }

    fn admissions(&mut self, file: &Path) -> Result<(), Fault> {
        let mut of_admission: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (number, stay) in self.stays.iter().enumerate() {
            of_admission.entry(stay.admission).or_default().push(number);
        }
        let wanted = ["ADMITTIME", "DEATHTIME", "HOSPITAL_EXPIRE_FLAG"];
        csv::rows(file, ["HADM_ID"], wanted, |line, row| {
            let read = row.ok_or(Why::Width).and_then(|([id], [admitted, died, flag])| {
                let died = if died.is_empty() { None } else { Some(rows::time(died)?) };
                let flag = match flag {
                    "0" => Some(false),
                    "1" => Some(true),
                    "" => None,
                    _ => return Err(Why::Number),
                };
                Ok((rows::id(id)?, rows::time(admitted)?, died, flag))
            });
            match read {
                Err(why) => self.fault(Table::Admissions, line, 0, why),
                Ok((id, admitted, died, flag)) => {
                    for stay in of_admission.get(&id).into_iter().flatten() {
                        let person = &mut self.counts[*stay].person;
                        person.hospital_admitted_at = Some(admitted);
                        (person.died_at, person.died_in_hospital) = (died, flag);
                    }
                }
            }
        })?;
        for counted in &mut self.counts {
            if counted.person.born.is_none() || counted.person.hospital_admitted_at.is_none() {
                counted.left.insert(NO_PERSON, 1);
            }
        }
        Ok(())
    }

    fn transfers(&mut self, file: &Path) -> Result<(), Fault> {
        let table = Table::Transfers;
        csv::rows(file, ["ICUSTAY_ID"], ["INTIME", "CURR_CAREUNIT"], |line, row| {
            let Some(([id], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            if id.is_empty() {
                return self.left(0, OUTSIDE_ANY_STAY);
            }
            match rows::id(id).map(|id| self.of_id.get(&id).copied()) {
                Err(why) => self.fault(table, line, 0, why),
                Ok(None) => self.left(0, UNKNOWN_STAY),
                Ok(Some(stay)) => {
                    let verdict = rows::transfer(row, self.stays[stay as usize].begins);
                    self.take(table, line, stay, verdict);
                }
            }
        })
    }

    /// A table whose rows name their stay, or at least the patient.
    fn of_stay<const N: usize>(
        &mut self,
        table: Table,
        file: &Path,
        wanted: [&'static str; N],
        read: fn([&str; N]) -> Verdict,
    ) -> Result<(), Fault> {
        csv::rows(file, ["ICUSTAY_ID", "SUBJECT_ID"], wanted, |line, row| {
            let Some(([id, subject], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            if id.is_empty() {
                return self.by_time(table, line, subject, Span::ZERO, read(row));
            }
            match rows::id(id).map(|id| self.of_id.get(&id).copied()) {
                Err(why) => self.fault(table, line, 0, why),
                Ok(None) => self.left(0, UNKNOWN_STAY),
                Ok(Some(stay)) => self.take(table, line, stay, read(row)),
            }
        })
    }

    /// A table whose rows name only the patient, and are of the stay they fall into or precede.
    fn of_time<const N: usize>(
        &mut self,
        table: Table,
        file: &Path,
        wanted: [&'static str; N],
        read: fn([&str; N]) -> Verdict,
    ) -> Result<(), Fault> {
        csv::rows(file, ["SUBJECT_ID"], wanted, |line, row| {
            let Some(([subject], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            self.by_time(table, line, subject, BEFORE, read(row));
        })
    }

    fn by_time(&mut self, table: Table, line: u64, subject: &str, before: Span, verdict: Verdict) {
        let stays = match rows::id(subject) {
            Err(why) => return self.fault(table, line, 0, why),
            Ok(subject) => self.of_subject.get(&subject).map_or(&[][..], Vec::as_slice),
        };
        let of = |before: Span, at: EventTime| {
            let holds = |n: &&u32| {
                let stay = &self.stays[**n as usize];
                at >= stay.begins - before && at <= stay.ends
            };
            stays.iter().find(holds).copied()
        };
        let (first, here) = (
            stays.first().copied(),
            match verdict {
                Verdict::Says { at, .. } => of(Span::ZERO, at).or_else(|| of(before, at)),
                Verdict::Left(_) | Verdict::Broken(_) => stays.first().copied(),
            },
        );
        match (here, first) {
            (Some(stay), _) if table == Table::Prescriptions && self.stays[stay as usize].is_metavision => {
                let verdict =
                    if matches!(verdict, Verdict::Says { .. }) { Verdict::Left(TWICE) } else { verdict };
                self.take(table, line, stay, verdict);
            }
            (Some(stay), _) => self.take(table, line, stay, verdict),
            (None, Some(stay)) => self.left(stay, OUTSIDE_ANY_STAY),
            (None, None) => self.left(0, OUTSIDE_ANY_STAY),
        }
    }

    fn left(&mut self, stay: u32, reason: Reason) {
        *self.counts[stay as usize].left.entry(reason).or_default() += 1;
    }

    fn fault(&mut self, table: Table, line: u64, stay: u32, why: Why) {
        let (at, known) = (EventTime::from_micros(0), ArrivalTime::from_micros(0));
        self.push(&Word { stay, table, line, at, known, what: What::Fault(why) });
    }

    fn take(&mut self, table: Table, line: u64, stay: u32, verdict: Verdict) {
        match verdict {
            Verdict::Says { at, known, what } => self.push(&Word { stay, table, line, at, known, what }),
            Verdict::Left(reason) => self.left(stay, reason),
            Verdict::Broken(why) => self.fault(table, line, stay, why),
        }
    }

    fn push(&mut self, word: &Word) {
        if self.failed.is_none() {
            self.failed = self.sorter.push(word).err();
        }
    }
}
