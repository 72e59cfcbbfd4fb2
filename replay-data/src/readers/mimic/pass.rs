//! The one pass over the tables of a folder, from front to back, that gives each stay its words.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use bedwatch_schemas::{
    event::Sex,
    time::{ArrivalTime, EventTime, Span},
};

use super::{
    Edition, Told, acts, rows,
    table::Table,
    tables::{Counted, Icu, Sorted, Tables},
    word::{Reason, Verdict, What, Why, Word},
};
use crate::readers::{
    At, Fault, csv,
    infection::{AROUND, Act},
    place::Place,
    spool::Sorter,
};

/// What happened to a patient so long before the unit is known at the admission to it.
const BEFORE: Span = Span::hours(24);
const UNKNOWN_STAY: Reason = "mimic.unknown_stay";
const OUTSIDE_ANY_STAY: Reason = "mimic.outside_any_stay";
const TABLE_ABSENT: Reason = "mimic.table_absent";
const NO_PERSON: Reason = "mimic.no_patient_or_admission";
const TWICE: Reason = "mimic.also_in_inputevents";

/// Of tables that tell of no infection.
const fn no_act<const N: usize>(_: &[&str; N]) -> Option<Act> {
    None
}

/// The one pass.
pub(super) struct Pass<'a> {
    stays: &'a [Icu],
    of_id: BTreeMap<u64, u32>,
    of_subject: BTreeMap<u64, Vec<u32>>,
    sorter: Sorter<Word>,
    counts: Vec<Counted>,
    faults: Vec<Told>,
    whole: BTreeSet<Table>,
    /// What kept a word from being written.
    failed: Option<io::Error>,
}

