//! The columns of the PhysioNet/CinC Challenge 2019 (Reyna et al. 2020): the reader and the simulator's
//! writer share one table, so that neither can drift from the other.

use bedwatch_schemas::signal::Signal;

/// The measured columns in the challenge's order, with the signal each is read as. The challenge does
/// not say how pressures were measured; they are taken as cuff pressures.
pub(crate) const MEASURED: [(&str, Signal); 34] = [
    ("HR", Signal::HeartRate),
    ("O2Sat", Signal::Spo2),
    ("Temp", Signal::Temperature),
    ("SBP", Signal::NibpSystolic),
    ("MAP", Signal::NibpMean),
    ("DBP", Signal::NibpDiastolic),
    ("Resp", Signal::RespRate),
    ("EtCO2", Signal::Etco2),
    ("BaseExcess", Signal::BaseExcess),
    ("HCO3", Signal::Bicarbonate),
    ("FiO2", Signal::Fio2),
    ("pH", Signal::ArterialPh),
    ("PaCO2", Signal::Paco2),
    ("SaO2", Signal::Sao2),
    ("AST", Signal::Ast),
    ("BUN", Signal::Bun),
    ("Alkalinephos", Signal::AlkalinePhosphatase),
    ("Calcium", Signal::Calcium),
    ("Chloride", Signal::Chloride),
    ("Creatinine", Signal::Creatinine),
    ("Bilirubin_direct", Signal::BilirubinDirect),
    ("Glucose", Signal::Glucose),
    ("Lactate", Signal::Lactate),
    ("Magnesium", Signal::Magnesium),
    ("Phosphate", Signal::Phosphate),
    ("Potassium", Signal::Potassium),
    ("Bilirubin_total", Signal::BilirubinTotal),
    ("TroponinI", Signal::TroponinI),
    ("Hct", Signal::Hematocrit),
    ("Hgb", Signal::Hemoglobin),
    ("PTT", Signal::Ptt),
    ("WBC", Signal::Wbc),
    ("Fibrinogen", Signal::Fibrinogen),
    ("Platelets", Signal::Platelets),
];
