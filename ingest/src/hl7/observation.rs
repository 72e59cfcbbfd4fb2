//! OBX: one observation (HL7 v2.5.1, 7.4.2).

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    event::{Body, NoReading, Numeric, ResultStatus},
    signal::Signal,
    time::EventTime,
    unit::Unit,
};

use super::{
    codes::{self, Meaning},
    lexer::{Delimiters, Piece},
    message::{Context, Outcome, Reader, Settled, Stamp},
    number,
};
use crate::subject;

/// The fields of an OBX segment up to OBX-14; index n is OBX-n.
pub(super) type Fields<'a> = [Piece<'a>; 15];

/// What OBX-11 says of a result (table 0085).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is one.
    Result(ResultStatus),
    /// `X`: none can be obtained.
    NotObtained,
    /// `I`, `N`, `O`, and `U` without a value: nothing is said yet, or nothing new.
    Nothing,
}

/// Reads OBX-11. An empty one is read as final: monitors leave it out. `R` ("entered, not verified",
/// what monitors send) and `S` (partial) are preliminary. `None` for a letter that is not in the table.
pub(super) fn standing(letter: &[u8], has_value: bool) -> Option<Standing> {
    Some(match letter {
        b"F" | b"" | b"\"\"" | b"V" | b"B" => Standing::Result(ResultStatus::Final),
        b"U" if has_value => Standing::Result(ResultStatus::Final),
        b"C" | b"A" => Standing::Result(ResultStatus::Corrected),
        b"D" | b"W" => Standing::Result(ResultStatus::Withdrawn),
        b"P" | b"R" | b"S" => Standing::Result(ResultStatus::Preliminary),
        b"X" => Standing::NotObtained,
        b"I" | b"N" | b"O" | b"U" => Standing::Nothing,
        _ => return None,
    })
}

/// Whether a flag in OBX-8 says that the value is none of the patient's: the null flavours of the IHE
/// PCD framework (wiki.ihe.net, "NullFlavorsInPCD"), and invalid, test, demonstration and calibration
/// values (from memory of IHE PCD TF-2, B.8: unverified).
fn is_null_flag(flag: &[u8]) -> bool {
    matches!(
        flag,
        b"NI"
            | b"NA"
            | b"NAV"
            | b"OFF"
            | b"MSK"
            | b"OTH"
            | b"NAN"
            | b"PINF"
            | b"NINF"
            | b"INV"
            | b"TEST"
            | b"DEMO"
            | b"CAL"
    )
}

/// Whether a signal's values have no unit, so that none need stand in OBX-6.
fn is_dimensionless(signal: Signal) -> bool {
    matches!(signal.info().unit, Unit::One | Unit::Score | Unit::Ph)
}

/// The number in OBX-5; `None` when its type holds none or it is not one plain number.
fn number_of(kind: &[u8], value: Piece<'_>, marks: &Delimiters) -> Option<f64> {
    match kind {
        // Without a type the value still must be a number to count.
        b"NM" | b"ST" | b"TX" | b"" => number::parse(value.trim().bytes),
        b"SN" => {
            let [comparator, first, separator, second] = value.parts::<4>(marks.component).map(Piece::trim);
            let exact = matches!(comparator.bytes, b"" | b"=") && separator.is_empty() && second.is_empty();
            if exact { number::parse(first.bytes) } else { None }
        }
        _ => None,
    }
}

impl<'a> Reader<'a> {
    /// Reads one OBX segment.
    pub(super) fn observation(&mut self, index: usize, context: &mut Context<'_, 'a>) -> Settled {
        let marks = &context.header.marks;
        let fields: Fields<'a> = self.line(index).parts(marks.field);
        let meaning = codes::observation(fields[3], marks, &self.config.local_codes)
            .ok_or_else(|| self.at(index, fields[3], Reason::Missing, "3"))?;
        match meaning {
            Meaning::Signal(signal) => self.signal(index, signal, &fields, context),
            Meaning::Waveform(kind, label) => self.waveform(index, (kind, label), &fields, context),
            Meaning::SampleRate | Meaning::SamplePeriod => self.sampling(index, meaning, &fields, context),
            Meaning::Attribute | Meaning::Container => Ok(Outcome::Decoded),
            Meaning::Other => Ok(Outcome::Skipped),
        }
    }

