//! Code tables: LOINC, IEEE 11073 MDC and UCUM or MDC units to signals, units and waveforms.
//!
//! An MDC code is `partition * 65536 + term` (IEEE 11073-10101); the table below holds partition
//! and term, so the code itself is computed and a test compares it with the published number.
//! LOINC check digits are verified in a test; that proves the spelling, not the meaning. Codes
//! marked `unverified` in the comments come from memory of the standard, not from its text.

use crate::{signal::Signal, unit::Unit, waveform::WaveformKind};

/// Partition 2: vital signs (SCADA).
pub const SCADA: u32 = 2;
/// Partition 4: dimensions (units).
pub const DIM: u32 = 4;

/// The numeric code of a term within its partition.
#[must_use]
pub const fn mdc(partition: u32, term: u32) -> u32 {
    partition * 65_536 + term
}

/// What a code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// A numeric signal.
    Signal(Signal),
    /// A waveform.
    Waveform(WaveformKind),
}

/// One row of the MDC table: partition, term, reference id, meaning.
pub type MdcRow = (u32, u32, &'static str, Coded);

use Coded::{Signal as S, Waveform as W};

/// The MDC codes known, by IEEE 11073-10101 partition and term.
pub const MDC: &[MdcRow] = &[
    (SCADA, 16_770, "MDC_ECG_HEART_RATE", S(Signal::HeartRate)),
    (SCADA, 18_458, "MDC_PULS_OXIM_PULS_RATE", S(Signal::PulseRate)),
    (SCADA, 18_442, "MDC_PULS_RATE", S(Signal::PulseRate)),
    (SCADA, 18_474, "MDC_PULS_RATE_NON_INV", S(Signal::PulseRate)),
    (SCADA, 20_490, "MDC_RESP_RATE", S(Signal::RespRate)),
    (SCADA, 20_506, "MDC_TTHOR_RESP_RATE", S(Signal::RespRate)),
    (SCADA, 20_522, "MDC_CO2_RESP_RATE", S(Signal::RespRate)),
    (SCADA, 19_384, "MDC_PULS_OXIM_SAT_O2", S(Signal::Spo2)),
    (SCADA, 19_272, "MDC_TEMP", S(Signal::Temperature)),
    (SCADA, 19_292, "MDC_TEMP_BODY", S(Signal::Temperature)),
    (SCADA, 18_949, "MDC_PRESS_BLD_NONINV_SYS", S(Signal::NibpSystolic)),
    (SCADA, 18_950, "MDC_PRESS_BLD_NONINV_DIA", S(Signal::NibpDiastolic)),
    (SCADA, 18_951, "MDC_PRESS_BLD_NONINV_MEAN", S(Signal::NibpMean)),
    (SCADA, 18_961, "MDC_PRESS_BLD_ART_SYS", S(Signal::AbpSystolic)),
    (SCADA, 18_962, "MDC_PRESS_BLD_ART_DIA", S(Signal::AbpDiastolic)),
    (SCADA, 18_963, "MDC_PRESS_BLD_ART_MEAN", S(Signal::AbpMean)),
    (SCADA, 18_965, "MDC_PRESS_BLD_ART_ABP_SYS", S(Signal::AbpSystolic)),
    (SCADA, 18_966, "MDC_PRESS_BLD_ART_ABP_DIA", S(Signal::AbpDiastolic)),
    (SCADA, 18_967, "MDC_PRESS_BLD_ART_ABP_MEAN", S(Signal::AbpMean)),
    (SCADA, 20_636, "MDC_AWAY_CO2_ET", S(Signal::Etco2)),
    (SCADA, 29_140, "MDC_CONC_GLU_ISF", S(Signal::CgmGlucose)),
    (SCADA, 256, "MDC_ECG_ELEC_POTL", W(WaveformKind::Ecg)),
    (SCADA, 257, "MDC_ECG_ELEC_POTL_I", W(WaveformKind::Ecg)),
    (SCADA, 258, "MDC_ECG_ELEC_POTL_II", W(WaveformKind::Ecg)),
    (SCADA, 317, "MDC_ECG_ELEC_POTL_III", W(WaveformKind::Ecg)),
    (SCADA, 259, "MDC_ECG_ELEC_POTL_V1", W(WaveformKind::Ecg)),
    (SCADA, 19_380, "MDC_PULS_OXIM_PLETH", W(WaveformKind::Pleth)),
    (SCADA, 18_944, "MDC_PRESS_BLD", W(WaveformKind::Abp)),
    (SCADA, 18_960, "MDC_PRESS_BLD_ART", W(WaveformKind::Abp)),
    (SCADA, 18_964, "MDC_PRESS_BLD_ART_ABP", W(WaveformKind::Abp)),
    (SCADA, 20_480, "MDC_RESP", W(WaveformKind::Resp)),
];

/// MDC unit codes: term in partition 4, reference id, unit.
pub const MDC_UNITS: &[(u32, &str, Unit)] = &[
    (512, "MDC_DIM_DIMLESS", Unit::One),
    (544, "MDC_DIM_PERCENT", Unit::Percent),
    (2_720, "MDC_DIM_BEAT_PER_MIN", Unit::PerMinute),
    (2_784, "MDC_DIM_RESP_PER_MIN", Unit::PerMinute),
    (2_464, "MDC_DIM_PER_SEC", Unit::Hertz),
    (2_528, "MDC_DIM_HZ", Unit::Hertz),
    (3_872, "MDC_DIM_MMHG", Unit::MmHg),
    (3_843, "MDC_DIM_KILO_PASCAL", Unit::KiloPascal),
    (6_048, "MDC_DIM_DEGC", Unit::Celsius),
    (4_416, "MDC_DIM_FAHR", Unit::Fahrenheit),
    (2_130, "MDC_DIM_MILLI_G_PER_DL", Unit::MgPerDl),
    (4_722, "MDC_DIM_MILLI_MOLE_PER_L", Unit::MmolPerL),
    (4_274, "MDC_DIM_MILLI_VOLT", Unit::MilliVolt),
    (4_275, "MDC_DIM_MICRO_VOLT", Unit::MicroVolt),
    (2_194, "MDC_DIM_MILLI_SEC", Unit::Millisecond),
];

/// LOINC codes known and the signal each names.
pub const LOINC: &[(&str, Signal)] = &[
    ("8867-4", Signal::HeartRate),
    ("8889-8", Signal::PulseRate),
    ("9279-1", Signal::RespRate),
    ("59408-5", Signal::Spo2),
    ("2708-6", Signal::Spo2),
    ("8310-5", Signal::Temperature),
    ("8331-1", Signal::Temperature),
    ("8480-6", Signal::NibpSystolic),
    ("8462-4", Signal::NibpDiastolic),
    ("8478-0", Signal::NibpMean),
    ("76215-3", Signal::AbpSystolic),
    ("76213-8", Signal::AbpDiastolic),
    ("76214-6", Signal::AbpMean),
    ("19891-1", Signal::Etco2),
    ("3150-0", Signal::Fio2),
    ("9269-2", Signal::GcsTotal),
    ("99504-3", Signal::CgmGlucose),
    ("2345-7", Signal::Glucose),
    ("2339-0", Signal::Glucose),
    ("15074-8", Signal::Glucose),
    ("2524-7", Signal::Lactate),
    ("32693-4", Signal::Lactate),
    ("2160-0", Signal::Creatinine),
    ("14682-9", Signal::Creatinine),
    ("1975-2", Signal::BilirubinTotal),
    ("1968-7", Signal::BilirubinDirect),
    ("777-3", Signal::Platelets),
    ("6690-2", Signal::Wbc),
    ("718-7", Signal::Hemoglobin),
    ("4544-3", Signal::Hematocrit),
    ("20570-8", Signal::Hematocrit),
    ("2951-2", Signal::Sodium),
    ("2823-3", Signal::Potassium),
    ("2075-0", Signal::Chloride),
    ("1963-8", Signal::Bicarbonate),
    ("1925-7", Signal::BaseExcess),
    ("17861-6", Signal::Calcium),
    ("19123-9", Signal::Magnesium),
    ("2777-1", Signal::Phosphate),
    ("3094-0", Signal::Bun),
    ("1742-6", Signal::Alt),
    ("1920-8", Signal::Ast),
    ("6768-6", Signal::AlkalinePhosphatase),
    ("1751-7", Signal::Albumin),
    ("10839-9", Signal::TroponinI),
    ("6598-7", Signal::TroponinT),
    ("3173-2", Signal::Ptt),
    ("6301-6", Signal::Inr),
    ("3255-7", Signal::Fibrinogen),
    ("2744-1", Signal::ArterialPh),
    ("2019-8", Signal::Paco2),
    ("2703-7", Signal::Pao2),
    ("2708-6", Signal::Spo2),
    ("33959-8", Signal::Procalcitonin),
    ("1988-5", Signal::Crp),
    ("9187-6", Signal::UrineOutput),
    ("29463-7", Signal::Weight),
    ("8302-2", Signal::Height),
    ("2093-3", Signal::Cholesterol),
    // The same quantities under the codes that basic panels use (meanings from memory: unverified).
    ("2028-9", Signal::Bicarbonate),
    ("14749-6", Signal::Glucose),
    ("41653-7", Signal::Glucose),
    ("2000-8", Signal::Calcium),
    ("14631-6", Signal::BilirubinTotal),
    ("26464-8", Signal::Wbc),
    ("26515-7", Signal::Platelets),
];

/// What a numeric MDC code names (full code, or the bare term where it is unambiguous).
#[must_use]
pub fn from_mdc(code: u32) -> Option<Coded> {
    MDC.iter().find(|(p, t, _, _)| mdc(*p, *t) == code).map(|row| row.3)
}

/// What an MDC reference id (`MDC_...`) names.
#[must_use]
pub fn from_mdc_name(name: &str) -> Option<Coded> {
    MDC.iter().find(|row| row.2 == name).map(|row| row.3)
}

/// The unit an MDC unit code or reference id names.
#[must_use]
pub fn unit_from_mdc(code: u32) -> Option<Unit> {
    MDC_UNITS.iter().find(|(t, _, _)| mdc(DIM, *t) == code).map(|row| row.2)
}

/// The unit an MDC unit reference id names.
#[must_use]
pub fn unit_from_mdc_name(name: &str) -> Option<Unit> {
    MDC_UNITS.iter().find(|row| row.1 == name).map(|row| row.2)
}

/// The signal a LOINC code names.
#[must_use]
pub fn from_loinc(code: &str) -> Option<Signal> {
    LOINC.iter().find(|(c, _)| *c == code).map(|row| row.1)
}

/// The first LOINC code of a signal, for writers.
#[must_use]
pub fn loinc_of(signal: Signal) -> Option<&'static str> {
    LOINC.iter().find(|(_, s)| *s == signal).map(|row| row.0)
}

