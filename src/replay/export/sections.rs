//! `eeg.parquet`, `cardiac.parquet` and `glucose.parquet`: one row for each window or reading that a
//! frame describes, with the numbers of `bedwatch_features::columnar` under its names.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Float32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use bedwatch_features::columnar;
use bedwatch_schemas::{event::Modality, frame::FeatureFrame, ids::PatientId, time::EventTime};

use super::table::{Origin, time, times};

/// A part of the frame that becomes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// EEG windows.
    Eeg,
    /// Beats of one waveform.
    Cardiac(Modality),
    /// Sensor glucose.
    Glucose,
}

/// The tables with their sections: cardiac rows of all waveforms share one.
pub(super) const TABLES: [(&str, &[Section]); 3] = [
    ("eeg", &[Section::Eeg]),
    (
        "cardiac",
        &[
            Section::Cardiac(Modality::Ecg),
            Section::Cardiac(Modality::Pleth),
            Section::Cardiac(Modality::Abp),
        ],
    ),
    ("glucose", &[Section::Glucose]),
];

impl Section {
    /// What its columns' names begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Eeg => "eeg.",
            Self::Glucose => "glucose.",
            Self::Cardiac(Modality::Pleth) => "cardiac.pleth.",
            Self::Cardiac(Modality::Abp) => "cardiac.abp.",
            Self::Cardiac(_) => "cardiac.ecg.",
        }
    }

    /// Its columns: index in a frame's row and name. The age of a value is the row's own time.
    fn columns(self) -> impl Iterator<Item = (usize, &'static str)> {
        columnar::columns().iter().enumerate().filter_map(move |(i, name)| {
            let name = name.strip_prefix(self.prefix())?;
            (name != "age_hours").then_some((i, name))
        })
    }

    /// When what a frame says of it was measured.
    fn at(self, frame: &FeatureFrame) -> Option<EventTime> {
        match self {
            Self::Eeg => frame.eeg.as_ref().map(|e| e.at),
            Self::Glucose => frame.glucose.as_ref().map(|g| g.at),
            Self::Cardiac(m) => frame.cardiac.iter().find(|c| c.modality == m).map(|c| c.at),
        }
    }
}

#[derive(Debug, Clone)]
struct Row {
    patient: PatientId,
    at: EventTime,
    section: Section,
    values: Vec<Option<f32>>,
}

/// The windows and readings of one source.
#[derive(Debug, Default)]
pub(super) struct Sections {
    rows: Vec<Row>,
    last: BTreeMap<(PatientId, Section), EventTime>,
}

/// The columns of a table.
pub(super) fn schema(sections: &[Section]) -> SchemaRef {
    let mut fields = Origin::fields();
    fields.extend([time("at"), Field::new("from", DataType::Utf8, false)]);
    fields.extend(sections[0].columns().map(|(_, name)| Field::new(name, DataType::Float32, true)));
    Arc::new(Schema::new(fields))
}

impl Sections {
    /// Takes what is new in a frame.
    pub(super) fn frame(&mut self, frame: &FeatureFrame) {
        let mut whole = None;
        for section in TABLES.iter().flat_map(|t| t.1) {
            let Some(at) = section.at(frame) else { continue };
            let last = self.last.insert((frame.patient.clone(), *section), at);
            if last.is_some_and(|last| last >= at) {
                continue;
            }
            let row = whole.get_or_insert_with(|| columnar::row(frame));
            let values = section.columns().map(|(i, _)| row[i].map(|x| x as f32)).collect();
            self.rows.push(Row { patient: frame.patient.clone(), at, section: *section, values });
        }
    }

    /// The rows of one table, by patient and time.
    pub(super) fn batch(&self, origin: Origin<'_>, sections: &[Section]) -> anyhow::Result<RecordBatch> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|r| sections.contains(&r.section)).collect();
        rows.sort_by(|a, b| (&a.patient, a.at, a.section).cmp(&(&b.patient, b.at, b.section)));
        let mut columns: Vec<ArrayRef> = origin.columns(rows.iter().map(|r| r.patient.as_str()));
        columns.push(times(rows.iter().map(|r| r.at)));
        let from =
            rows.iter().map(|r| r.section.prefix().trim_start_matches("cardiac.").trim_end_matches('.'));
        columns.push(Arc::new(StringArray::from_iter_values(from)));
        for i in 0..sections[0].columns().count() {
            columns.push(Arc::new(rows.iter().map(|r| r.values[i]).collect::<Float32Array>()));
        }
        Ok(RecordBatch::try_new(schema(sections), columns)?)
    }
}