    fn signal(
        &mut self,
        index: usize,
        signal: Signal,
        fields: &Fields<'a>,
        context: &Context<'_, 'a>,
    ) -> Settled {
        let standing = standing(fields[11].trim().bytes, fields[5].has_value())
            .ok_or_else(|| self.at(index, fields[11], Reason::BadValue, "11"))?;
        let body = match standing {
            Standing::Nothing => return Ok(Outcome::Skipped),
            Standing::NotObtained => Body::NoReading { signal, reason: NoReading::NotObtained },
            Standing::Result(status) => self.reading(index, signal, status, fields, context)?,
        };
        self.named(index, context)?;
        let time = self.observed_at(fields[14], index, context)?;
        self.emit(context.header, &context.subject, time, body);
        Ok(Outcome::Decoded)
    }

    /// Refuses an observation of nobody.
    pub(super) fn named(&self, index: usize, context: &Context<'_, 'a>) -> Result<(), Rejection> {
        match context.subject.patient {
            Some(_) => Ok(()),
            None => Err(self.at(index, self.line(index), Reason::NoPatient, "")),
        }
    }

    /// The value of a result in the signal's unit, or why there is none.
    fn reading(
        &self,
        index: usize,
        signal: Signal,
        status: ResultStatus,
        fields: &Fields<'a>,
        context: &Context<'_, 'a>,
    ) -> Result<Body, Rejection> {
        let header = context.header;
        let marks = &header.marks;
        let none = |reason| Ok(Body::NoReading { signal, reason });
        let (kind, value, unit, flags) = (fields[2].trim(), fields[5], fields[6].trim(), fields[8]);
        if !flags.is_empty()
            && flags.split(marks.repetition).any(|f| is_null_flag(f.first(marks.component).bytes))
        {
            return none(NoReading::NotObtained);
        }
        if !value.has_value() {
            // A withdrawal needs no value, and losing it would keep a wrong one alive.
            let withdrawn = Numeric { signal, value: 0.0, status, plausible: false };
            return if status == ResultStatus::Withdrawn {
                Ok(Body::Numeric(withdrawn))
            } else {
                none(NoReading::Empty)
            };
        }
        let number = number_of(kind.bytes, value, marks)
            .ok_or_else(|| self.at(index, value, Reason::BadValue, "5"))?;
        if signal.is_sentinel(number) {
            return none(NoReading::Sentinel);
        }
        let unknown_unit = || self.at(index, unit, Reason::UnknownUnit, "6");
        let unit = match codes::unit(unit, marks, header.charset) {
            Some(unit) => unit,
            None if !unit.has_value() && is_dimensionless(signal) => signal.info().unit,
            None => return Err(unknown_unit()),
        };
        let value = signal.to_canonical(number, unit).map_err(|_| unknown_unit())?;
        Ok(Body::Numeric(Numeric::new(signal, value).with_status(status)))
    }

    /// When it was measured: OBX-14, else OBR-7 of its order, else MSH-7.
    pub(super) fn observed_at(
        &mut self,
        own: Piece<'a>,
        index: usize,
        context: &Context<'_, 'a>,
    ) -> Result<EventTime, Rejection> {
        let text = own.first(context.header.marks.component).trim();
        let own = text.has_value().then_some(Stamp { text, segment: index, field: "14" });
        let sent = Some(context.header.sent).filter(|sent| sent.text.has_value());
        match own.or(context.ordered).or(sent) {
            Some(stamp) => self.time(&stamp),
            None => Err(self.at(index, text, Reason::Missing, "14")),
        }
    }

    /// Reads a timestamp that cannot lie in the future.
    pub(super) fn time(&mut self, stamp: &Stamp<'a>) -> Result<EventTime, Rejection> {
        let refuse = |reader: &Self, reason| reader.at(stamp.segment, stamp.text, reason, stamp.field);
        let time = self.clock.read(stamp.text.bytes).ok_or_else(|| refuse(self, Reason::BadTime))?;
        subject::not_ahead(time, self.record, self.future_tolerance)
            .map_err(|reason| refuse(self, reason))?;
        Ok(time)
    }
}