impl<'a> Pass<'a> {
    pub(super) fn over(tables: &'a Tables) -> Result<Sorted, Fault> {
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
            counts: stays.iter().map(|s| Counted { left: s.left.clone(), ..Counted::default() }).collect(),
            faults: Vec::new(),
            whole: BTreeSet::new(),
            failed: None,
        };
        for table in Table::ALL.into_iter().skip(1) {
            pass.table(table, tables);
        }
        match pass.failed {
            Some(error) => Err(io(error)),
            None => Ok(Sorted {
                whole: pass.whole,
                spool: pass.sorter.sorted().map_err(io)?,
                counts: pass.counts,
                faults: pass.faults,
            }),
        }
    }

    /// Reads a table; one that is absent is counted with every stay, one that breaks off is a fault.
    fn table(&mut self, table: Table, tables: &Tables) {
        let edition = tables.edition;
        if table.name_in(edition).is_none() {
            return;
        }
        let Some(file) = table.file(&tables.folder, edition) else {
            self.counts.iter_mut().for_each(|c| *c.left.entry(TABLE_ABSENT).or_default() += 1);
            return;
        };
        let read = match table {
            Table::IcuStays => Ok(()),
            Table::Patients => self.patients(&file),
            Table::Admissions => self.admissions(&file),
            Table::Transfers if edition == Edition::Fourth => self.transfers_by_time(&file),
            Table::Transfers => self.transfers(&file),
            Table::ChartEvents => self.of_stay(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "STORETIME", "VALUE", "VALUENUM", "VALUEUOM", "?ERROR"],
                rows::chart,
                no_act,
            ),
            Table::OutputEvents => self.of_stay(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "STORETIME", "VALUE", "VALUEUOM", "?ISERROR"],
                rows::output,
                no_act,
            ),
            Table::InputEventsCv => self.of_stay(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "STORETIME", "RATE", "RATEUOM", "STOPPED"],
                rows::input_carevue,
                no_act,
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
                acts::input,
            ),
            Table::ProcedureEventsMv => self.of_stay(
                table,
                &file,
                ["ITEMID", "STARTTIME", "ENDTIME", "STORETIME", "STATUSDESCRIPTION"],
                rows::procedure,
                no_act,
            ),
            Table::LabEvents => self.of_time(
                table,
                &file,
                ["ITEMID", "CHARTTIME", "?STORETIME", "VALUE", "VALUENUM", "VALUEUOM"],
                rows::lab,
                no_act,
            ),
            Table::MicrobiologyEvents => self.of_time(
                table,
                &file,
                ["CHARTDATE", "CHARTTIME", "SPEC_TYPE_DESC"],
                rows::culture,
                acts::culture,
            ),
            Table::Prescriptions => self.of_time(
                table,
                &file,
                ["STARTDATE|STARTTIME", "?ENDDATE|STOPTIME", "DRUG_TYPE", "DRUG", "ROUTE"],
                rows::prescription,
                acts::prescription,
            ),
        };
        match read {
            Ok(()) => drop(self.whole.insert(table)),
            Err(fault) => self.faults.push((At::Table(table.name()), fault)),
        }
    }

    fn patients(&mut self, file: &Place) -> Result<(), Fault> {
        let wanted = ["GENDER", "?DOB", "?ANCHOR_AGE", "?ANCHOR_YEAR"];
        csv::rows(file, ["SUBJECT_ID"], wanted, |line, row| {
            let read = row.ok_or(Why::Width).and_then(|([subject], [sex, born, age, year])| {
                let sex = match sex {
                    "F" => Some(Sex::Female),
                    "M" => Some(Sex::Male),
                    _ => None,
                };
                let born = if born.is_empty() { rows::born(age, year)? } else { rows::time(born)? };
                Ok((rows::id(subject)?, sex, born))
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

    fn admissions(&mut self, file: &Place) -> Result<(), Fault> {
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

    fn transfers(&mut self, file: &Place) -> Result<(), Fault> {
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

    /// MIMIC-IV's name only the patient, and also say when one left.
    fn transfers_by_time(&mut self, file: &Place) -> Result<(), Fault> {
        let table = Table::Transfers;
        csv::rows(file, ["SUBJECT_ID"], ["INTIME", "CAREUNIT"], |line, row| {
            let Some(([subject], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            let (subject, at) = match (rows::id(subject), rows::time(row[0])) {
                (Ok(subject), Ok(at)) => (subject, at),
                (Err(why), _) | (_, Err(why)) => return self.fault(table, line, 0, why),
            };
            let stays = self.of_subject.get(&subject).map_or(&[][..], Vec::as_slice);
            let holds = |n: &&u32| {
                let stay = &self.stays[**n as usize];
                at >= stay.begins && at < stay.ends
            };
            match stays.iter().find(holds).copied() {
                Some(stay) => {
                    self.take(table, line, stay, rows::transfer(row, self.stays[stay as usize].begins))
                }
                None => self.left(stays.first().copied().unwrap_or(0), OUTSIDE_ANY_STAY),
            }
        })
    }

    /// A table whose rows name their stay, or at least the patient.
    fn of_stay<const N: usize>(
        &mut self,
        table: Table,
        file: &Place,
        wanted: [&'static str; N],
        read: fn([&str; N]) -> Verdict,
        act: fn(&[&str; N]) -> Option<Act>,
    ) -> Result<(), Fault> {
        csv::rows(file, ["ICUSTAY_ID|STAY_ID", "SUBJECT_ID"], wanted, |line, row| {
            let Some(([id, subject], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            self.act(table, line, subject, act(&row));
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
        file: &Place,
        wanted: [&'static str; N],
        read: fn([&str; N]) -> Verdict,
        act: fn(&[&str; N]) -> Option<Act>,
    ) -> Result<(), Fault> {
        csv::rows(file, ["SUBJECT_ID"], wanted, |line, row| {
            let Some(([subject], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            self.act(table, line, subject, act(&row));
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

    /// An act of a patient, with each of the stays that it may be a label of.
    fn act(&mut self, table: Table, line: u64, subject: &str, act: Option<Act>) {
        let (Some(act), Ok(subject)) = (act, rows::id(subject)) else { return };
        let (at, known) = (act.at(), act.at().as_arrival_time());
        for stay in self.of_subject.get(&subject).cloned().unwrap_or_default() {
            let icu = &self.stays[stay as usize];
            if at >= icu.begins - AROUND && at <= icu.ends + AROUND {
                self.push(&Word { stay, table, line, at, known, what: What::Act(act) });
            }
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
