//! Whose a message is, and whether its time can be true.

use bedwatch_schemas::{
    dead_letter::Reason,
    ids::PatientId,
    time::{EventTime, Span},
};

use crate::Record;

/// How far an event may lie after its arrival by default: clocks are off by minutes, not more.
pub const FUTURE_TOLERANCE: Span = Span::minutes(5);

/// The patient of a message that itself names one in the same pseudonymous numbering as the key.
///
/// # Errors
/// `KeyMismatch` when key and message disagree, `NoPatient` when neither names one.
pub(crate) fn patient(record: &Record, named: Option<&str>) -> Result<PatientId, Reason> {
    let named = named.and_then(|text| PatientId::new(text).ok());
    match (keyed(record)?, named) {
        (Some(key), Some(named)) if key != named => Err(Reason::KeyMismatch),
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(Reason::NoPatient),
    }
}

/// The patient named by the record's key.
///
/// # Errors
/// `NoPatient` when there is a key that is no identifier.
pub(crate) fn keyed(record: &Record) -> Result<Option<PatientId>, Reason> {
    record.key.map(PatientId::new).transpose().map_err(|_| Reason::NoPatient)
}

/// Refuses a time too far after its arrival: one clock that runs ahead must not close the windows of
/// honest ones.
///
/// # Errors
/// `FutureTime`.
pub(crate) fn not_ahead(time: EventTime, record: &Record, tolerance: Span) -> Result<(), Reason> {
    if time > record.arrival.as_event_time() + tolerance { Err(Reason::FutureTime) } else { Ok(()) }
}