/// The first MDC code and reference id of a signal, for writers.
#[must_use]
pub fn mdc_of(signal: Signal) -> Option<(u32, &'static str)> {
    MDC.iter().find(|row| row.3 == S(signal)).map(|row| (mdc(row.0, row.1), row.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published full codes (IEEE 11073-10101 as quoted by public headers and device manuals).
    #[test]
    fn mdc_codes_equal_the_published_numbers() {
        let published = [
            ("MDC_ECG_HEART_RATE", 147_842),
            ("MDC_PULS_OXIM_PULS_RATE", 149_530),
            ("MDC_RESP_RATE", 151_562),
            ("MDC_TTHOR_RESP_RATE", 151_578),
            ("MDC_CO2_RESP_RATE", 151_594),
            ("MDC_PULS_OXIM_SAT_O2", 150_456),
            ("MDC_TEMP", 150_344),
            ("MDC_TEMP_BODY", 150_364),
            ("MDC_PRESS_BLD_NONINV_SYS", 150_021),
            ("MDC_PRESS_BLD_NONINV_DIA", 150_022),
            ("MDC_PRESS_BLD_NONINV_MEAN", 150_023),
            ("MDC_PRESS_BLD_ART_SYS", 150_033),
            ("MDC_PRESS_BLD_ART_DIA", 150_034),
            ("MDC_PRESS_BLD_ART_MEAN", 150_035),
            ("MDC_AWAY_CO2_ET", 151_708),
            ("MDC_CONC_GLU_ISF", 160_212),
            ("MDC_ECG_ELEC_POTL_II", 131_330),
            ("MDC_PULS_OXIM_PLETH", 150_452),
        ];
        for (name, code) in published {
            let row = MDC.iter().find(|r| r.2 == name).unwrap();
            assert_eq!(mdc(row.0, row.1), code, "{name}");
            assert_eq!(from_mdc(code), Some(row.3));
        }
        for (name, code) in [
            ("MDC_DIM_BEAT_PER_MIN", 264_864),
            ("MDC_DIM_PERCENT", 262_688),
            ("MDC_DIM_MMHG", 266_016),
            ("MDC_DIM_DEGC", 268_192),
            ("MDC_DIM_RESP_PER_MIN", 264_928),
            ("MDC_DIM_PER_SEC", 264_608),
        ] {
            let row = MDC_UNITS.iter().find(|r| r.1 == name).unwrap();
            assert_eq!(mdc(DIM, row.0), code, "{name}");
        }
    }

    #[test]
    fn wrong_codes_of_public_lists_are_not_ours() {
        assert_eq!(from_mdc(150_324), None, "a public list has this for SpO2");
        assert_eq!(from_mdc(29_140), None, "a bare term is not a code");
    }

    #[test]
    fn no_code_means_two_things() {
        for (i, a) in MDC.iter().enumerate() {
            for b in &MDC[i + 1..] {
                assert!(mdc(a.0, a.1) != mdc(b.0, b.1) && a.2 != b.2, "{} {}", a.2, b.2);
            }
        }
    }

    /// LOINC check digit: Luhn over the digits before the hyphen.
    #[test]
    fn loinc_check_digits_hold() {
        for (code, _) in LOINC {
            let (body, check) = code.split_once('-').unwrap();
            let sum: u32 = body
                .bytes()
                .rev()
                .enumerate()
                .map(|(i, b)| {
                    let d = u32::from(b - b'0');
                    let d = if i % 2 == 0 { d * 2 } else { d };
                    if d > 9 { d - 9 } else { d }
                })
                .sum();
            assert_eq!((10 - sum % 10) % 10, check.parse::<u32>().unwrap(), "{code}");
        }
    }
}
