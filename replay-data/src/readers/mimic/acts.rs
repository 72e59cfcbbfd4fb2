//! Rows about infections as acts: labels, told to nobody. A row that cannot be read is no act here; that it
//! is broken is told where it is read as news.

use bedwatch_schemas::{
    medication::Drug,
    time::{EventTime, Span},
};

use super::{items, rows};
use crate::readers::infection::{Act, Culture, When, order};

/// `MICROBIOLOGYEVENTS`: CHARTDATE, CHARTTIME, SPEC_TYPE_DESC.
pub(super) fn culture([date, at, specimen]: &[&str; 3]) -> Option<Act> {
    let taken = if at.is_empty() { day(date)? } else { When::At(rows::time(at).ok()?) };
    let specimen = specimen.to_uppercase();
    let is_blood = specimen.starts_with("BLOOD CULTURE");
    rows::is_culture(&specimen).then_some(Act::Cultured(Culture { taken, is_blood }))
}

/// `PRESCRIPTIONS`: STARTDATE, ENDDATE, DRUG_TYPE, DRUG, ROUTE. An end by date is the end of its day.
pub(super) fn prescription([begun, until, kind, drug, route]: &[&str; 5]) -> Option<Act> {
    if !rows::is_systemic_antibiotic(kind, drug, route) {
        return None;
    }
    let until = day(until).map(|until| match until {
        When::At(at) => at,
        When::Day(day) => day + Span::hours(24),
    });
    let is_intravenous = route.starts_with("IV") || matches!(*route, "PB" | "IJ");
    Some(order(day(begun)?, until, is_intravenous))
}

/// `INPUTEVENTS_MV`, with the columns of [`rows::input_metavision`].
pub(super) fn input(row: &[&str; 10]) -> Option<Act> {
    let [of, from, _, _, _, _, _, _, category, status] = row;
    let drug: u32 = of.parse().ok()?;
    if items::drug(drug) != Some(Drug::Antibiotic) || *status == "Rewritten" {
        return None;
    }
    let is_intravenous = *category != "Non Iv Meds";
    Some(Act::Dosed { drug, at: rows::time(from).ok()?, is_intravenous })
}

/// A time that at midnight is a date alone.
fn day(text: &str) -> Option<When> {
    let at: EventTime = rows::time(text).ok()?;
    let is_midnight = at == at.floor(Span::hours(24));
    Some(if is_midnight { When::Day(at) } else { When::At(at) })
}
